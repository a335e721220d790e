// The undistorted photo beside the picture: as large, and as near.

import { bytes } from "../shared/values.js";

/** @param {import("../shared/mount.js").Page} page @param {import("./parts.js").Parts} ui */
export function mountReference({ model, onClose }, { root, reference, look }) {
  let address = "", shown = /** @type {unknown} */ (null);
  const free = () => { if (address) URL.revokeObjectURL(address); };
  onClose(free);
  const take = (/** @type {any} */ data) => {
    if (data === shown) return;
    free();
    const held = data ? bytes(data) : new Uint8Array(0), type = held[0] === 0x89 ? "image/png" : "image/jpeg";
    [address, shown] = [held.length ? URL.createObjectURL(new Blob([held.slice()], { type })) : "", data];
    if (address) reference.photo.src = address;
    else reference.photo.removeAttribute("src");
  };
  return () => {
    const { photo, name = "" } = model.get("reference") ?? {}, missing = model.get("no_reference"), on = look.reference.checked;
    take(photo);
    look.reference.disabled = Boolean(missing) && !on; // what is on can be taken back
    look.reference.parentElement.title = missing || "The undistorted photo, as large and as near";
    const there = on && Boolean(address);
    reference.node.hidden = !there;
    root.classList.toggle("xw-with-reference", there);
    reference.photo.alt = there ? `The undistorted photo of ${name}` : "";
    reference.words.textContent = `reference of ${name}`;
    reference.lacking.textContent = missing;
    reference.lacking.classList.toggle("xw-asked", on);
  };
}

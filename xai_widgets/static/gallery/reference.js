// The undistorted photo beside the image that the gallery tells about, where the reader asks for it.

import { bytes } from "../shared/values.js";

/**
 * @param {import("../shared/mount.js").Page} page
 * @param {import("./parts.js").Parts} parts
 * @param {import("./thumbnails.js").Pictures} pictures
 * @param {string} origin
 */
export function referenceOf({ model, listen, onClose }, parts, pictures, origin) {
  let known = new Set(), on = false, asked = -1, shown = -1, address = "";
  const index = () => Number(parts.facts.dataset.index ?? -1);
  const free = () => { if (address) URL.revokeObjectURL(address); };
  const show = () => {
    const here = index(), has = known.has(here);
    parts.compare.hidden = !has;
    parts.compare.setAttribute("aria-pressed", `${on}`);
    parts.beside.hidden = !(on && has && shown === here);
    const own = pictures.address(here);
    if (own) parts.own.src = own;
    else parts.own.removeAttribute("src");
    if (!on || !has || here === asked) return;
    asked = here;
    model.send({ kind: "reference", index: here, origin });
  };
  listen(parts.compare, "click", () => {
    on = !on;
    if (shown !== index()) asked = -1;
    show();
  });
  onClose(free);
  return {
    show,
    /** Which images have one. @param {import("../shared/mount.js").Page} page */
    watch: (page) => page.watch("references", () => {
      known = new Set(model.get("references"));
      show();
    }),
    /** @param {{ indices: number[], failed: [number, string][] }} content @param {DataView[]} buffers */
    take: ({ indices, failed }, buffers) => {
      const place = indices.indexOf(asked), fault = failed.find(([one]) => one === asked);
      if (fault) parts.facts.textContent = fault[1];
      if (place < 0) return;
      free();
      address = URL.createObjectURL(new Blob([bytes(buffers[place]).slice()], { type: "image/jpeg" }));
      parts.other.src = address;
      shown = asked;
      show();
    },
  };
}

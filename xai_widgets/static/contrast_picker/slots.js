// P and Q side by side, chosen alike: each with its name, its probability, and the most confident image of the set.

import { button, press } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { bytes, shortened } from "../shared/values.js";
import { percent } from "./classes.js";

const LETTERS_OF_SLOT = 34;
const MOST_SEEN = 60; // pictures that the page remembers, about 4 kB each

/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {{ address: string, name: string, share: number }} Seen the most confident image of a class */
/** @typedef {ReturnType<typeof buildSlots>} Slots */

/** @param {string} which @param {string} title */
function buildSlot(which, title) {
  const picture = element("img", { alt: "", hidden: true }), name = element("span", { class: "xw-slot-name" });
  const share = element("span", { class: "xw-numbers xw-caption" });
  const node = element("button", { type: "button", class: "xw-slot", "aria-pressed": "false" },
    element("span", { class: "xw-slot-picture", "aria-hidden": "true" }, picture, element("span", { class: "xw-which" }, which)),
    element("span", { class: "xw-slot-words" }, name, share));
  return { node, picture, name, share, which, title };
}

export function buildSlots() {
  const slots = { P: buildSlot("P", "P, the class that is explained"), Q: buildSlot("Q", "Q, the class it is compared with") };
  const swap = button("⇄", "Let P and Q change places", { "aria-label": "Let P and Q change places" });
  const node = element("div", { class: "xw-slots", role: "group", "aria-label": "P and Q: which of them a class is chosen for" },
    slots.P.node, swap, slots.Q.node);
  return { node, slots, swap };
}

/** The one that a click on a class fills. @param {Slots} parts @param {string} chosen */
export function pressSlot({ slots }, chosen) {
  press(Object.entries(slots).map(([name, { node }]) => [name, node]), chosen);
}

/**
 * What stands in a slot; `index` is -1 where nothing does, and `words` are then shown in its place.
 * @param {ReturnType<typeof buildSlot>} slot
 * @param {{ index: number, name: string, share: number, words: string }} shown
 * @param {Seen | undefined} seen
 */
export function fillSlot(slot, { index, name, share, words }, seen) {
  const said = index < 0 ? words : name, part = index < 0 ? "" : percent(share);
  slot.name.textContent = shortened(said, LETTERS_OF_SLOT);
  slot.share.textContent = part;
  const picture = index < 0 ? undefined : seen;
  if (slot.picture.getAttribute("src") !== (picture?.address ?? null)) {
    if (picture) slot.picture.src = picture.address;
    else slot.picture.removeAttribute("src");
  }
  slot.picture.hidden = !picture;
  const whose = picture ? `\nPicture: ${picture.name}, to which it gives this class with ${percent(picture.share)}, the most in the set` : "";
  slot.node.title = `${slot.title}: ${said}${whose}`;
  slot.node.setAttribute("aria-label", [`${slot.which}: ${said}`, part, "choose another"].filter(Boolean).join(", "));
}

/**
 * The most confident image of each class that was asked for; they come as messages, a moment later.
 * @param {Page} page
 * @param {() => void} arrived
 */
export function picturesOfClasses({ model, onMessage, onClose }, arrived) {
  /** @type {Map<number, Seen>} */
  const seen = new Map();
  let asked = "";
  const forget = () => {
    seen.forEach(({ address }) => URL.revokeObjectURL(address));
    seen.clear();
    asked = "";
  };
  onClose(forget);
  onMessage((content, buffers) => {
    if (content?.kind !== "pictures" || !Array.isArray(content.pictures)) return;
    content.pictures.forEach((/** @type {[number, string, number]} */ [index, name, share], /** @type {number} */ i) => {
      if (!buffers[i]) return;
      const address = URL.createObjectURL(new Blob([bytes(buffers[i]).slice()], { type: "image/jpeg" }));
      const old = seen.get(index);
      if (old) URL.revokeObjectURL(old.address);
      seen.set(index, { address, name: `${name}`, share: Number(share) });
    });
    for (const index of [...seen.keys()].slice(0, Math.max(seen.size - MOST_SEEN, 0))) {
      URL.revokeObjectURL(seen.get(index).address);
      seen.delete(index);
    }
    arrived();
  });
  return {
    forget,
    of: (/** @type {number} */ index) => seen.get(index),
    /** Ask for what is missing, once. @param {number[]} indices */
    want: (...indices) => {
      const all = indices.filter((index) => index >= 0), key = all.join(" ");
      if (key === asked || all.every((index) => seen.has(index))) return;
      asked = key;
      model.send({ kind: "pictures", indices: [...new Set(all)] });
    },
  };
}

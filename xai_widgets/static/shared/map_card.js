// The card of a feature map: its name, nine crops of the images to which it answers most, and what is known of it.

import { button, choice } from "./controls.js";
import { element } from "./dom.js";
import { bytes, shortened } from "./values.js";

/** @typedef {ReturnType<typeof buildCard>} CardParts */
/** @typedef {{ image: string, words: string, note: string, known: boolean }} Crop */
/** @typedef {{ index?: number, title?: string, name?: string, by?: string, crops?: Crop[], facts?: string[], source?: string, note?: string, offers?: [string, string][] }} Told */

// Of the name of an image: beginnings are alike, and so are ends.
const LETTERS = 30;
export const CROPS = Array.from({ length: 9 }, (_, place) => `crop_${place}`);

function buildCrop() {
  const picture = element("img", { alt: "", hidden: true }), words = element("span", { class: "xw-caption" });
  const name = element("span", { class: "xw-crop-name" });
  const node = element("button", { type: "button", class: "xw-crop", hidden: true },
    element("span", { class: "xw-crop-picture" }, picture, words), name);
  return { node, picture, words, name, image: "", address: "", data: /** @type {DataView | null} */ (null) };
}

export function buildCard() {
  const title = element("strong"), name = element("input", { class: "xw-input", maxlength: "60", placeholder: "no name yet",
    "aria-label": "Name of this map" }), source = element("span", { class: "xw-caption" });
  const close = button("✕", "Close (Escape)", { "aria-label": "Close the card", class: "xw-button xw-close" });
  const by = choice("The images are chosen by", [["maximum", "largest value"], ["mean", "mean over places"]]);
  const crops = CROPS.map(buildCrop), grid = element("div", { class: "xw-crops", role: "group" }, ...crops.map(({ node }) => node));
  const facts = element("ul", { class: "xw-card-facts xw-numbers" }), note = element("div", { class: "xw-caption", role: "status" });
  const offers = element("div", { class: "xw-bar" });
  const root = element("div", { class: "xw-card", role: "dialog", tabindex: "-1", hidden: true },
    element("div", { class: "xw-card-head" }, title, close),
    element("label", { class: "xw-caption xw-named", title: "Your name for this map; it is saved, found by a search, and stands in figures" }, "name ", name),
    element("label", { class: "xw-caption xw-chosen-by" }, "images by ", by, source), grid, note, facts, offers);
  return { root, title, name, source, close, by, crops, grid, facts, note, offers };
}

/** One image; its button keeps the focus while crops arrive. @param {ReturnType<typeof buildCrop>} parts @param {Crop | undefined} crop @param {DataView | null} data */
function tellCrop(parts, crop, data) {
  const { node, picture, words, name } = parts;
  node.hidden = !crop;
  if (data !== parts.data) {
    URL.revokeObjectURL(parts.address);
    parts.data = data;
    parts.address = data?.byteLength ? URL.createObjectURL(new Blob([bytes(data).slice()], { type: "image/jpeg" })) : "";
    picture.src = parts.address;
  }
  picture.hidden = !parts.address;
  if (!crop) return;
  parts.image = crop.image;
  name.textContent = shortened(crop.image, LETTERS);
  words.textContent = parts.address ? "" : crop.note || "…";
  words.hidden = Boolean(parts.address);
  node.disabled = !crop.known;
  node.title = [crop.image, crop.words, crop.note].filter(Boolean).join(" · ");
  node.setAttribute("aria-label", `Explain the image ${crop.image}, ${crop.words}`);
}

/** @param {CardParts} parts @param {Told} told @param {(name: string) => DataView | null} data */
export function tellCard(parts, { title = "", name = "", by = "maximum", crops = [], facts = [], source = "", note = "", offers = [] }, data) {
  parts.title.textContent = title;
  parts.root.setAttribute("aria-label", title);
  parts.by.value = by;
  if (document.activeElement !== parts.name) parts.name.value = name;
  parts.source.textContent = source ? ` ${source}` : "";
  parts.grid.setAttribute("aria-label", `Images to which it answers most, ${source}`);
  parts.crops.forEach((crop, place) => tellCrop(crop, crops[place], data(CROPS[place])));
  parts.facts.replaceChildren(...facts.map((fact) => element("li", {}, fact)));
  parts.note.textContent = note;
  const known = [...parts.offers.children].map((node) => node.textContent).join("|");
  if (known === offers.map(([, words]) => words).join("|")) return;
  parts.offers.replaceChildren(...offers.map(([what, words]) => button(words, "In the background; the status bar says how far it is",
    { "data-what": what })));
}

/**
 * What a click or a change in the card asks for; `current` is the map whose card it is.
 * @param {import("./mount.js").Page} page
 * @param {CardParts} parts
 * @param {() => number} current
 */
export function listenInCard(page, { name, by, offers, crops }, current) {
  const { model } = page;
  page.listen(name, "change", () => model.send({ kind: "name", index: current(), words: name.value }));
  page.listen(by, "change", () => model.send({ kind: "card", index: current(), by: by.value }));
  page.listen(offers, "click", (event) => {
    const what = event.target.closest("[data-what]")?.dataset.what;
    if (what) model.send({ kind: "know", what });
  });
  crops.forEach((crop) => page.listen(crop.node, "click", () => model.send({ kind: "image", name: crop.image })));
  page.onClose(() => crops.forEach(({ address }) => URL.revokeObjectURL(address)));
}

// The card of a feature map in the page: its crops and words, and what opens and closes it.

import { button, choice } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { placeOf } from "../shared/grid.js";
import { bytes, shortened } from "../shared/values.js";
import { asked, cardPlace, isLeft, LEAVE, LINGER, lingersOn, NO_CARD, told } from "./card.js";
import { cellAt } from "./layout.js";

/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {import("./parts.js").Parts} Parts */
/** @typedef {import("./state.js").State} State */
/** @typedef {ReturnType<typeof buildCard>} CardParts */
/** @typedef {ReturnType<typeof cardOf>} Card */
/** @typedef {{ image: string, words: string, note: string, known: boolean }} Crop */
/** @typedef {{ index?: number, title?: string, by?: string, crops?: Crop[], facts?: string[], source?: string, note?: string, offers?: [string, string][] }} Told */

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
  const title = element("strong"), source = element("span", { class: "xw-caption" });
  const close = button("✕", "Close (Escape)", { "aria-label": "Close the card", class: "xw-button xw-close" });
  const by = choice("The images are chosen by", [["maximum", "largest value"], ["mean", "mean over places"]]);
  const crops = CROPS.map(buildCrop), grid = element("div", { class: "xw-crops", role: "group" }, ...crops.map(({ node }) => node));
  const facts = element("ul", { class: "xw-facts xw-numbers" }), note = element("div", { class: "xw-caption", role: "status" });
  const offers = element("div", { class: "xw-bar" });
  const root = element("div", { class: "xw-card", role: "dialog", tabindex: "-1", hidden: true },
    element("div", { class: "xw-card-head" }, title, close),
    element("label", { class: "xw-caption xw-chosen-by" }, "images by ", by, source), grid, note, facts, offers);
  return { root, title, source, close, by, crops, grid, facts, note, offers };
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
function tellCard(parts, { title = "", by = "maximum", crops = [], facts = [], source = "", note = "", offers = [] }, data) {
  parts.title.textContent = title;
  parts.root.setAttribute("aria-label", title);
  parts.by.value = by;
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
 * The card of a page and what opens it; `seat` puts it beside its map again.
 * @param {Page} page
 * @param {Parts} parts
 * @param {State} state
 */
export function cardOf(page, parts, state) {
  const { model } = page, { card, root, view, knob } = parts;
  let opened = NO_CARD;
  let focus = false;
  const seat = () => {
    if (card.root.hidden) return;
    root.style.minHeight = `${card.root.offsetHeight + 2}px`;
    const place = Math.max(state.places[opened.index] ?? 0, 0), { x, y } = placeOf(state.layout, place);
    const cell = { x: view.offsetLeft + x, y: view.offsetTop + y - view.scrollTop, width: state.layout.map, height: state.layout.map };
    const at = cardPlace(cell, { width: card.root.offsetWidth, height: card.root.offsetHeight },
      { width: root.clientWidth, height: root.clientHeight });
    [card.root.style.left, card.root.style.top] = [`${at.left}px`, `${at.top}px`];
  };
  const show = () => {
    const there = opened.index >= 0 && model.get("card")?.index === opened.index;
    card.root.hidden = !there;
    state.carded = there ? opened.index : -1;
    if (!there) root.style.minHeight = "";
    seat();
    if (there && focus) card.root.focus({ preventScroll: true });
    if (there) focus = false;
  };
  /** @param {import("./card.js").Opened} next */
  const become = (next) => {
    const other = next.index !== opened.index, within = card.root.contains(document.activeElement);
    opened = { ...next, waits: other || opened.waits };
    if (other) model.send({ kind: "card", index: next.index < 0 ? null : next.index });
    if (next.index < 0 && within) knob.focus({ preventScroll: true });
    show();
  };
  return {
    seat,
    /** @param {number} index */
    ask: (index) => { focus = true; become(asked(opened, index)); },
    /** @param {number} index */
    linger: (index) => become({ index, pinned: false }),
    close: () => become(NO_CARD),
    pin: () => { opened = { ...opened, pinned: opened.index >= 0 }; },
    opened: () => opened,
    read: () => {
      const now = model.get("card") ?? {};
      opened = told(opened, now.index);
      tellCard(card, now, (name) => model.get(name));
      show();
    },
  };
}

/** Pointer, keys and clicks of a card. @param {Page} page @param {Parts} parts @param {State} state @param {Card} card */
export function listenToCard(page, parts, state, card) {
  const { model } = page, { root, offers, close, by, crops } = parts.card;
  page.listen(close, "click", card.close);
  page.listen(by, "change", () => model.send({ kind: "card", index: card.opened().index, by: by.value }));
  page.listen(offers, "click", (event) => {
    const what = event.target.closest("[data-what]")?.dataset.what;
    if (what) model.send({ kind: "know", what });
  });
  crops.forEach((crop) => page.listen(crop.node, "click", () => model.send({ kind: "image", name: crop.image })));
  page.listen(root, "pointerdown", card.pin);
  page.listen(root, "focusin", card.pin);
  page.listen(parts.root, "keydown", (event) => {
    if (event.key !== "Escape" || card.opened().index < 0) return;
    event.stopPropagation();
    event.preventDefault();
    card.close();
  }, { capture: true });
  page.onClose(() => crops.forEach(({ address }) => URL.revokeObjectURL(address)));
  listenToHover(page, parts, state, card);
}

/** A pointer that rests on a map opens its card; one that leaves closes what it opened. @param {Page} page @param {Parts} parts @param {State} state @param {Card} card */
function listenToHover(page, { sheet, view, card: { root } }, state, card) {
  const at = { under: -1, part: "", onCard: false, due: -1 };
  let opening = 0, closing = 0;
  const look = () => {
    const due = lingersOn(card.opened(), { ...at, busy: state.held.length > 0 || at.onCard });
    if (due !== at.due) {
      clearTimeout(opening);
      at.due = due;
      if (due >= 0) opening = window.setTimeout(() => card.linger(due), LINGER);
    }
    clearTimeout(closing);
    if (isLeft(card.opened(), at)) closing = window.setTimeout(() => { if (isLeft(card.opened(), at)) card.close(); }, LEAVE);
  };
  const become = (/** @type {Partial<typeof at>} */ changes) => {
    Object.assign(at, changes);
    look();
  };
  page.listen(sheet, "pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    const box = sheet.getBoundingClientRect(), hit = cellAt(state.layout, event.clientX - box.left, event.clientY - box.top);
    become({ under: hit ? state.ids[hit.place] : -1, part: hit?.part ?? "" });
  });
  // A click on a map means the map, and no card until the pointer moves on.
  page.listen(sheet, "pointerdown", () => clearTimeout(opening));
  page.listen(view, "pointerleave", () => become({ under: -1, part: "" }));
  page.listen(root, "pointerenter", () => become({ onCard: true }));
  page.listen(root, "pointerleave", () => become({ onCard: false }));
  page.onClose(() => [opening, closing].forEach((timer) => clearTimeout(timer)));
}

// The card of a feature map in the page: its crops and words, and what opens and closes it.

import { placeOf } from "../shared/grid.js";
import { listenInCard, tellCard } from "../shared/map_card.js";
import { asked, cardPlace, isLeft, LEAVE, LINGER, lingersOn, NO_CARD, told } from "./card.js";
import { cellAt } from "./layout.js";

/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {import("./parts.js").Parts} Parts */
/** @typedef {import("./state.js").State} State */
/** @typedef {ReturnType<typeof cardOf>} Card */

/**
 * The card of a page and what opens it; `seat` puts it beside its map again.
 * @param {Page} page
 * @param {Parts} parts
 * @param {State} state
 */
export function cardOf(page, parts, state) {
  const { model } = page, { card, root, view, knob } = parts;
  let opened = NO_CARD;
  let focus = ""; // which part of the card is to be focused when it is there
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
    card.root.classList.toggle("xw-passing", there && !opened.pinned);
    state.carded = there ? opened.index : -1;
    if (!there) root.style.minHeight = "";
    seat();
    if (there && focus) (focus === "name" ? card.name : card.root).focus({ preventScroll: true });
    if (there) focus = "";
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
    ask: (index) => { focus = "card"; become(asked(opened, index)); },
    /** Open it for a name. @param {number} index */
    name: (index) => { focus = "name"; become({ index, pinned: true }); },
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
  const { root, close } = parts.card;
  page.listen(close, "click", card.close);
  listenInCard(page, parts.card, () => card.opened().index);
  page.listen(root, "pointerdown", card.pin);
  page.listen(root, "focusin", card.pin);
  page.listen(parts.root, "keydown", (event) => {
    if (event.key !== "Escape" || card.opened().index < 0) return;
    event.stopPropagation();
    event.preventDefault();
    card.close();
  }, { capture: true });
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

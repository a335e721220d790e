// Pointer, keys and buttons of the gallery, turned into actions.

import { heightByKeys } from "../shared/height.js";
import { wheelOnceMoved } from "../shared/wheel.js";
import { rangeOfColumn, valueOfColumn } from "./filters.js";
import { deedOf, firstWay } from "./state.js";

// Milliseconds after the pointer has left, before cells take new places.
const REST = 400;

/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {import("./parts.js").Parts} Parts */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./actions.js").Actions} Actions */
/** @typedef {import("./order.js").Order} Order */

/** The image at an event, or -1. @param {Event} event */
function indexAt({ target }) {
  const cell = target instanceof Element ? target.closest(".xw-cell") : null;
  return cell instanceof HTMLElement ? Number(cell.dataset.index) : -1;
}

/** @param {Page} page @param {Parts} parts @param {State} state @param {Actions} actions */
export function listenToPointer(page, { view, sheet }, state, actions) {
  let timer = 0;
  page.listen(sheet, "click", (event) => {
    const head = event.target instanceof Element ? event.target.closest(".xw-group-head") : null;
    if (head instanceof HTMLElement) actions.chooseGroup(Number(head.dataset.group), event.shiftKey || event.ctrlKey || event.metaKey);
    const index = indexAt(event), more = event.ctrlKey || event.metaKey;
    if (index < 0) return;
    if (event.target.closest(".xw-pin")) {
      actions.pin([index]);
      return;
    }
    actions.go(state.places[index]);
    if (event.shiftKey) actions.extend(index, more);
    else if (more) actions.toggle(index);
    else actions.pick(index);
  });
  // No text is marked.
  page.listen(sheet, "mousedown", (event) => { if (event.shiftKey) event.preventDefault(); });
  page.listen(sheet, "pointerover", (event) => {
    const under = indexAt(event);
    if (under !== state.under) actions.change({ under });
  });
  page.listen(view, "pointerenter", () => { state.hovering = true; });
  page.listen(view, "pointerleave", () => {
    actions.change({ hovering: false, under: -1 });
    clearTimeout(timer);
    timer = window.setTimeout(actions.sortIfFree, REST);
  });
  page.onClose(() => clearTimeout(timer));
  wheelOnceMoved(page, view);
  heightByKeys(page, view);
}

/** @param {Page} page @param {Parts} parts @param {State} state @param {Actions} actions */
export function listenToKeys(page, { view, search }, state, actions) {
  page.listen(view, "focusin", (event) => {
    const index = indexAt(event);
    actions.change({ typing: true, focus: index < 0 ? state.focus : index });
  });
  page.listen(view, "focusout", (event) => {
    state.typing = view.contains(event.relatedTarget);
    actions.sortIfFree();
  });
  // Ctrl+A is the list's while it has the focus, and not the notebook's; see `suppressShortcuts`.
  page.listen(window, "keydown", (event) => {
    const active = document.activeElement;
    if (active && view.contains(active) && (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") active.setAttribute("data-lm-suppress-shortcuts", "");
  }, { capture: true });
  page.listen(view, "keydown", (event) => {
    const deed = deedOf(event, state, view.clientHeight);
    if (!deed) return;
    event.preventDefault();
    if (deed.kind === "go") {
      if (!deed.extend) state.anchor = state.ids[deed.place];
      actions.go(deed.place);
      if (deed.extend) actions.extend(state.focus, false);
    } else if (deed.kind === "pick") actions.pick(state.focus);
    else if (deed.kind === "toggle") actions.toggle(state.focus);
    else if (deed.kind === "pin") actions.pin([state.focus]);
    else if (deed.kind === "group") actions.chooseGroup(state.grouping.values[state.focus], false);
    else if (deed.kind === "search") search.focus();
    else actions.choose(deed.kind === "all" ? state.ids : []);
  });
}

/** @param {Page} page @param {Parts} parts @param {State} state @param {Actions} actions */
export function listenToTools(page, parts, state, actions) {
  const { order, turn, search } = parts;
  const chosen = () => /** @type {Order} */ (order.value);
  page.listen(order, "change", () => actions.sortBy(chosen(), firstWay(state, chosen())));
  page.listen(turn, "click", () => actions.sortBy(chosen(), !state.descending));
  page.listen(search, "input", () => actions.look({ text: search.value }));
  page.listen(search, "keydown", (event) => {
    if (event.key === "Enter" && state.ids.length) actions.pick(state.ids[0]);
    else if (event.key === "ArrowDown" && state.ids.length) actions.go(0);
    else if (event.key === "Escape" && search.value) {
      search.value = "";
      actions.look({ text: "" });
    } else return;
    event.preventDefault();
  });
  listenToFilters(page, parts, state, actions);
  page.listen(parts.pinned, "click", () => actions.look({ only: !state.only }));
  page.listen(parts.pinAll, "click", () => actions.pin([...state.chosen]));
  page.listen(parts.onlyChosen, "click", () => actions.onlyChosen());
  page.listen(parts.clear, "click", () => actions.choose([]));
}

/** @param {Page} page @param {Parts} parts @param {State} state @param {Actions} actions */
function listenToFilters(page, { filterBy, low, high, values, chips }, state, actions) {
  const range = () => actions.filter(rangeOfColumn(state.filtering, low.value, high.value, state.chips));
  page.listen(filterBy, "change", () => actions.openFilter(filterBy.value));
  for (const field of [low, high]) page.listen(field, "change", range);
  page.listen(values, "change", () => {
    if (values.selectedIndex > 0) actions.filter(valueOfColumn(state.filtering, values.value, state.chips));
  });
  page.listen(chips, "click", ({ target }) => {
    const chip = target instanceof Element ? target.closest("button") : null;
    if (chip instanceof HTMLElement) actions.filter({ kind: "unfilter", .../** @type {object} */ ("column" in chip.dataset ? { column: chip.dataset.column } : {}) });
  });
}

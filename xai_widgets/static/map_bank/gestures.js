// Pointer, keys and buttons of the map bank, turned into actions.

import { heightByKeys } from "../shared/height.js";
import { wheelOnceMoved } from "../shared/wheel.js";
import { onMark } from "./card.js";
import { listenToGroups } from "./groups.js";
import { ACTIONS, deedOf, stepOf } from "./keys.js";
import { cellAt, gainAt } from "./layout.js";

// Milliseconds after the pointer has left, before maps take new places.
const REST = 500;

/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {import("./parts.js").Parts} Parts */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./actions.js").Actions} Actions */

/** @param {Page} page @param {Parts} parts @param {State} state @param {Actions} actions */
export function listenToPointer(page, { sheet, knob }, state, actions) {
  const local = (/** @type {PointerEvent} */ event) => {
    const box = sheet.getBoundingClientRect();
    return /** @type {const} */ ([event.clientX - box.left, event.clientY - box.top]);
  };
  page.listen(sheet, "pointerdown", (event) => {
    const hit = event.button === 0 && cellAt(state.layout, ...local(event));
    if (!hit) return;
    event.preventDefault();
    knob.focus({ preventScroll: true });
    const index = state.ids[hit.place];
    if (index === state.under && onMark(state.layout, hit.place, ...local(event))) {
      actions.card(index);
      return;
    }
    if (hit.part === "map") {
      const more = event.ctrlKey || event.metaKey;
      if (event.pointerType !== "touch") actions.beginBand([...local(event)], more || event.shiftKey);
      actions.pick(index, { shift: event.shiftKey, more });
      if (event.pointerType !== "touch") sheet.setPointerCapture(event.pointerId);
      return;
    }
    actions.hold(index);
    // The drag goes on outside the grid.
    sheet.setPointerCapture(event.pointerId);
    // A finger may be about to scroll; it sets a gain when it moves sideways.
    if (event.pointerType !== "touch") actions.setGain(index, gainAt(state.layout, hit.place, local(event)[0]));
  });
  page.listen(sheet, "pointermove", (event) => {
    const [x, y] = local(event);
    if (state.held.length) {
      actions.dragTo(x, event.shiftKey);
      return;
    }
    if (state.band) {
      actions.band([x, y]);
      return;
    }
    const hit = cellAt(state.layout, x, y), under = hit ? state.ids[hit.place] : -1;
    sheet.style.cursor = hit?.part === "bar" ? "ew-resize" : hit ? "pointer" : "";
    if (under !== state.under) actions.change({ under });
  });
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
    page.listen(sheet, type, () => {
      actions.release();
      actions.endBand();
    });
  }
  page.listen(sheet, "dblclick", (event) => {
    const hit = cellAt(state.layout, ...local(event));
    if (hit?.part === "bar") actions.setOnce(state.ids[hit.place], 1);
  });
}

/** Maps keep their places while the pointer or the keyboard is on them. @param {Page} page @param {Parts} parts @param {State} state @param {Actions} actions */
export function listenToPresence(page, { view, knob }, state, actions) {
  let timer = 0;
  page.listen(view, "pointerenter", () => { state.hovering = true; });
  page.listen(view, "pointerleave", () => {
    actions.change({ hovering: false, under: -1 });
    clearTimeout(timer);
    timer = window.setTimeout(actions.sortIfFree, REST);
  });
  page.listen(knob, "blur", () => {
    state.typing = false;
    actions.sortIfFree();
  });
  page.onClose(() => clearTimeout(timer));
  wheelOnceMoved(page, view);
  heightByKeys(page, view);
}

/** @param {Page} page @param {Parts} parts @param {State} state @param {Actions} actions */
export function listenToKeys(page, { root, view, gain }, state, actions) {
  page.listen(view, "keydown", (event) => {
    const deed = deedOf(event, state, view.clientHeight);
    if (!deed) return;
    event.preventDefault();
    const { current } = state;
    state.typing = true;
    if (deed.kind === "go") {
      actions.go(deed.place);
      if (deed.extend) actions.pick(state.current, { shift: true, more: false });
      else state.anchor = state.current;
    } else if (deed.kind === "card") actions.card(current);
    else if (deed.kind === "name") actions.name(current);
    else if (deed.kind === "type") gain.select();
    else if (deed.kind === "gain") actions.setOnce(current, deed.value);
    else if (deed.kind === "pick") actions.pick(current, { shift: deed.shift, more: true });
    else if (deed.kind === "select") actions.choose(deed.all ? state.ids : []);
    else if (deed.kind === "act") actions.act(deed.name);
  });
  // JupyterLab's shortcuts come before the key reaches the bank: the mark on the focused element keeps them away.
  page.listen(window, "keydown", (event) => {
    const focused = document.activeElement, step = stepOf(event);
    if (!step || !root.contains(focused) || focused?.matches("input, select")) return;
    focused?.setAttribute("data-lm-suppress-shortcuts", "");
    event.preventDefault();
    actions.act(step);
  }, { capture: true });
}

/** @param {Page} page @param {Parts} parts @param {State} state @param {Actions} actions */
export function listenToTools(page, parts, state, actions) {
  page.listen(parts.order, "change", () => actions.remember("order", parts.order.value));
  page.listen(parts.size, "change", () => actions.remember("size", parts.size.value));
  for (const [name, chip] of Object.entries(parts.filters)) page.listen(chip, "click", () => actions.remember("show", name));
  listenToGroups(page, parts.groups, state, actions);
  for (const [kind] of ACTIONS) page.listen(parts.buttons[kind], "click", () => actions.act(kind));
  page.listen(parts.what, "click", () => actions.card(state.current));
  page.listen(parts.undo, "click", () => actions.act("undo"));
  page.listen(parts.all, "click", () => actions.choose(state.bank.selected.size ? [] : state.ids));
  page.listen(parts.again, "click", actions.sort);
  page.listen(parts.top, "click", actions.soloFirst);
  page.listen(parts.root, "keydown", (event) => {
    if (event.key !== "Escape" || parts.legend.hidden || event.defaultPrevented) return;
    parts.legend.hidden = true;
    parts.help.setAttribute("aria-expanded", "false");
    event.preventDefault();
  });
  page.listen(parts.help, "click", () => {
    parts.legend.hidden = !parts.legend.hidden;
    parts.help.setAttribute("aria-expanded", `${!parts.legend.hidden}`);
  });
  page.listen(parts.pickTop, "click", actions.selectFirst);
  page.listen(parts.gain, "change", () => {
    if (parts.gain.value) actions.typed(Number(parts.gain.value.replace(",", ".")));
    actions.change({});
  });
  page.listen(parts.gain, "keydown", (event) => {
    if (event.key === "Escape") parts.gain.value = "";
    if (event.key === "Enter" || event.key === "Escape") parts.knob.focus({ preventScroll: true });
  });
  const keep = () => {
    page.model.set("find", parts.find.value);
    page.model.save_changes();
  };
  page.listen(parts.find, "input", () => actions.search(parts.find.value));
  page.listen(parts.find, "keydown", (event) => {
    if ((event.key === "Enter" || event.key === "ArrowDown") && state.ids.length) {
      actions.go(0);
      parts.knob.focus({ preventScroll: true });
    } else if (event.key === "Escape" && parts.find.value) {
      parts.find.value = "";
      actions.search("");
      keep();
    } else return;
    event.preventDefault();
  });
  page.listen(parts.find, "change", keep);
}

// What opens on demand above the list: further orders, groups, the size of thumbnails, maps on them, and named slices.

import { button } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { shortened } from "../shared/values.js";
import { grouped } from "./filters.js";
import { isKnown, ORDERS, ordersFor } from "./order.js";
import { firstWay } from "./state.js";

/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {import("./parts.js").Parts} Parts */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./actions.js").Actions} Actions */
/** @typedef {{ name: string, count: number, shown: boolean }} Slice */

// Orders after the first that the panel offers.
const ROWS = 2;
// Letters of a slice in the list.
const LETTERS = 32;

export function buildOptions() {
  const line = (/** @type {string} */ words, /** @type {(Node | string)[]} */ ...parts) => element("label", { class: "xw-option" }, element("span", { class: "xw-caption" }, words), ...parts);
  const then = Array.from({ length: ROWS }, (_, i) => ({
    order: element("select", { class: "xw-select", "aria-label": i ? "Then sort by, third" : "Then sort by, second" }), turn: button("", "", { class: "xw-button xw-turn" }) }));
  const group = element("select", { class: "xw-select", "aria-label": "Group by" });
  const size = element("input", { type: "range", min: "40", max: "240", step: "4", "aria-label": "Size of thumbnails" }), fit = button("fit", "Thumbnails as large as the room asks for");
  const maps = element("input", { type: "checkbox" });
  const slice = element("select", { class: "xw-select", "aria-label": "Show a slice" }), drop = button("Forget", "Forget this slice; its images stay");
  const sliceName = element("input", { class: "xw-input", placeholder: "name", "aria-label": "Name of a new slice", maxlength: "200", autocomplete: "off" });
  const keep = button("Keep", "Keep the selected images, or the filters that hold, under this name");
  const thenRows = then.map(({ order, turn }) => element("div", { class: "xw-option" }, element("span", { class: "xw-caption" }, "Then by"), order, turn));
  const panel = element("div", { class: "xw-panel" }, ...thenRows, line("Group by", group),
    element("div", { class: "xw-option" }, element("span", { class: "xw-caption" }, "Size"), size, fit),
    element("label", { class: "xw-option" }, element("span", { class: "xw-caption" }, "Maps"), maps, element("span", { class: "xw-caption" }, "on the images in sight")),
    element("div", { class: "xw-option" }, element("span", { class: "xw-caption" }, "Slice"), slice, drop),
    element("div", { class: "xw-option" }, element("span", { class: "xw-caption" }, "New slice"), sliceName, keep));
  const summary = element("summary", { class: "xw-button", title: "Sort by several columns, group, size, maps, slices" }, "View");
  return { options: element("details", { class: "xw-options" }, summary, panel), optionsSummary: summary, then, thenRows, group, size, fit, maps, slice, drop, sliceName, keep };
}

/** Orders or columns as entries of a list; made again only where they are others. @param {HTMLSelectElement} list @param {[string, string][]} first @param {[string, import("./filters.js").Column[]][]} groups @param {string} value */
function offer(list, first, groups, value) {
  const key = JSON.stringify([first, groups.map(([, some]) => some.map(({ name, words }) => [name, words]))]);
  if (list.dataset.offered !== key) {
    list.replaceChildren(...first.map(([name, words]) => element("option", { value: name }, words)), ...groups.map(([label, some]) =>
      element("optgroup", { label }, ...some.map(({ name, words }) => element("option", { value: name }, words)))));
    list.dataset.offered = key;
  }
  list.value = value;
}

/** @param {Parts} parts @param {State} state @param {{ group: string, named: Slice[] }} said by the kernel */
export function tellOptions(parts, state, { group, named }) {
  const { images, columns, then } = state, others = grouped(columns.filter(({ name }) => !isKnown(name)));
  const known = /** @type {[string, string][]} */ (ordersFor(images).filter((name) => name !== "given").map((name) => [name, ORDERS[name][0]]));
  parts.then.forEach(({ order, turn }, i) => {
    parts.thenRows[i].hidden = i > then.length;
    offer(order, [["", "the name"], ...known], others, then[i]?.[0] ?? "");
    const descending = then[i]?.[1] ?? false;
    turn.hidden = !then[i];
    turn.textContent = descending ? "↓" : "↑";
    turn.title = descending ? "Largest first; click for smallest first" : "Smallest first; click for largest first";
    turn.setAttribute("aria-label", turn.title);
  });
  offer(parts.group, [["", "nothing"]], grouped(columns), group);
  if (document.activeElement !== parts.size) parts.size.value = `${state.size || state.layout.thumb}`;
  parts.maps.checked = state.maps;
  const shown = named.find((one) => one.shown)?.name ?? "", key = JSON.stringify(named);
  if (parts.slice.dataset.offered !== key) {
    parts.slice.replaceChildren(element("option", { value: "" }, named.length ? "choose …" : "none yet"), ...named.map(({ name, count }, i) =>
      element("option", { value: `${i}`, title: name }, `${shortened(name, LETTERS)} (${count})`)));
    parts.slice.dataset.offered = key;
  }
  parts.slice.selectedIndex = shown ? named.findIndex((one) => one.name === shown) + 1 : 0;
  parts.slice.disabled = !named.length;
  parts.drop.disabled = !shown;
}

/** @param {Page} page @param {Parts} parts @param {State} state @param {Actions} actions */
export function listenToOptions(page, parts, state, actions) {
  const { then, group, size, fit, maps, slice, drop, sliceName, keep, options, optionsSummary } = parts, { model } = page;
  const named = () => /** @type {Slice[]} */ (model.get("named"));
  then.forEach(({ order, turn }, i) => {
    page.listen(order, "change", () => actions.sortThen(i, order.value, order.value ? firstWay(state, order.value) : false));
    page.listen(turn, "click", () => actions.sortThen(i, state.then[i][0], !state.then[i][1]));
  });
  page.listen(group, "change", () => actions.groupBy(group.value));
  page.listen(size, "input", () => actions.resizeTo(Number(size.value), false));
  page.listen(size, "change", () => actions.resizeTo(Number(size.value), true));
  page.listen(fit, "click", () => actions.resizeTo(0, true));
  page.listen(maps, "change", () => actions.showMaps(maps.checked));
  page.listen(slice, "change", () => {
    const one = named()[slice.selectedIndex - 1];
    actions.filter(one ? { kind: "choose slice", .../** @type {object} */ ({ name: one.name }) } : { kind: "unfilter" });
  });
  page.listen(drop, "click", () => {
    const one = named().find(({ shown }) => shown);
    if (one) model.send({ kind: "drop slice", name: one.name });
  });
  const name = () => {
    if (sliceName.value.trim()) model.send({ kind: "slice", name: sliceName.value });
    sliceName.value = "";
  };
  page.listen(keep, "click", name);
  page.listen(sliceName, "keydown", (event) => { if (event.key === "Enter") name(); });
  page.listen(options, "keydown", (event) => {
    if (event.key !== "Escape" || !options.open) return;
    options.open = false;
    optionsSummary.focus();
  });
  page.listen(parts.root, "pointerdown", (event) => { if (event.target instanceof Node && !options.contains(event.target)) options.open = false; });
}

// The elements of the map bank: its tools, filters, grid and words.

import { button } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { buildCard } from "./card_view.js";
import { ACTIONS } from "./keys.js";
import { MOST } from "./layout.js";
import { FILTERS, ORDERS } from "./order.js";

/** @typedef {ReturnType<typeof build>} Parts */

/** @param {string} label @param {Record<string, string>} options @returns {[HTMLSelectElement, HTMLElement]} */
function chooser(label, options) {
  const select = element("select", { class: "xw-select", "aria-label": label });
  for (const [name, words] of Object.entries(options)) select.append(element("option", { value: name }, words));
  return [select, element("label", { class: "xw-caption" }, `${label} `, select)];
}

function buildTools() {
  const [order, orderLabel] = chooser("Sort", ORDERS);
  const [size, sizeLabel] = chooser("Size", { small: "small", medium: "medium", large: "large" });
  const chip = (/** @type {string} */ name) => element("button", { class: "xw-chip", type: "button", "data-filter": name });
  return {
    order, size, orderLabel, sizeLabel,
    filters: Object.fromEntries(Object.keys(FILTERS).map((name) => [name, chip(name)])),
    buttons: Object.fromEntries(ACTIONS.map(([kind, key, words, title]) => [kind,
      button(words, `${title} (${key})`, { "aria-keyshortcuts": key })])),
    undo: button("Undo", "Take the last change back (u or Ctrl+Z)", { "aria-keyshortcuts": "u Control+Z" }),
    what: button("Card", "The images of the set to which the current map answers most (Enter, or ? on the map)",
      { "aria-keyshortcuts": "Enter" }),
    all: button("Select shown", "Select every map that is shown (a)"),
    top: button("Solo first", "Keep the first maps in the order shown, mute all others"),
    most: element("input", { class: "xw-input xw-most", type: "number", min: 1, value: 8, "aria-label": "How many maps to keep" }),
    again: button("Sort again", "The effects changed; maps stay in place while you work on them",
      { class: "xw-button xw-again", hidden: true }),
  };
}

function buildGrid() {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const knob = element("div", { role: "slider", tabindex: "0", "aria-valuemin": "0", "aria-valuemax": `${MOST}` });
  const cell = element("div", { role: "gridcell" }, knob), row = element("div", { role: "row", class: "xw-row" }, cell);
  const sheet = element("div", { class: "xw-sheet", role: "presentation" }, canvas, row);
  const empty = element("div", { class: "xw-empty xw-caption" });
  const view = element("div", { class: "xw-window", role: "grid", "aria-label": "Feature maps and their gains",
    "aria-multiselectable": "true", "aria-description": "Arrow keys move between maps, with shift they select, space selects, "
      + "plus and minus change the gain, 0 and 1 set it, m mutes, s solos, i inverts, r resets, u or control z undoes, "
      + "shift control z makes it again, enter opens its card." }, sheet, empty);
  return { canvas, knob, cell, row, sheet, empty, view };
}

export function build() {
  const tools = buildTools(), grid = buildGrid(), card = buildCard();
  const words = {
    title: element("span", { class: "xw-title" }, "Feature maps"), count: element("span", { class: "xw-caption xw-numbers" }),
    known: element("span", { class: "xw-caption xw-numbers", role: "status" }),
    progress: element("progress", { class: "xw-progress", "aria-label": "Maps whose effect is exact" }),
    which: element("strong"), more: element("span", { class: "xw-caption" }),
    legend: element("div", { class: "xw-caption" }), note: element("div", { class: "xw-caption" }),
    joint: element("div", { class: "xw-caption xw-numbers", role: "status" }),
  };
  const bar = (/** @type {HTMLElement[]} */ ...children) => element("div", { class: "xw-bar" }, ...children);
  const toolbar = bar(bar(tools.orderLabel, tools.sizeLabel, tools.again),
    bar(...Object.values(tools.buttons), tools.undo, tools.what, tools.all, element("span", { class: "xw-pair" }, tools.top, tools.most)));
  toolbar.setAttribute("role", "toolbar");
  toolbar.setAttribute("aria-label", "Order and gains of the feature maps");
  const chips = element("div", { class: "xw-bar xw-chips", role: "group", "aria-label": "Which maps are shown" },
    ...Object.values(tools.filters));
  const root = element("div", { class: "xw xw-maps" }, bar(words.title, words.count, words.known), words.legend, toolbar, chips,
    words.progress, grid.view, words.joint, element("div", { class: "xw-detail xw-numbers" }, words.which, words.more), words.note, card.root);
  return { root, card, ...tools, ...grid, ...words };
}

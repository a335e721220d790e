// The elements of the map bank: its tools, filters, grid and words.

import { button } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { buildEffects } from "../shared/effect_on.js";
import { buildCard } from "../shared/map_card.js";
import { ACTIONS } from "./keys.js";
import { MOST } from "./layout.js";
import { buildGroups } from "./groups.js";
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
  const size = chooser("Size of a map", { small: "small", medium: "medium", large: "large" })[0];
  const chip = (/** @type {string} */ name) => element("button", { class: "xw-chip", type: "button", "data-filter": name });
  return {
    order, size, orderLabel,
    filters: Object.fromEntries(Object.keys(FILTERS).map((name) => [name, chip(name)])),
    buttons: Object.fromEntries(ACTIONS.map(([kind, key, words, title]) => [kind,
      button(words, `${title} (${key})`, { "aria-keyshortcuts": key })])),
    undo: button("Undo", "Take the last change back (u or Ctrl+Z)", { "aria-keyshortcuts": "u Control+Z" }),
    what: button("Card", "The images of the set to which the current map answers most (Enter, or ? on the map)",
      { "aria-keyshortcuts": "Enter" }),
    all: button("Select shown", "Select every map that is shown (a)"),
    top: button("Solo first", "Keep the first maps in the order shown, mute all others"),
    pickTop: button("Select first", "Select the first maps in the order shown"),
    most: element("input", { class: "xw-input xw-most", type: "number", min: 1, value: 8, "aria-label": "How many maps are the first" }),
    gain: element("input", { class: "xw-input xw-gain xw-numbers", type: "text", inputmode: "decimal", "aria-label": "Gain",
      title: "The gain of the current map, and of all that are selected with it: 0 to 2 (g)", "aria-keyshortcuts": "g" }),
    help: button("?", "What the marks and figures are", { "aria-label": "What the marks and figures are", "aria-expanded": "false", class: "xw-button xw-help" }),
    find: element("input", { class: "xw-input xw-find", type: "search", placeholder: "find", "aria-label": "Find maps",
      title: "Numbers such as 3, 8-12, or a part of the name of a map or of a group" }),
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
      + "plus and minus change the gain, square brackets change it finely, 0 and 1 set it, g types it, n names the map, m mutes, s solos, i inverts, r resets, u or control z undoes, "
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
    legend: element("div", { class: "xw-caption", hidden: true }), note: element("div", { class: "xw-caption" }),
    joint: element("div", { class: "xw-caption xw-numbers", role: "status" }),
    margin: element("div", { class: "xw-caption xw-numbers" }),
  };
  const bar = (/** @type {HTMLElement[]} */ ...children) => element("div", { class: "xw-bar" }, ...children);
  const groups = buildGroups(), on = buildEffects();
  const toolbar = bar(bar(tools.orderLabel, tools.size, tools.find, tools.again), bar(...Object.values(tools.buttons), tools.undo, tools.what, tools.all),
    bar(element("span", { class: "xw-pair" }, tools.top, tools.pickTop, tools.most), element("label", { class: "xw-caption" }, "gain ", tools.gain),
      groups.open, groups.form, groups.chips));
  toolbar.setAttribute("role", "toolbar");
  toolbar.setAttribute("aria-label", "Order and gains of the feature maps");
  const chips = element("div", { class: "xw-bar xw-chips", role: "group", "aria-label": "Which maps are shown" },
    ...Object.values(tools.filters));
  const root = element("div", { class: "xw xw-maps" }, bar(words.title, words.count, tools.help, words.known), words.legend, toolbar, on.root, chips,
    words.progress, grid.view, words.joint, words.margin, element("div", { class: "xw-detail xw-numbers" }, words.which, words.more), words.note, card.root);
  return { root, card, groups, on, ...tools, ...grid, ...words };
}

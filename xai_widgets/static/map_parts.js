// The elements of the map bank: its tools, filters, grid and words.

import { element } from "./dom.js";
import { MOST } from "./map_layout.js";
import { FILTERS, ORDERS } from "./map_order.js";

export const ACTIONS = [ // kind, key, words; "some" acts on the selected maps
  ["mute", "m", "Mute", "Set the gain of the selected maps to 0, or back to 1 when all of them are muted", "some"],
  ["solo", "s", "Solo", "Keep the selected maps, mute all others", "some"],
  ["invert", "i", "Invert", "Mute the maps that are not muted, and restore those that are", ""],
  ["reset", "r", "Reset", "All gains back to 1", ""],
];

function chooser(label, options) {
  const select = element("select", { class: "xw-select", "aria-label": label });
  for (const [name, words] of Object.entries(options)) select.append(element("option", { value: name }, words));
  return [select, element("label", { class: "xw-caption" }, `${label} `, select)];
}

export function build() {
  const [order, orderLabel] = chooser("Sort", ORDERS);
  const [size, sizeLabel] = chooser("Size", { small: "small", medium: "medium", large: "large" });
  const parts = {
    order, size,
    filters: Object.fromEntries(Object.keys(FILTERS).map((name) => [name,
      element("button", { class: "xw-chip", type: "button", "data-filter": name })])),
    buttons: Object.fromEntries(ACTIONS.map(([kind, key, words, title]) => [kind,
      element("button", { class: "xw-button", type: "button", title: `${title} (${key})`, "aria-keyshortcuts": key }, words)])),
    undo: element("button", { class: "xw-button", type: "button", title: "Take the last change back (u)" }, "Undo"),
    all: element("button", { class: "xw-button", type: "button", title: "Select every map that is shown (a)" }, "Select shown"),
    top: element("button", { class: "xw-button", type: "button",
      title: "Keep the first maps in the order shown, mute all others" }, "Solo first"),
    most: element("input", { class: "xw-input xw-most", type: "number", min: 1, value: 8, "aria-label": "How many maps to keep" }),
    again: element("button", { class: "xw-button xw-again", type: "button", hidden: true,
      title: "The effects changed; maps stay in place while you work on them" }, "Sort again"),
    title: element("span", { class: "xw-title" }), count: element("span", { class: "xw-caption xw-numbers" }),
    progress: element("progress", { class: "xw-progress", "aria-label": "Maps whose effect is exact" }),
    known: element("span", { class: "xw-caption xw-numbers", role: "status" }),
    canvas: element("canvas", { "aria-hidden": "true" }),
    knob: element("div", { role: "slider", tabindex: "0", "aria-valuemin": "0", "aria-valuemax": `${MOST}` }),
    empty: element("div", { class: "xw-empty xw-caption" }),
    detail: element("div", { class: "xw-detail xw-numbers" }, element("strong"), element("span", { class: "xw-caption" })),
    note: element("div", { class: "xw-caption" }), joint: element("div", { class: "xw-caption xw-numbers", role: "status" }), legend: element("div", { class: "xw-caption" }),
  };
  parts.cell = element("div", { role: "gridcell" }, parts.knob);
  parts.row = element("div", { role: "row", class: "xw-row" }, parts.cell);
  parts.sheet = element("div", { class: "xw-sheet", role: "presentation" }, parts.canvas, parts.row);
  parts.view = element("div", { class: "xw-window", role: "grid", "aria-label": "Feature maps and their gains",
    "aria-multiselectable": "true", "aria-description": "Arrow keys move between maps, space selects, plus and minus change "
      + "the gain, 0 and 1 set it, m mutes, s solos, i inverts, r resets, u undoes." }, parts.sheet, parts.empty);
  const bar = (...children) => element("div", { class: "xw-bar" }, ...children);
  const tools = bar(bar(orderLabel, sizeLabel, parts.again),
    bar(...Object.values(parts.buttons), parts.undo, parts.all, element("span", { class: "xw-pair" }, parts.top, parts.most)));
  tools.setAttribute("role", "toolbar");
  tools.setAttribute("aria-label", "Order and gains of the feature maps");
  const chips = element("div", { class: "xw-bar xw-chips", role: "group", "aria-label": "Which maps are shown" },
    ...Object.values(parts.filters));
  parts.root = element("div", { class: "xw xw-maps" }, bar(parts.title, parts.count, parts.known), parts.legend, tools, chips,
    parts.progress, parts.view, parts.joint, parts.detail, parts.note);
  return parts;
}

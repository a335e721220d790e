// The elements of the gallery.

import { button } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { buildOptions } from "./options.js";

/** @typedef {ReturnType<typeof build>} Parts */

function buildTools() {
  return {
    count: element("span", { class: "xw-caption xw-numbers", role: "status" }),
    search: element("input", { type: "search", class: "xw-input", placeholder: "Search names and facts", "aria-label": "Search images",
      autocomplete: "off", spellcheck: "false" }),
    order: element("select", { class: "xw-select", "aria-label": "Sort by" }),
    turn: button("", "", { class: "xw-button xw-turn" }),
    filterBy: element("select", { class: "xw-select", "aria-label": "Filter by" }),
    low: element("input", { class: "xw-input xw-end", inputmode: "decimal", "aria-label": "At least", autocomplete: "off" }),
    high: element("input", { class: "xw-input xw-end", inputmode: "decimal", "aria-label": "At most", autocomplete: "off" }),
    values: element("select", { class: "xw-select", "aria-label": "Values that are shown" }),
    chips: element("span", { class: "xw-chips", role: "group", "aria-label": "Filters" }),
    pinned: button("", "Show only pinned images", { class: "xw-button xw-only", "aria-pressed": "false" }),
    pinAll: button("Pin", ""),
    onlyChosen: button("Only", "Show the selected images alone"),
    clear: button("Clear", ""),
    chartButton: button("Chart", "", { "aria-pressed": "false", hidden: true }),
    compare: button("Reference", "Show the undistorted photo beside the image", { class: "xw-button", "aria-pressed": "false", hidden: true }),
  };
}

/** A canvas with one element that holds the focus. @param {string} name @param {string} label @param {string} description */
function buildPlot(name, label, description) {
  const canvas = element("canvas", { "aria-hidden": "true" }), cursor = element("div", { role: "option", tabindex: "0", class: "xw-cursor", hidden: true });
  return { canvas, cursor, plot: element("div", { class: `xw-plot ${name}`, role: "listbox", "aria-multiselectable": "true", "aria-label": label, "aria-description": description }, canvas, cursor) };
}

function buildChart() {
  const points = buildPlot("xw-points", "Score against rating", "Arrow keys go through the images from the largest residual on; Enter explains the image, space selects it.");
  const residuals = buildPlot("xw-residuals", "Histogram of residuals", "Arrow keys go through the bars; Enter selects the images of a bar, space adds them.");
  const told = element("div", { class: "xw-caption xw-numbers xw-told" }), confusion = element("div", { class: "xw-confusion", hidden: true });
  const scores = element("div", { class: "xw-scores" }, points.plot, residuals.plot, told);
  const some = element("div", { class: "xw-caption xw-numbers xw-some", role: "status" });
  return { points, residuals, told, confusion, scores, some, chart: element("div", { class: "xw-chart", hidden: true }, some, scores, confusion) };
}

export function build() {
  const tools = buildTools(), options = buildOptions(), charted = buildChart();
  const sheet = element("div", { class: "xw-sheet", role: "presentation" }), empty = element("div", { class: "xw-empty xw-caption" });
  const view = element("div", { class: "xw-window", role: "listbox", "aria-multiselectable": "true", "aria-label": "Images",
    "aria-description": "Arrow keys move, Enter explains the image, space selects, P pins, A selects all, G the group, slash searches." }, sheet);
  const who = element("div", { class: "xw-who" }), facts = element("div", { class: "xw-caption xw-numbers" });
  const number = element("span", { class: "xw-numbers" });
  const choice = element("div", { class: "xw-bar xw-choice", hidden: true }, number, tools.onlyChosen, tools.pinAll, tools.clear);
  const own = element("img", { alt: "" }), other = element("img", { alt: "" });
  const beside = element("div", { class: "xw-beside", hidden: true },
    element("figure", {}, own, element("figcaption", { class: "xw-caption" }, "image")),
    element("figure", {}, other, element("figcaption", { class: "xw-caption" }, "reference")));
  const performance = element("div", { class: "xw-caption xw-numbers xw-performance", role: "status", hidden: true });
  const explained = element("div", { class: "xw-caption xw-explained", role: "status", hidden: true });
  const summary = element("summary"), list = element("ul");
  const problems = element("details", { class: "xw-problems xw-caption", hidden: true }, summary, list);
  const sorting = element("div", { class: "xw-bar xw-sorting" },
    element("label", { class: "xw-caption xw-sort" }, "Sort ", tools.order), tools.turn, tools.pinned);
  const range = element("span", { class: "xw-range" }, tools.low, element("span", { class: "xw-caption" }, "to"), tools.high);
  const filters = element("div", { class: "xw-bar xw-filters" },
    element("label", { class: "xw-caption xw-sort" }, "Filter ", tools.filterBy), range, tools.values, tools.chips,
    element("span", { class: "xw-more" }, tools.chartButton, options.options));
  const frame = element("div", { class: "xw-frame" }, view, charted.chart, empty);
  const root = element("div", { class: "xw xw-gallery" },
    element("div", { class: "xw-bar xw-head" }, element("h3", { class: "xw-title" }, "Images"), tools.count), performance,
    element("div", { class: "xw-bar" }, tools.search, sorting), filters,
    explained, frame, element("div", { class: "xw-detail" }, who, facts, tools.compare, beside), choice, problems);
  return {
    root, ...tools, ...options, ...charted, frame, filters, range, view, sheet, empty, who, facts, choice, number, beside, own, other, problems, summary, list,
    performance, explained,
  };
}

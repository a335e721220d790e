// The chart of the gallery: score against rating and the residuals, or what is confused with what. Brushing selects
// images, and what is selected is marked.

import { colours, element, fitCanvas } from "../shared/dom.js";
import { withModifier } from "../shared/controls.js";
import { follow, insideBox, nearest } from "../shared/plot.js";
import { clamp } from "../shared/values.js";
import { barsOf, binAt, binsOf, binWords, brushed, byResidual, pairsOf, pointWords, residualsIn, scatterOf } from "./chart.js";
import { paintBars, paintScatter } from "./chart_paint.js";
import { cellWords, confusionOf } from "./confusion.js";
import { isRated, isTrained, residual } from "./order.js";

/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {import("./parts.js").Parts} Parts */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./actions.js").Actions} Actions */
/** @typedef {[number, number]} At */
/**
 * @typedef {object} Chart
 * @property {number[] | null} of the images that it is of
 * @property {number} version of what is known of them
 * @property {import("./chart.js").Pairs} pairs
 * @property {import("./chart.js").Bins} bins
 * @property {import("./chart.js").Scatter | null} scatter where points stand, once it was painted
 * @property {import("./chart.js").Bars | null} bars
 * @property {number[]} walk the images as the keyboard goes through them
 * @property {number} at where it is
 * @property {number} bin on which it is in the residuals
 * @property {number} hovered an image, or -1
 * @property {number} hoveredBin a bin, or -1
 * @property {At[] | null} path that is being drawn over the points
 * @property {At[] | null} span that is being drawn over the residuals
 * @property {Set<number> | null} preview what the brush holds so far
 */

const COLOURS = ["ink", "paper", "faint", "line", "accent", "raises", "lowers"];

/** What there is to draw. @param {State["images"]} images */
export const chartKind = (images) => (isRated(images) ? "scores" : images.comparable ? "classes" : "");

/** @param {{ shiftKey: boolean, ctrlKey: boolean, metaKey: boolean }} event */
const adds = ({ shiftKey, ctrlKey, metaKey }) => shiftKey || ctrlKey || metaKey;

/** @returns {Chart} */
const newChart = () => ({ of: null, version: -1, pairs: pairsOf(/** @type {any} */ ({ scores: [], ratings: [] }), []), bins: binsOf(/** @type {any} */ ({ residuals: [] })), scatter: null, bars: null,
  walk: [], at: 0, bin: 0, hovered: -1, hoveredBin: -1, path: null, span: null, preview: null });

/** The images that are shown, where they are others than before. @param {Chart} chart @param {State} state */
function read(chart, { images, ids, version }) {
  if (chart.of === ids && chart.version === version) return;
  const pairs = pairsOf(images, ids), walk = byResidual(pairs), here = walk.indexOf(chart.walk[chart.at]);
  Object.assign(chart, { of: ids, version, pairs, bins: binsOf(pairs), walk, at: Math.max(here, 0) });
  chart.bin = clamp(chart.bin, 0, Math.max(chart.bins.counts.length - 1, 0));
}

/** @param {Parts} parts @param {Chart} chart @param {State} state */
function paintCharts(parts, chart, state) {
  const { points, residuals, root } = parts, values = colours(root, ...COLOURS.map((name) => `--xw-${name}`));
  const palette = /** @type {import("./chart_paint.js").Palette} */ (Object.fromEntries(COLOURS.map((name, i) => [name, values[i]])));
  const font = `11px ${getComputedStyle(root).fontFamily}`, { images, current } = state, chosen = chart.preview ?? state.chosen;
  const walking = document.activeElement === points.cursor ? chart.walk[chart.at] ?? -1 : -1;
  const marks = { chosen, current, hovered: chart.hovered >= 0 ? chart.hovered : walking, trained: (/** @type {number} */ index) => isTrained(images, index) };
  const bin = chart.hoveredBin >= 0 ? chart.hoveredBin : document.activeElement === residuals.cursor ? chart.bin : -1;
  for (const [part, key] of /** @type {const} */ ([[points, "scatter"], [residuals, "bars"]])) {
    const width = part.plot.clientWidth, height = part.plot.clientHeight;
    if (!width || !height) continue;
    const context = fitCanvas(part.canvas, width, height);
    context.clearRect(0, 0, width, height);
    if (key === "scatter") paintScatter(context, chart.scatter = scatterOf(chart.pairs, width, height), chart.pairs, marks, chart.path, palette, font);
    else paintBars(context, chart.bars = barsOf(chart.bins, width, height), chart.bins, { ...marks, residual: current >= 0 ? residual(images, current) : NaN, bin }, chart.span, palette, font);
    part.canvas.dataset.painted = `${chart.pairs.indices.length}`;
  }
  tellCursors(parts, chart, state, marks.hovered, bin);
}

/** What is pointed at, in words. @param {Parts} parts @param {Chart} chart @param {State} state @param {number} hovered @param {number} bin */
function tellCursors({ points, residuals, told }, { walk, at, bin: place, bins, scatter, bars, pairs }, { images, chosen, digits }, hovered, bin) {
  const index = walk[at] ?? -1, i = pairs.indices.indexOf(index), empty = !walk.length;
  [points.cursor.hidden, residuals.cursor.hidden] = [empty, empty];
  told.textContent = hovered >= 0 ? pointWords(images, hovered, digits) : bin >= 0 && bin < bins.counts.length ? binWords(bins, bin, chosen, digits) : "";
  if (empty || !scatter || !bars) return;
  points.cursor.style.transform = `translate(${scatter.px[i] - 9}px, ${scatter.py[i] - 9}px)`;
  points.cursor.setAttribute("aria-label", pointWords(images, index, digits));
  points.cursor.setAttribute("aria-selected", `${chosen.has(index)}`);
  const left = bars.x.place(bins.edges[place]), right = bars.x.place(bins.edges[place + 1]);
  Object.assign(residuals.cursor.style, { transform: `translate(${left}px, ${bars.frame.top}px)`, width: `${right - left}px`, height: `${bars.frame.bottom - bars.frame.top}px` });
  residuals.cursor.setAttribute("aria-label", binWords(bins, place, chosen, digits));
  residuals.cursor.setAttribute("aria-selected", `${bins.members[place].length > 0 && bins.members[place].every((one) => chosen.has(one))}`);
}

/** The table of labels against predicted classes. @param {Parts} parts @param {State} state */
function tellConfusion({ confusion }, { images, ids, chosen }) {
  const table = confusionOf(images, ids), most = Math.max(1, ...table.members.flatMap((row) => row.map((some) => some.length)));
  const focused = document.activeElement instanceof HTMLElement && confusion.contains(document.activeElement) ? document.activeElement.dataset.at : "";
  const head = element("tr", {}, element("th", { class: "xw-corner" }, "label / predicted"), ...table.columns.map((name) => element("th", { scope: "col", title: name }, element("span", {}, name))));
  const rows = table.members.map((row, i) => element("tr", {}, element("th", { scope: "row", title: table.rows[i] }, table.rows[i]), ...row.map((some, j) => {
    const words = cellWords(table, i, j, chosen), marked = some.some((index) => chosen.has(index));
    const cell = element("button", { type: "button", class: "xw-count", "data-at": `${i} ${j}`, title: words, "aria-label": words, "aria-pressed": `${marked}`, disabled: !some.length,
      style: `--xw-share: ${Math.round(100 * (some.length / most) ** 0.5)}%` }, some.length ? `${some.length}` : "·");
    return element("td", { class: table.rows[i] === table.columns[j] ? "xw-same" : "" }, cell);
  })));
  confusion.replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
  if (focused) /** @type {HTMLElement | null} */ (confusion.querySelector(`[data-at="${focused}"]`))?.focus();
  return table.members;
}

/**
 * @param {Page} page
 * @param {Parts} parts
 * @param {State} state
 * @param {Actions} actions
 */
export function chartOf(page, parts, state, actions) {
  const { frame, chart: panel, chartButton, scores, confusion, points, residuals } = parts, chart = newChart();
  let members = /** @type {number[][][]} */ ([]), tabled = /** @type {unknown[]} */ ([]), on = false, version = -1;
  const paint = () => {
    version = state.version;
    const kind = chartKind(state.images);
    chartButton.hidden = !kind;
    const open = on && Boolean(kind);
    panel.hidden = !open;
    frame.classList.toggle("xw-charted", open);
    parts.view.inert = open && frame.classList.contains("xw-narrow");
    chartButton.setAttribute("aria-pressed", `${open}`);
    if (!open) return;
    [scores.hidden, confusion.hidden] = [kind !== "scores", kind !== "classes"];
    if (kind === "classes") {
      // Both are new objects where they are others.
      const now = [state.ids, state.chosen, state.version];
      if (now.some((one, i) => one !== tabled[i])) [members, tabled] = [tellConfusion(parts, state), now];
      return;
    }
    read(chart, state);
    paintCharts(parts, chart, state);
  };
  const ask = page.oncePerFrame(paint);
  // A closed chart costs nothing while one scrolls.
  const soon = () => { if (on || version !== state.version) ask(); };
  page.listen(chartButton, "click", () => {
    on = !on;
    paint();
  });
  page.listen(confusion, "click", (event) => {
    const cell = event.target instanceof Element ? event.target.closest(".xw-count") : null;
    if (!(cell instanceof HTMLElement)) return;
    const [row, column] = (cell.dataset.at ?? "").split(" ").map(Number);
    actions.choose(brushed(state.chosen, members[row]?.[column] ?? [], adds(event)));
  });
  followPoints(page, points, chart, state, actions, soon);
  followResiduals(page, residuals, chart, state, actions, soon);
  page.onSize(panel, soon);
  page.onTheme(soon);
  return { soon };
}

/** @typedef {{ plot: HTMLElement, canvas: HTMLCanvasElement, cursor: HTMLElement }} Plot */

/** @param {Page} page @param {Plot} plot @param {Chart} chart @param {State} state @param {Actions} actions @param {() => void} soon */
function followPoints(page, { canvas, cursor, plot }, chart, state, actions, soon) {
  const imageAt = (/** @type {At | null} */ at) => (at && chart.scatter ? chart.pairs.indices[nearest(chart.scatter.px, chart.scatter.py, ...at)] ?? -1 : -1);
  /** @param {At[]} path */
  const inside = (path) => (chart.scatter ? insideBox(chart.scatter.px, chart.scatter.py, path[0], path[path.length - 1]).map((i) => chart.pairs.indices[i]) : []);
  follow(canvas, {
    signal: page.signal,
    hover: (at) => {
      chart.hovered = imageAt(at);
      soon();
    },
    click: (at, event) => {
      const index = imageAt(at);
      if (index >= 0) chart.at = chart.walk.indexOf(index);
      cursor.focus({ preventScroll: true });
      if (index < 0) return adds(event) ? undefined : actions.choose([]);
      if (adds(event)) return actions.toggle(index);
      actions.pick(index);
      return actions.showImage(index);
    },
    brush: (path) => {
      Object.assign(chart, { path, hovered: -1, preview: path && new Set(inside(path)) });
      soon();
    },
    done: (path, event) => {
      Object.assign(chart, { path: null, preview: null });
      actions.choose(brushed(state.chosen, inside(path), adds(event)));
    },
  });
  listenToWalk(page, plot, cursor, soon, () => chart.walk.length, () => chart.at, (at) => { chart.at = at; }, (key) => {
    const index = chart.walk[chart.at];
    if (key === " ") actions.toggle(index);
    else if (key === "Enter") {
      actions.pick(index);
      actions.showImage(index);
    } else if (key === "Escape") actions.choose([]);
    else return false;
    return true;
  });
}

/** @param {Page} page @param {Plot} plot @param {Chart} chart @param {State} state @param {Actions} actions @param {() => void} soon */
function followResiduals(page, { canvas, cursor, plot }, chart, state, actions, soon) {
  const binUnder = (/** @type {At | null} */ at) => (at && chart.bars ? binAt(chart.bins, chart.bars, at[0]) : -1);
  /** @param {At[]} path */
  const inside = (path) => (chart.bars ? residualsIn(chart.pairs, chart.bars, path[0][0], path[path.length - 1][0]) : []);
  /** @param {number} bin @param {boolean} add */
  const take = (bin, add) => actions.choose(brushed(state.chosen, chart.bins.members[bin] ?? [], add));
  follow(canvas, {
    signal: page.signal,
    hover: (at) => {
      chart.hoveredBin = binUnder(at);
      soon();
    },
    click: (at, event) => {
      const bin = binUnder(at);
      if (bin >= 0) chart.bin = bin;
      cursor.focus({ preventScroll: true });
      take(bin, adds(event));
    },
    brush: (span) => {
      Object.assign(chart, { span, hoveredBin: -1, preview: span && new Set(inside(span)) });
      soon();
    },
    done: (path, event) => {
      Object.assign(chart, { span: null, preview: null });
      actions.choose(brushed(state.chosen, inside(path), adds(event)));
    },
  });
  listenToWalk(page, plot, cursor, soon, () => chart.bins.counts.length, () => chart.bin, (at) => { chart.bin = at; }, (key, event) => {
    if (key === " " || key === "Enter") take(chart.bin, event.shiftKey || key === " ");
    else if (key === "Escape") actions.choose([]);
    else return false;
    return true;
  });
}

/**
 * Arrow keys go through what a plot shows, other keys do something with it.
 * @param {Page} page
 * @param {HTMLElement} plot
 * @param {HTMLElement} cursor
 * @param {() => void} soon
 * @param {() => number} count
 * @param {() => number} get
 * @param {(at: number) => void} set
 * @param {(key: string, event: KeyboardEvent) => boolean} act
 */
function listenToWalk(page, plot, cursor, soon, count, get, set, act) {
  page.listen(plot, "keydown", (/** @type {KeyboardEvent} */ event) => {
    if (withModifier(event) || !count()) return;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[event.key];
    if (step !== undefined) set(clamp(get() + step, 0, count() - 1));
    else if (!act(event.key, event)) return;
    event.preventDefault();
    soon();
  });
  for (const type of ["focus", "blur"]) page.listen(cursor, type, soon);
}

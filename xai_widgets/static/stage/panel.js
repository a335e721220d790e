// One panel: a map over its photo, its score, its small legend. It reads the slots of its place and paints them.

import { element } from "../shared/dom.js";
import { clamp, shortened, signed } from "../shared/values.js";
import { paintGrey, paintMap, paintOutline, paintScale } from "./paint.js";
import { box } from "./parts.js";
import { frameAt, fullOf, readAt, transformOf, wholeLayer } from "./state.js";

const LETTER = 6.2; // CSS pixels of a letter, about

/**
 * What all panels have in common.
 * @typedef {object} Shared
 * @property {import("../shared/mount.js").Page} page
 * @property {(slot: number) => string} address of the photo in a slot
 * @property {() => Record<string, any>} look as the controls say
 * @property {import("./state.js").Sight} sight
 * @property {[number, number] | null} point a place of the photos
 * @property {() => boolean} several
 * @property {import("./region.js").Brush} brush
 */
/** @typedef {ReturnType<typeof makePanel>} Panel */

function buildPanel() {
  const parts = {
    photo: element("img", { draggable: "false", alt: "" }), seen: box("xw-seen"), view: box("xw-view"),
    canvas: element("canvas", { class: "xw-map", role: "img" }), over: element("canvas", { class: "xw-over", "aria-hidden": "true", hidden: true }),
    lines: element("canvas", { class: "xw-lines", "aria-hidden": "true", hidden: true }),
    probe: element("i", { class: "xw-probe", hidden: true }), empty: element("span", { class: "xw-empty", hidden: true }),
    pending: element("span", { class: "xw-doing", role: "status" }), error: element("span", { class: "xw-wrong", role: "alert", hidden: true }),
    title: element("figcaption", { class: "xw-caption" }), own: element("span", { class: "xw-own" }),
    remove: element("button", { type: "button", class: "xw-clear xw-remove", "aria-label": "Remove this panel", title: "Remove this panel" }, "✕"),
    label: element("span", { class: "xw-caption" }), headline: element("strong", { class: "xw-numbers" }),
    facts: element("span", { class: "xw-caption xw-numbers" }), colours: element("canvas", { "aria-hidden": "true" }),
    marker: element("i", { class: "xw-marker", hidden: true }), ends: [0, 1].map(() => element("span", { class: "xw-numbers" })),
    reading: element("span", { class: "xw-small xw-numbers" }),
  };
  parts.view.append(parts.photo, parts.seen, parts.canvas, parts.over, parts.lines);
  const frame = element("div", { class: "xw-frame", tabindex: "0", role: "group" },
    parts.view, parts.probe, parts.empty, parts.pending, parts.error, parts.remove);
  const mini = box("xw-mini", parts.ends[0], box("xw-thin", parts.colours, parts.marker), parts.ends[1]);
  const words = box("xw-said", box("xw-its", parts.label, " ", parts.headline), parts.facts, mini, parts.reading);
  const node = element("figure", { class: "xw-panel" }, box("xw-above", parts.own), frame, parts.title, words);
  return { ...parts, frame, mini, words, node };
}

/** @param {number} place @param {Shared} shared @param {(panel: any) => void} painted */
export function makePanel(place, shared, painted) {
  const { page } = shared, parts = buildPanel();
  const panel = {
    place, parts, map: /** @type {import("./state.js").Layer | null} */ (null), own: /** @type {import("./state.js").Layer | null} */ (null), second: /** @type {import("./state.js").Layer | null} */ (null),
    cell: /** @type {Record<string, any>} */ ({}), later: () => {},
  };
  panel.later = page.oncePerFrame(() => {
    paintPanel(panel, shared);
    painted(panel);
  });
  page.onSize(parts.frame, panel.later);
  return panel;
}

/** @param {Panel} panel @param {Shared} shared */
export function readCell(panel, shared) {
  const { parts, place } = panel, cell = shared.page.model.get(`cell_${place}`) ?? {}, several = shared.several();
  panel.cell = cell;
  const address = shared.address(cell.photo ?? -1), { label = "", headline = "", facts = [] } = cell.score ?? {};
  if (parts.photo.src !== address) parts.photo.src = address;
  parts.photo.alt = cell.name ?? "";
  parts.photo.hidden = !address;
  const [width, height] = cell.size ?? [1, 1];
  parts.node.style.setProperty("--xw-ratio", `${width / Math.max(height, 1)}`);
  parts.label.textContent = shortened(label, 24);
  parts.label.title = label;
  parts.headline.textContent = headline;
  parts.facts.textContent = facts.join(" · ");
  parts.facts.title = facts.join("\n");
  const error = several ? cell.error ?? "" : "", doing = error ? "" : cell.pending ?? "";
  parts.error.textContent = parts.error.title = error;
  parts.error.hidden = !error;
  parts.pending.textContent = doing;
  parts.pending.hidden = !doing;
  parts.pending.classList.toggle("xw-first", !address);
  parts.node.classList.toggle("xw-waits", Boolean(doing));
  parts.canvas.setAttribute("aria-label", cell.alt ?? "");
}

/** Names in full are in titles. @param {Panel} panel @param {string} title @param {string} heads the headings of its row and column */
export function nameOf({ parts, cell, map }, title, heads) {
  if (map?.minus) title = [title, `minus ${map.minus}`].filter(Boolean).join(" "); // the headings name the panel itself
  const letters = Math.max(Math.floor(parts.frame.clientWidth / LETTER) - 3, 8);
  parts.own.textContent = shortened(title, letters);
  parts.own.title = title;
  const told = [title, heads].filter(Boolean).join(", ") || cell.name || "";
  parts.frame.title = "";
  parts.frame.setAttribute("aria-label", `${told || "Photo and map"}${map ? `: ${map.title}` : ""}`);
}

/** @param {Panel} panel @param {Shared} shared */
export function readLayers(panel, { page, several }) {
  const { parts, place } = panel, { model } = page;
  [panel.own, panel.second] = [wholeLayer(model.get(`map_${place}`)), wholeLayer(model.get(`over_${place}`))];
  panel.map = panel.own;
  const { map } = panel, [left, top, right, bottom] = map?.box ?? [0, 0, 1, 1];
  parts.title.textContent = several() ? "" : map ? map.title : "photo + map";
  parts.empty.hidden = !map?.degenerate;
  parts.empty.textContent = map?.degenerate ?? "";
  const percent = (/** @type {number} */ share) => `${share * 100}%`;
  for (const node of [parts.canvas, parts.over, parts.seen]) {
    Object.assign(node.style, { left: percent(left), top: percent(top), width: percent(right - left), height: percent(bottom - top) });
  }
  parts.seen.hidden = !map || (right - left > 0.999 && bottom - top > 0.999);
  panel.later();
}

/** The compositor's work: no repaint. @param {Panel} panel @param {Shared} shared */
export function fade({ parts }, { look }) {
  const { opacity, secondary, grey } = look();
  parts.canvas.style.opacity = `${opacity}`;
  parts.over.style.opacity = secondary === "outline" ? "1" : `${opacity}`;
  parts.photo.classList.toggle("xw-grey", grey);
}

/** @param {Panel} panel @param {Shared} shared */
export const lookAt = ({ parts }, { sight }) => { parts.view.style.transform = transformOf(sight); };

/** The full colour of a panel. @param {Panel} panel @param {Shared} shared */
export const fullColour = (panel, { page, look }) => (panel.map !== panel.own ? { limit: panel.map.limit, words: "" }
  : fullOf(panel.map, (page.model.get("common") ?? [])[panel.place], look().scale));

/** @param {Panel} panel @param {Shared} shared */
function paintPanel(panel, shared) {
  const { parts, map, second } = panel, { canvas, over } = parts, chosen = shared.look();
  const painted = Boolean(map) && !map.degenerate, shows = Boolean(map && second) && chosen.secondary !== "off" && second.limit > 0;
  canvas.hidden = !painted;
  over.hidden = !shows;
  parts.mini.hidden = !painted;
  if (!map) return;
  const look = { palette: map.palette || chosen.palette, sign: chosen.sign, smooth: chosen.smooth }, { limit } = fullColour(panel, shared);
  if (painted) {
    paintMap(canvas, { ...map, limit }, look, canvas.clientWidth || map.w, canvas.clientHeight || map.h);
    if (shared.several()) paintMini(panel, look, limit);
  }
  const size = [over.clientWidth || map.w, over.clientHeight || map.h];
  if (shows && chosen.secondary === "grey") paintGrey(over, second, look.smooth, size[0], size[1]);
  else if (shows) paintOutline(over, second, size[0], size[1]);
  canvas.dataset.painted = `${Number(canvas.dataset.painted ?? 0) + 1}`;
}

/** @param {Panel} panel @param {{ palette: string, sign: string }} look @param {number} limit */
function paintMini({ parts, map }, look, limit) {
  const positive = look.sign === "positive" || map.one_sided;
  paintScale(parts.colours, look, positive, false);
  parts.ends[0].textContent = positive ? "0" : signed(-limit, 2);
  parts.ends[1].textContent = signed(limit, 2);
  parts.mini.title = [positive ? "" : `left: ${map.low}`, `right: ${map.high}`, map.unit].filter(Boolean).join("; ");
}

/**
 * Where the marker of a value stands on a scale, from 0 to 1.
 * @param {number} share of the full colour @param {boolean} positive
 */
export const markAt = (share, positive) => (positive ? clamp(share, 0, 1) : (clamp(share, -1, 1) + 1) / 2);

/** Mark the place that all read, and say the value there. @param {Panel} panel @param {Shared} shared */
export function probePanel(panel, shared) {
  const { parts, map } = panel, { point, sight } = shared, look = shared.look();
  markProbe(parts.probe, point, sight);
  const found = point && map ? readAt(map, point[0], point[1], look.smooth) : null;
  parts.reading.textContent = !point ? "" : found ? signed(found.value) : map ? "outside" : "";
  const share = found ? found.value / fullColour(panel, shared).limit : NaN;
  parts.marker.hidden = !Number.isFinite(share);
  parts.marker.style.left = `${100 * markAt(share, look.sign === "positive" || Boolean(map?.one_sided))}%`;
  return found;
}

/** @param {HTMLElement} node @param {[number, number] | null} point @param {import("./state.js").Sight} sight */
export function markProbe(node, point, sight) {
  const [a, b] = point ? frameAt(sight, point[0], point[1]) : [-1, -1];
  node.hidden = a < 0 || a > 1 || b < 0 || b > 1;
  [node.style.left, node.style.top] = [`${a * 100}%`, `${b * 100}%`];
}

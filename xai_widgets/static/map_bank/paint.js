// Painting of the map bank: one canvas the size of the window, on which only visible cells are painted.

import { colours, fitCanvas } from "../shared/dom.js";
import { visible } from "../shared/grid.js";
import { paintBrush } from "../shared/plot.js";
import { bytes } from "../shared/values.js";
import { atlasOf, paintCell } from "./cells.js";
import { shownBy } from "./order.js";

const COLOURS = ["ink", "faint", "paper", "shade", "line", "accent", "warm", "raises", "lowers", "helps", "harms", "chosen"];

/** @typedef {import("./cells.js").Ink} Ink */
/** @typedef {{ atlas: import("./cells.js").Atlas, colours: Ink }} Paper */

/** @param {string} text such as "rgb(24, 27, 31)" @returns {number[]} */
const rgb = (text) => (text.match(/\d+(\.\d+)?/g) ?? []).slice(0, 3).map(Number);

/**
 * The maps as pixels, and the colours of the page; null while the view is not in the page, where it has no colours.
 * @param {HTMLElement} root
 * @param {{ thumbs?: DataView, thumbs_shape?: number[] }} maps
 * @returns {Paper | null}
 */
export function paperOf(root, { thumbs, thumbs_shape: shape = [0, 0, 0] }) {
  if (!root.isConnected) return null;
  const found = colours(root, ...COLOURS.map((name) => `--xw-${name}`));
  const ink = Object.fromEntries(found.map((colour, i) => [COLOURS[i], colour]));
  const [low, high] = colours(root, "--xw-map-low", "--xw-map-high").map(rgb);
  return { colours: { ...ink, font: getComputedStyle(root).fontFamily },
    atlas: atlasOf(thumbs ? bytes(thumbs) : new Uint8Array(0), shape, low, high) };
}

/**
 * @param {import("./parts.js").Parts} parts
 * @param {import("./state.js").State} state
 * @param {Paper | null} paper
 */
export function paint({ view, canvas }, { bank: known, order, layout, ids, under, held, carded, band }, paper) {
  const bank = shownBy(known, order);
  const width = view.clientWidth, height = view.clientHeight, top = view.scrollTop;
  if (!paper || !width) return;
  const context = fitCanvas(canvas, width, height), about = { bank, layout, ...paper };
  context.clearRect(0, 0, width, height);
  context.translate(0, -top);
  context.font = `${layout.font}px ${paper.colours.font}`;
  context.textBaseline = "middle";
  context.imageSmoothingQuality = "medium";
  const [first, last] = visible(layout, top, height);
  for (let place = first; place < last; place++) {
    const map = ids[place];
    paintCell(context, about, map, place, map === under || map === carded || held.includes(map));
  }
  if (band?.drawn) paintBrush(context, [band.from, band.to], "box", paper.colours.accent);
  canvas.dataset.painted = `${last - first}`;
}

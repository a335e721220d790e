// Where the cells of the gallery lie, in CSS pixels. No document: `node --test` imports this.
// A *place* counts cells as they are shown; an *index* counts images as the set has them.

import { clamp } from "../shared/values.js";
import { cornerOf, HEAD, vertical } from "./sections.js";

/** @typedef {{ gap: number, columns: number, thumb: number, below: number, rows: number, count: number, pitchX: number, pitchY: number, height: number, sections?: import("./sections.js").Section[] }} Layout `sections` are there where images are grouped */

/** Cells grow so that rows fill the width; a narrow column has small ones. `lines` of text stand under each. @param {number} width @param {number} count @param {number} lines @param {boolean} [strip] a bar too @param {number} [size] that the reader wants; 0 for none @returns {Layout} */
export function layoutOf(width, count, lines, strip = false, size = 0) {
  const gap = width < 420 ? 6 : 10, least = size ? Math.min(size, Math.max(width - 2 * gap, 24)) : width < 420 ? 60 : 88;
  const columns = Math.max(1, Math.floor((width - gap) / (least + gap)));
  const thumb = clamp(Math.floor((width - gap) / columns) - gap, 24, 2 * least);
  const rows = Math.ceil(count / columns), below = (strip ? 8 : 4) + 15 * lines;
  const pitchX = thumb + gap, pitchY = thumb + below + gap;
  return { gap, columns, thumb, below, rows, count, pitchX, pitchY, height: count ? rows * pitchY + gap : 0 };
}

/** Where a key leads from a place; undefined for keys that do not move. @param {Layout} layout @param {number} place @param {string} key @param {number} height of the window */
export function moved(layout, place, key, height) {
  const page = layout.columns * Math.max(1, Math.floor(height / layout.pitchY));
  const to = { ArrowLeft: place - 1, ArrowRight: place + 1, ArrowUp: place - layout.columns, Home: 0,
    ArrowDown: place + layout.columns, PageUp: place - page, PageDown: place + page, End: layout.count - 1 }[key];
  if (to === undefined || !layout.count) return undefined;
  if (layout.sections?.length && (key === "ArrowUp" || key === "ArrowDown")) return vertical(layout, place, key === "ArrowUp" ? -1 : 1);
  // Up and down keep the column: from the top row up, and from the bottom row down, they lead nowhere.
  if (key === "ArrowUp" && to < 0) return place;
  if (key === "ArrowDown" && to >= layout.count) {
    return Math.floor(place / layout.columns) < layout.rows - 1 ? layout.count - 1 : place;
  }
  return clamp(to, 0, layout.count - 1);
}

/** How far to scroll so that a place is whole in the window. @param {Layout} layout @param {number} place @param {number} top @param {number} height */
export function scrollFor(layout, place, top, height) {
  const { y } = cornerOf(layout, place), below = y + layout.pitchY - height;
  return Math.max(0, clamp(top, below, y - layout.gap - (layout.sections?.length ? HEAD : 0)));
}

// Seconds of scrolling whose rows are asked for ahead, and at most so many rows; at rest some before and behind.
const AHEAD = 1;
const MOST_AHEAD = 12;
const AT_REST = 2;

/** How many rows before and behind those in sight have their pictures asked for. @param {Layout} layout @param {number} speed pixels a second, downwards above 0 @returns {[number, number]} */
export function rowsNear({ pitchY }, speed) {
  const ahead = clamp(Math.ceil(Math.abs(speed) * AHEAD / pitchY), AT_REST, MOST_AHEAD);
  return speed < 0 ? [ahead, 1] : [speed ? 1 : AT_REST, ahead];
}

/** Pixels on the longer side of a thumbnail, of three kinds, so that few are asked for twice. @param {number} thumb @param {number} ratio of device pixels */
export const sideFor = (thumb, ratio) => [96, 192, 384].find((side) => side >= thumb * ratio * 0.9) ?? 384;

/** Lines of words under a thumbnail: a class has two, a score has a second one where there are ratings. @param {boolean} regression @param {boolean} rated */
export const linesOf = (regression, rated) => (regression && !rated ? 1 : 2);

// Where the cells of the map bank lie, in CSS pixels. No document: `node --test` imports this.
// `figures` are those of the largest number shown. A *place* counts cells as they are shown; which map stands there is the business of the order.

import { clamp } from "../shared/values.js";
import { placeOf } from "../shared/grid.js";

/** @typedef {{ map: number, caption: number, bar: number, gap: number, figures: number, font: number }} Size */
/** @typedef {Size & { count: number, columns: number, rows: number, pitchX: number, pitchY: number, height: number }} Layout */

// A bar reaches from gain 0 to this, and rests at 1.
export const MOST = 2;
export const SIZES = {
  small: { map: 44, caption: 13, bar: 12, gap: 6, figures: 2, font: 9.5 },
  medium: { map: 64, caption: 15, bar: 14, gap: 8, figures: 2, font: 11 },
  large: { map: 104, caption: 16, bar: 14, gap: 10, figures: 3, font: 11 },
};

/** Cells grow a little so that rows fill the width. @param {number} width @param {number} count @param {Size} [size] @returns {Layout} */
export function layoutOf(width, count, size = SIZES.medium) {
  const columns = Math.max(1, Math.floor((width - size.gap) / (size.map + size.gap)));
  const map = Math.max(size.map, Math.min(Math.floor((width - size.gap) / columns) - size.gap, size.map * 1.5));
  const rows = Math.ceil(count / columns), pitchX = map + size.gap, pitchY = map + size.caption + size.bar + size.gap;
  return { ...size, map, count, columns, rows, pitchX, pitchY, height: rows * pitchY + size.gap };
}

/** What is at a point: the place and its part, "map" (with the number under it) or "bar"; null beside the cells. @param {Layout} layout @param {number} x @param {number} y */
export function cellAt(layout, x, y) {
  const column = Math.floor((x - layout.gap / 2) / layout.pitchX);
  const row = Math.floor((y - layout.gap / 2) / layout.pitchY), place = row * layout.columns + column;
  if (column < 0 || column >= layout.columns || row < 0 || place >= layout.count) return null;
  return { place, part: y - placeOf(layout, place).y < layout.map + layout.caption ? "map" : "bar" };
}

/** The places of cells that a box between two corners touches. @param {Layout} layout @param {[number, number]} from @param {[number, number]} to */
export function placesIn(layout, [x0, y0], [x1, y1]) {
  const { gap, pitchX, pitchY, columns, rows, count } = layout;
  const span = (/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ pitch, /** @type {number} */ most) =>
    [clamp(Math.floor((Math.min(a, b) - gap / 2) / pitch), 0, most), clamp(Math.floor((Math.max(a, b) - gap / 2) / pitch), -1, most - 1)];
  const [left, right] = span(x0, x1, pitchX, columns), [top, bottom] = span(y0, y1, pitchY, rows), found = [];
  for (let row = top; row <= bottom; row++) for (let column = left; column <= right; column++) found.push(row * columns + column);
  return found.filter((place) => place < count);
}

/** The gain at a point of a bar; 1 is easy to hit again. @param {Layout} layout @param {number} place @param {number} x */
export function gainAt(layout, place, x) {
  const gain = clamp((x - placeOf(layout, place).x) / layout.map, 0, 1) * MOST;
  return Math.abs(gain - 1) < 0.04 ? 1 : Math.round(gain * 1000) / 1000;
}

/** Where a key leads from a place; undefined for keys that do not move. @param {Layout} layout @param {number} place @param {string} key @param {number} height */
export function moved(layout, place, key, height) {
  const page = layout.columns * Math.max(1, Math.floor(height / layout.pitchY));
  const to = { ArrowLeft: place - 1, ArrowRight: place + 1, ArrowUp: place - layout.columns, Home: 0,
    ArrowDown: place + layout.columns, PageUp: place - page, PageDown: place + page, End: layout.count - 1 }[key];
  return to === undefined ? undefined : clamp(to, 0, layout.count - 1);
}

/** How far to scroll so that a place is whole in the window. @param {Layout} layout @param {number} place @param {number} top @param {number} height */
export function scrollTo(layout, place, top, height) {
  const { y } = placeOf(layout, place), below = y + layout.pitchY - height;
  return clamp(top, below, y - layout.gap);
}

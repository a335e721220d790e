// Places of cells in a grid of which only the visible part is painted; pure, without a document.

import { clamp } from "./values.js";

/** @typedef {{ gap: number, columns: number, rows: number, count: number, pitchX: number, pitchY: number }} Grid in CSS pixels */

/** The corner of a cell. @param {Grid} layout @param {number} place counted along the rows */
export const placeOf = (layout, place) => ({
  x: layout.gap + (place % layout.columns) * layout.pitchX,
  y: layout.gap + Math.floor(place / layout.columns) * layout.pitchY,
});

/** First and one past the last place with a pixel between `top` and `top + height`. @param {Grid} layout @param {number} top @param {number} height */
export function visible(layout, top, height) {
  const first = clamp(Math.floor((top - layout.gap) / layout.pitchY), 0, layout.rows);
  const last = clamp(Math.ceil((top + height - layout.gap) / layout.pitchY), first, layout.rows);
  return [Math.min(first * layout.columns, layout.count), Math.min(last * layout.columns, layout.count)];
}

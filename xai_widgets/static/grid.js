// Places of cells in a grid of which only the visible part is painted; pure, without a document.

import { clamp } from "./dom.js";

export const placeOf = (layout, place) => ({
  x: layout.gap + (place % layout.columns) * layout.pitchX,
  y: layout.gap + Math.floor(place / layout.columns) * layout.pitchY,
});

/** First and one past the last place with a pixel between `top` and `top + height`. */
export function visible(layout, top, height) {
  const first = clamp(Math.floor((top - layout.gap) / layout.pitchY), 0, layout.rows);
  const last = clamp(Math.ceil((top + height - layout.gap) / layout.pitchY), first, layout.rows);
  return [Math.min(first * layout.columns, layout.count), Math.min(last * layout.columns, layout.count)];
}

// Groups of images in the grid: each begins on a row of its own under a heading. No document: `node --test` imports this.
// A *place* counts cells as they are shown; without groups there is one section that has no heading.

import { placeOf } from "../shared/grid.js";
import { clamp } from "../shared/values.js";

// Of a heading, in CSS pixels.
export const HEAD = 26;

/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {{ group: number, start: number, count: number, rows: number, top: number, head: number }} Section first place, places, rows, and where it lies, its heading included */

/** Runs of one group. @param {number[]} ids in order @param {ArrayLike<number>} groups of each image; empty for none @returns {{ group: number, start: number, count: number }[]} */
export function runsOf(ids, groups) {
  if (!groups.length) return [];
  /** @type {{ group: number, start: number, count: number }[]} */
  const runs = [];
  ids.forEach((index, place) => {
    const last = runs[runs.length - 1];
    if (last && last.group === groups[index]) last.count += 1;
    else runs.push({ group: groups[index], start: place, count: 1 });
  });
  return runs;
}

/** The layout with sections, as high as they need. @param {Layout} layout @param {ReturnType<typeof runsOf>} runs @returns {Layout} */
export function withSections(layout, runs) {
  if (!runs.length) return layout;
  let top = 0;
  const sections = runs.map(({ group, start, count }) => {
    const rows = Math.ceil(count / layout.columns), section = { group, start, count, rows, top, head: HEAD };
    top += HEAD + rows * layout.pitchY + layout.gap;
    return section;
  });
  return { ...layout, sections, rows: sections.reduce((sum, { rows }) => sum + rows, 0), height: top };
}

/** The number of the section of a place. @param {Section[]} sections @param {number} place */
export function sectionAt(sections, place) {
  let low = 0, high = sections.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sections[middle].start <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The corner of a cell. @param {Layout} layout @param {number} place */
export function cornerOf(layout, place) {
  const { sections } = layout;
  if (!sections?.length) return placeOf(layout, place);
  const { start, top, head } = sections[sectionAt(sections, place)], { x, y } = placeOf(layout, place - start);
  return { x, y: y + top + head };
}

/** The sections with a pixel between `top` and `top + height`. @param {Layout} layout @param {number} top @param {number} height @returns {Section[]} */
export const sectionsIn = ({ sections = [], pitchY, gap }, top, height) =>
  sections.filter((one) => one.top < top + height && one.top + one.head + one.rows * pitchY + gap > top);

/** First and one past the last place with a pixel between `top` and `top + height`. @param {Layout} layout @param {number} top @param {number} height */
export function placesIn(layout, top, height) {
  const { columns, gap, pitchY } = layout, some = sectionsIn(layout, top, height);
  if (!some.length) return [0, 0];
  /** @param {Section} section @param {(value: number) => number} round @param {number} y */
  const rowAt = (section, round, y) => clamp(round((y - section.top - section.head - gap) / pitchY), 0, section.rows);
  const first = some[0], last = some[some.length - 1];
  return [first.start + Math.min(rowAt(first, Math.floor, top) * columns, first.count),
    last.start + Math.min(rowAt(last, Math.ceil, top + height) * columns, last.count)];
}

/** The place above or below, in its column or at the end of a shorter row; itself where there is none. @param {Layout} layout @param {number} place @param {1 | -1} step */
export function vertical({ sections = [], columns }, place, step) {
  const number = sectionAt(sections, place), { start, count, rows } = sections[number];
  const column = (place - start) % columns, row = Math.floor((place - start) / columns) + step;
  if (row >= 0 && row < rows) return start + Math.min(row * columns + column, count - 1);
  const next = sections[number + step];
  if (!next) return place;
  return next.start + Math.min((step > 0 ? 0 : next.rows - 1) * columns + column, next.count - 1);
}

// What the gallery knows and shows, and how gestures and news change it: each function returns what changes. No
// document: `node --test` imports this.

import { hasHeard } from "../shared/moves.js";
import { visible } from "../shared/grid.js";
import { layoutOf, linesOf, moved, rowsNear, sideFor } from "./layout.js";
import { isWords } from "./filters.js";
import { cornerOf, placesIn, runsOf, withSections } from "./sections.js";
import { arrange, between, describe, digitsFor, fixed, furtherOf, isKnown, isRated, ORDERS, ordersFor, rankedWords, withoutValue } from "./order.js";

/** @typedef {import("./order.js").Images} Images */
/** @typedef {import("./order.js").Order} Order */
/** @typedef {import("./layout.js").Layout} Layout */
/**
 * @typedef {object} State
 * @property {string} origin the name of this view
 * @property {number} step the number of its last selection
 * @property {Images} images
 * @property {number} version of what is known of the images: cells of another one are old
 * @property {[number, number]} limits of scores and ratings
 * @property {number} digits of a score
 * @property {number} lines under a thumbnail
 * @property {Order} order
 * @property {boolean} descending
 * @property {string} text of the search
 * @property {boolean} only pinned images
 * @property {import("./filters.js").Column[]} columns by which images are sorted and filtered
 * @property {import("./filters.js").Chip[]} chips the filters that hold
 * @property {ArrayLike<number>} kept 1 where the filters let an image through; empty where there is none
 * @property {import("./filters.js").Ranked} ranked
 * @property {[Order, boolean][]} then further orders, and whether the largest come first
 * @property {import("./filters.js").Ranked[]} further the places in the columns of these
 * @property {Grouping} grouping
 * @property {number} size of a thumbnail that the reader wants; 0 for none
 * @property {boolean} arranged whether further orders or groups that were chosen here are on their way
 * @property {boolean} maps whether thumbnails carry the map of their image
 * @property {boolean} awaited whether the places in a column that was chosen here are on their way
 * @property {string} filtering the column whose filter is being changed, or ""
 * @property {number} without how many images come last, since they have no value
 * @property {number[]} ids the images that are shown, in order
 * @property {number[]} places where each image stands; -1 where it is not shown
 * @property {Layout} layout
 * @property {number} side pixels of the thumbnails that are wanted
 * @property {number} current the image that is explained
 * @property {number} focus the image on which the keyboard stands
 * @property {number} anchor where a range begins
 * @property {number} under the image under the pointer, or -1
 * @property {number} picked the image that was picked here and is not explained yet, or -1
 * @property {Set<number>} chosen
 * @property {Set<number>} pins
 * @property {boolean} hovering
 * @property {boolean} typing whether the keyboard is on a cell
 * @property {boolean} stale whether scores came that would move cells
 */
/** @typedef {{ of: string, words: string, heads: string[], values: ArrayLike<number> }} Grouping the column, its heading, the groups and that of each image; empty for none */
/** @typedef {Partial<State>} Changes */
/** @typedef {{ key: string, shiftKey: boolean, ctrlKey: boolean, metaKey: boolean, altKey: boolean }} Key */
/** @typedef {{ kind: "go", place: number, extend: boolean } | { kind: "all" | "none" | "pick" | "toggle" | "pin" | "search" | "group" }} Deed */

/** @type {Images} */
const NO_IMAGES = { names: [], labels: [], notes: [], ranks: [], ratings: [], scores: [], predicted: [], classes: [], regression: true,
  comparable: false };

/** @type {Grouping} */
export const NO_GROUPS = { of: "", words: "", heads: [], values: [] };

/** @param {string} origin @returns {State} */
export const newState = (origin) => ({
  origin, step: 0, images: NO_IMAGES, version: 0, limits: [0, 1], digits: 2, lines: 2, order: "given", descending: false, text: "",
  only: false, columns: [], chips: [], kept: [], ranked: {}, then: [], further: [], grouping: NO_GROUPS, size: 0, arranged: false, maps: false, awaited: false, filtering: "", without: 0, ids: [], places: [], layout: layoutOf(0, 0, 1), side: 96, current: -1, focus: 0, anchor: 0, under: -1, picked: -1,
  chosen: new Set(), pins: new Set(), hovering: false, typing: false, stale: false,
});

// ------------------------------------------------------------------ news of the kernel

/** What is known of the images, or a part of it. @param {State} state @param {Partial<Images>} more @param {[number, number]} limits @returns {Changes} */
export function withImages({ images: before, version }, more, limits) {
  /** @type {Images} */
  const images = { ...before, ...more, texts: null };
  return { images, version: version + 1, limits, digits: images.regression ? digitsFor(limits) : 2,
    lines: linesOf(images.regression, isRated(images)) };
}

/** Whether images can be sorted by it. @param {State} state @param {Order} order */
const canSort = ({ images, columns }, order) => (isKnown(order) ? ordersFor(images).includes(order) : columns.some(({ name }) => name === order));

/** What the reader, or another view, sorts by. @param {State} state @param {Order} order @param {boolean} descending @param {[Order, boolean][]} [then] @returns {Changes} */
export const withOrder = (state, order, descending, then = []) =>
  ({ order: canSort(state, order) ? order : "given", descending, then });

/** The filters, and which images they let through. @param {State} state @param {import("./filters.js").Column[]} columns @param {import("./filters.js").Chip[]} chips @param {ArrayLike<number>} kept @returns {Changes} */
export const withFilters = ({ filtering }, columns, chips, kept) =>
  ({ columns, chips, kept, filtering: columns.some(({ name }) => name === filtering) ? filtering : "" });

/** Another view, or an undo, may have changed the image. @param {State} state @param {number} current @returns {Changes} */
export const withCurrent = ({ typing, focus }, current) =>
  ({ current, focus: typing || current < 0 ? focus : current, picked: -1 });

/** @param {State} state @param {{ values?: number[], heard?: Record<string, number> }} marked @returns {Changes} */
export const withMarked = ({ origin, step }, { values = [], heard }) =>
  (hasHeard(heard, { origin, step }) ? { chosen: new Set(values) } : {});

// ------------------------------------------------------------------ order and place

/** Cells must not run away from under a pointer while scores come in. @param {State} state */
export const mustStay = ({ hovering, typing, order, ids, grouping }) =>
  (hovering || typing) && (order !== "given" && order !== "name" || Boolean(grouping.of)) && ids.length > 0;

/** @param {State} state @returns {Changes} */
export function sorted({ images, order, descending, text, only, pins, kept, ranked, then, further, grouping }) {
  const ids = arrange(images, { order, descending, text, only: only ? pins : null, kept, ranked, then: furtherOf(then, further), groups: grouping.values });
  const places = new Array(images.names.length).fill(-1);
  ids.forEach((index, place) => { places[index] = place; });
  return { ids, places, stale: false, without: withoutValue(images, ids, order, ranked) };
}

/** @param {State} state @param {number} width @param {number} ratio of device pixels @returns {Changes} */
export function laidOut({ ids, images, lines, size, grouping }, width, ratio) {
  const layout = withSections(layoutOf(width, ids.length, lines, images.regression, size), runsOf(ids, grouping.values));
  return { layout, side: sideFor(layout.thumb, ratio) };
}

/** As high as all images need, `most` at most: a search must not move what stands below. @param {State} state @param {number} width @param {number} most */
export const heightOf = ({ images, lines, size, grouping }, width, most) =>
  Math.min(most, layoutOf(width, images.names.length, lines, images.regression, size).height + 2 + (grouping.of ? most : 0));

/** First and one past the last place in sight. @param {Layout} layout @param {number} top @param {number} height */
const inSight = (layout, top, height) => (layout.sections?.length ? placesIn(layout, top, height) : visible(layout, top, height));

/** The place of the first cell in sight. @param {State} state @param {number} top */
export const placeAt = ({ layout }, top) => inSight(layout, top + layout.gap, 1)[0];

/** How far to scroll so that an image stands at the top. @param {State} state @param {number} index */
export const topOf = ({ layout, places }, index) => (places[index] >= 0 ? Math.max(0, cornerOf(layout, places[index]).y - layout.gap) : 0);

/** The images of a group. @param {State} state @param {number} group */
export const ofGroup = ({ ids, grouping: { values } }, group) => ids.filter((index) => values[index] === group);

/**
 * The images whose cells exist: those in sight, and the one with the focus, so that it keeps it and Tab reaches a cell.
 * @param {State} state
 * @param {number} top
 * @param {number} height
 */
export function inWindow({ ids, places, focus, layout }, top, height) {
  const [first, last] = inSight(layout, top, height), sight = ids.slice(first, last);
  const kept = places[focus] >= 0 || !ids.length ? focus : sight[0] ?? ids[0];
  return { sight, focus: kept, shown: new Set(ids.length ? [...sight, kept] : sight) };
}

/** The images in sight, then those that come into it next, then those that have left it. @param {State} state @param {number} top @param {number} height @param {number} [speed] of scrolling, see `rowsNear` */
export function nearWindow({ ids, layout }, top, height, speed = 0) {
  const [first, last] = inSight(layout, top, height), [above, below] = rowsNear(layout, speed);
  const before = ids.slice(Math.max(0, first - above * layout.columns), first).reverse(), behind = ids.slice(last, last + below * layout.columns);
  return [...ids.slice(first, last), ...(speed < 0 ? [...before, ...behind] : [...behind, ...before])];
}

// ------------------------------------------------------------------ gestures

/** @param {State} state @param {Iterable<number>} indices @returns {Changes} */
export const chose = ({ step }, indices) => ({ chosen: new Set(indices), step: step + 1 });

/** @param {State} state @param {number} index @returns {Changes} */
export function toggled(state, index) {
  const next = new Set(state.chosen);
  if (!next.delete(index)) next.add(index);
  return { ...chose(state, next), anchor: index };
}

/** All from the last one on; with `more` beside what is chosen. @param {State} state @param {number} index @param {boolean} more @returns {Changes} */
export const extended = (state, index, more) =>
  chose(state, [...(more ? state.chosen : []), ...between(state.ids, state.anchor, index)]);

/** Where all are pinned, let them go. @param {State} state @param {number[]} indices */
export const pinOf = ({ pins, images }, indices) =>
  ({ kind: "pin", names: indices.map((index) => images.names[index]), kept: !indices.every((index) => pins.has(index)) });

/** The order that a choice in the list begins with: large numbers first, words from A on. @param {State} state @param {Order} order */
export const firstWay = ({ columns }, order) =>
  (isKnown(order) ? ORDERS[order][1] : !isWords(columns.find(({ name }) => name === order)));

/** What a key does on the focused image; null where it does nothing. @param {Key} event @param {State} state @param {number} height @returns {Deed | null} */
export function deedOf(event, { places, focus, layout, chosen, grouping }, height) {
  const place = places[focus] ?? -1, key = event.key.toLowerCase();
  if (event.altKey || place < 0) return null;
  if (event.ctrlKey || event.metaKey) return key === "a" && !event.shiftKey ? { kind: "all" } : null;
  const to = moved(layout, place, event.key, height);
  if (to !== undefined) return { kind: "go", place: to, extend: event.shiftKey };
  const kind = { enter: "pick", " ": "toggle", p: "pin", a: "all", "/": "search", g: grouping.of ? "group" : "", escape: chosen.size ? "none" : "" }[key];
  return kind ? /** @type {Deed} */ ({ kind }) : null;
}

// ------------------------------------------------------------------ words

/** The number of an image in the column that is sorted by; "" where it is told anyway. @param {import("./filters.js").Ranked} ranked @param {Order} order @param {number} index */
const numberWords = ({ of, words, numbers }, order, index) => (numbers && of === order ? `${words} ${fixed(numbers[index], 3)}` : "");

/** What is said around the grid. @param {State} state @param {(index: number) => string | undefined} faultOf why an image has no picture */
export function wordsOf({ images, ids, order, only, pins, chips, without, ranked: places, under, typing, focus, current, chosen, digits }, faultOf) {
  const all = images.names.length, index = under >= 0 ? under : typing ? focus : current, name = images.names[index];
  const facts = name === undefined ? "" : faultOf(index) ?? [describe(images, index, digits), numberWords(places, order, index), images.notes[index]].filter(Boolean).join(" · ");
  const ranked = rankedWords(images, ids, order), count = ids.length === all ? `${all}` : `${ids.length} of ${all} shown`;
  const last = without ? `${without} without a value last` : "";
  return { count: [count, ranked, last].filter(Boolean).join(", "), index: name === undefined ? -1 : index, who: name ?? "", facts,
    empty: ids.length ? "" : only && !pins.size ? "No image is pinned: press P, or the star on an image."
      : chips.some(({ known }) => known) ? "No image passes the filters." : "No image is like that.",
    pinAll: [...chosen].every((one) => pins.has(one)) ? "Unpin" : "Pin" };
}

/** The line that stands for all problems: the only kind, or how many there are and the first. @param {string[]} kinds @param {number} count */
export const problemLine = (kinds, count) => (kinds.length === 1 ? kinds[0] : `${count} problems: ${kinds[0] ?? ""}`);

// What the stage knows between two paintings: zoom, values under a place, steps between panels. No document.

import { cellOf, valueAt } from "../shared/palettes.js";
import { bytes, clamp, floats } from "../shared/values.js";

export const MOST_PANELS = 12;
const NEAREST = 16; // times
const TALL = 500; // CSS pixels for all rows together, where there are several
const LEAST = 130; // of a picture

/** @typedef {{ zoom: number, u: number, v: number }} Sight what is seen of each photo: how near, and around which place */
/**
 * @typedef {object} Layer a map of the scene with its numbers
 * @property {number} h
 * @property {number} w
 * @property {Float32Array} values
 * @property {Float32Array | null} strength
 * @property {Uint8Array | null} outline
 * @property {number} limit
 * @property {[number, number, number, number]} box
 * @property {string} title
 * @property {string} low
 * @property {string} high
 * @property {string} unit
 * @property {string} note
 * @property {string} degenerate
 * @property {string} [minus] of a difference, what is subtracted
 * @property {string} palette
 * @property {boolean} one_sided
 * @property {string} strength_words
 * @property {string} words
 */

/** @type {Sight} */
export const ALL_OF_IT = { zoom: 1, u: 0.5, v: 0.5 };

/** @param {Sight} sight @returns {Sight} */
function within({ zoom, u, v }) {
  const half = 0.5 / zoom;
  return { zoom, u: clamp(u, half, 1 - half), v: clamp(v, half, 1 - half) };
}

/**
 * Nearer by a factor, where the place (a, b) of the frame, both from 0 to 1, stays where it is.
 * @param {Sight} sight @param {number} factor @param {number} [a] @param {number} [b]
 */
export function nearer(sight, factor, a = 0.5, b = 0.5) {
  const zoom = clamp(sight.zoom * factor, 1, NEAREST), [u, v] = placeIn(sight, a, b);
  return within({ zoom, u: u - (a - 0.5) / zoom, v: v - (b - 0.5) / zoom });
}

/** Moved with the pointer by shares of the frame. @param {Sight} sight @param {number} across @param {number} down */
export const moved = ({ zoom, u, v }, across, down) => within({ zoom, u: u - across / zoom, v: v - down / zoom });

/** The place of the photo at (a, b) of the frame. @param {Sight} sight @param {number} a @param {number} b */
export const placeIn = ({ zoom, u, v }, a, b) => [u + (a - 0.5) / zoom, v + (b - 0.5) / zoom];

/** Where in the frame a place of the photo is. @param {Sight} sight @param {number} u @param {number} v */
export const frameAt = (sight, u, v) => [(u - sight.u) * sight.zoom + 0.5, (v - sight.v) * sight.zoom + 0.5];

/** @param {Sight} sight */
export function transformOf({ zoom, u, v }) {
  const shift = (/** @type {number} */ at) => `${(0.5 - at * zoom) * 100}%`;
  return zoom === 1 ? "" : `translate(${shift(u)}, ${shift(v)}) scale(${zoom})`;
}

/**
 * A map of the scene with its numbers, or null where it did not come whole.
 * @param {any} answer
 * @returns {Layer | null}
 */
export function wholeLayer(answer) {
  const [h, w] = answer?.values_shape ?? [0, 0];
  if (!h || answer.values?.byteLength !== 4 * h * w) return null;
  const { strength, outline } = answer;
  return { ...answer, h, w, values: floats(answer.values), strength: strength ? floats(strength) : null,
    outline: outline ? bytes(outline) : null };
}

/**
 * The value of the full colour, and what is said of it.
 * @param {{ limit: number }} map
 * @param {{ limit: number, words: string } | undefined} shared of the panels that may have one scale
 * @param {string} scale each or all
 */
export function fullOf(map, shared, scale) {
  return scale === "all" && shared?.words ? { limit: shared.limit, words: shared.words } : { limit: map.limit, words: "" };
}

/**
 * What a map says at a place of the photo, or null outside of what the network saw.
 * @param {Layer} map @param {number} u @param {number} v @param {boolean} smooth
 */
export function readAt(map, u, v, smooth) {
  const [left, top, right, bottom] = map.box, x = (u - left) / (right - left), y = (v - top) / (bottom - top);
  if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1)) return null;
  const read = (/** @type {Float32Array} */ some) => valueAt(some, map.h, map.w, x, y, smooth);
  return { value: read(map.values), cell: cellOf(map.h, map.w, x, y), strength: map.strength ? read(map.strength) : null };
}

/** The middle of a cell as a place of the photo. @param {Layer} map @param {number} row @param {number} column */
export function middleOf({ h, w, box: [left, top, right, bottom] }, row, column) {
  return [left + ((column + 0.5) / w) * (right - left), top + ((row + 0.5) / h) * (bottom - top)];
}

/**
 * The panel to which a key leads; undefined for keys that do not move.
 * @param {string} key @param {number} place @param {number} columns @param {number} count
 */
export function panelAfter(key, place, columns, count) {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  if (step === undefined) return undefined;
  const to = place + step;
  return to < 0 || to >= count ? place : to;
}

/** The height of a picture, at most, where so many rows stand over each other. @param {number} rows @param {number} height */
export const heightOf = (rows, height) => (rows < 2 ? height : Math.min(height, Math.max(TALL / rows, LEAST)));

/**
 * Why rows and columns cannot be shown together; empty where they can.
 * @param {{ count: number } | undefined} down @param {{ count: number } | undefined} across
 */
export function tooMany(down, across) {
  const rows = down?.count ?? 1, columns = across?.count ?? 1;
  return rows * columns > MOST_PANELS ? `${rows} × ${columns} are ${rows * columns} panels; there may be ${MOST_PANELS}.` : "";
}

// Numbers to places on an axis, and back. No document: `node --test` imports this.

import { clamp } from "./values.js";

/** @typedef {[number, number]} Range from the lowest to the highest */
/** @typedef {{ left: number, top: number, right: number, bottom: number }} Frame */
/** @typedef {ReturnType<typeof scale>} Scale */

/** Round numbers from `low` to `high`, at most about `most` of them. @param {number} low @param {number} high @param {number} [most] */
export function ticks(low, high, most = 6) {
  if (!Number.isFinite(low) || !Number.isFinite(high) || high <= low) return Number.isFinite(low) ? [low] : [];
  const rough = (high - low) / Math.max(most, 1), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * (1 - 1e-9)) ?? 10 * power;
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step || 0); // no negative zero
}

/** As few decimals as tell the ticks apart; a true minus, as long as the digits. @param {number[]} values */
export function tickLabels(values) {
  const step = values.length > 1 ? values[1] - values[0] : Math.abs(values[0]) || 1;
  const largest = Math.max(...values.map(Math.abs), step), decimals = clamp(-Math.floor(Math.log10(step) + 1e-9), 0, 100);
  const digits = Math.max(0, Math.floor(Math.log10(largest / step) + 1e-9)), powers = decimals > 5 || largest >= 1e6;
  const write = (/** @type {number} */ value) => (!powers ? value.toFixed(decimals) : value === 0 ? "0" : value.toExponential(digits));
  return values.map((value) => write(value).replace(/-/g, "−"));
}

/**
 * A range that holds zero and all finite values, with some air; each side of zero gets at least its `share`.
 * @param {Iterable<number>} values
 * @param {number} [air]
 * @param {number} [share]
 * @returns {Range}
 */
export function rangeOf(values, air = 0.08, share = 0) {
  let low = 0, high = 0;
  for (const value of values) {
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  if (low === high) return [-1, 1];
  const pad = (high - low) * air, other = share / (1 - share);
  [low, high] = [low && low - pad, high && high + pad];
  return [Math.min(low, -high * other) || 0, Math.max(high, -low * other)];
}

/** A range that holds all finite values and need not hold zero, with some air. @param {Iterable<number>} values @param {number} [air] @returns {Range} */
export function spanOf(values, air = 0.06) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  if (low > high) return [0, 1];
  const pad = (high - low) * air || (low === high ? Math.abs(low) * 0.1 || 1 : 0);
  return [low - pad, high + pad];
}

/** The range seen from `factor` times as near, with zero where it was. @param {Range} range @param {number} factor @returns {Range} */
export const nearer = ([low, high], factor) => [low / factor, high / factor];

/** From values to pixels, and back. @param {Range} range @param {Range} pixels */
export function scale([low, high], [from, to]) {
  const slope = (to - from) / (high - low);
  return {
    low, high, from, to,
    place: (/** @type {number} */ value) => from + (value - low) * slope,
    value: (/** @type {number} */ at) => low + (at - from) / slope,
  };
}

/** The box of the plot in a canvas, in CSS pixels. @param {number} width @param {number} height @param {Frame} margin @returns {Frame} */
export const frameOf = (width, height, margin) => ({
  left: margin.left,
  top: margin.top,
  right: Math.max(width - margin.right, margin.left + 1),
  bottom: Math.max(height - margin.bottom, margin.top + 1),
});

// Two maps over one photo: both on one grid, what sets them apart, how alike they are. No document.

import { valueAt } from "../shared/palettes.js";
import { signed } from "../shared/values.js";

export const TOPS = [0.05, 0.1, 0.15]; // shares of the largest values
const ALIKE = 0.95; // of a correlation: one map says little that the other does not

/** @typedef {import("./state.js").Layer} Layer */
/** @typedef {{ h: number, w: number, a: Float32Array, b: Float32Array }} Pair two maps on one grid; not a number outside of the second */

/** How much of a map is where: its values, times its saturation where it has two dimensions. @param {Layer} map @param {number} x @param {number} y */
function weightAt({ values, strength, h, w }, x, y) {
  return valueAt(values, h, w, x, y) * (strength ? valueAt(strength, h, w, x, y) : 1);
}

/** A map at the places of a grid over a part of the photo. @param {Layer} map @param {Layer["box"]} box @param {number} h @param {number} w */
function sampled(map, [left, top, right, bottom], h, w) {
  const out = new Float32Array(h * w), [l, t, r, b] = map.box;
  for (let row = 0, i = 0; row < h; row++) {
    for (let column = 0; column < w; column++, i++) {
      const x = (left + ((column + 0.5) / w) * (right - left) - l) / (r - l), y = (top + ((row + 0.5) / h) * (bottom - top) - t) / (b - t);
      out[i] = x >= 0 && x <= 1 && y >= 0 && y <= 1 ? weightAt(map, x, y) : NaN;
    }
  }
  return out;
}

/** Both maps on the finer of their grids, over what the first one covers. @param {Layer} a @param {Layer} b @returns {Pair} */
export function onOneGrid(a, b) {
  const h = Math.max(a.h, b.h), w = Math.max(a.w, b.w);
  return { h, w, a: sampled(a, a.box, h, w), b: sampled(b, a.box, h, w) };
}

/**
 * A - B as a map of its own: of one unit as the values are, else each in shares of its own full colour.
 * @param {Layer} a @param {Layer} b @param {string[]} [names] of both @returns {Layer}
 */
export function differenceOf(a, b, [name, its] = ["the active one", "the other"]) {
  const pair = onOneGrid(a, b), same = Boolean(a.unit) && a.unit === b.unit;
  const [whole, other] = same ? [1, 1] : [a.limit || 1, b.limit || 1], values = pair.a.map((value, i) => value / whole - pair.b[i] / other);
  const limit = same ? Math.max(a.limit, b.limit) : 1, differs = values.some((value) => Math.abs(value) > 1e-6 * limit);
  const scale = same ? `Both as they are, full colour at ${signed(limit).replace("+", "±")} (${a.unit}).`
    : "Each in shares of its own full colour, full colour where they differ by all of it.";
  return { h: pair.h, w: pair.w, values, strength: null, outline: null, limit, box: a.box, title: `${name} minus ${its}`, low: `more in ${its}`,
    high: `more in ${name}`, unit: same ? a.unit : "share of the full colour", note: scale, degenerate: differs ? "" : "The two maps are the same.", palette: "",
    one_sided: false, strength_words: "", words: "" };
}

/** Pearson's r over the places where both are; not a number where one is constant. @param {Pair} pair */
export function correlation({ a, b }) {
  let n = 0, sumA = 0, sumB = 0;
  const both = [...a.keys()].filter((i) => Number.isFinite(a[i]) && Number.isFinite(b[i]));
  for (const i of both) [n, sumA, sumB] = [n + 1, sumA + a[i], sumB + b[i]];
  let ab = 0, aa = 0, bb = 0;
  for (const i of both) {
    const [x, y] = [a[i] - sumA / n, b[i] - sumB / n];
    [ab, aa, bb] = [ab + x * y, aa + x * x, bb + y * y];
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : NaN;
}

/** A half to the nearest even number, as Python rounds. @param {number} value */
function rounded(value) {
  const low = Math.floor(value), part = value - low;
  return part === 0.5 ? low + (low % 2) : Math.round(value);
}

/**
 * A mask of at most that share of the places, those of the largest values, all above 0; a group of equal values that
 * does not fit is left out whole, and a constant map has none.
 * @param {ArrayLike<number>} values @param {number} share
 */
export function topShare(values, share) {
  const all = Float32Array.from(values).filter(Number.isFinite).sort().reverse(), kept = rounded(share * all.length);
  const bound = kept < all.length ? Math.max(all[kept], 0) : 0, constant = all[0] === all[all.length - 1];
  return Uint8Array.from(values, (value) => (value > bound && !constant ? 1 : 0));
}

/**
 * How much more often the places of one mask are those of another than other places are: A given B.
 * @param {Uint8Array} a @param {Uint8Array} b
 */
export function relativeRisk(a, b) {
  let inside = 0, hit = 0, missed = 0;
  b.forEach((there, i) => {
    inside += there;
    if (there) hit += a[i];
    else missed += a[i];
  });
  return hit / inside / (missed / (b.length - inside));
}

const point = (/** @type {number} */ r) => `${r < 0 ? "−" : ""}${Math.abs(r).toFixed(2).replace(/^0/, "")}`;

/** The correlation in words. @param {number} r @param {string} other name of the other map @param {boolean} contrast whether this one asks about Q */
export function likeness(r, other, contrast) {
  if (!Number.isFinite(r)) return `No correlation with ${other}: one of the two is the same everywhere.`;
  const little = `${contrast ? "the contrast" : "this map"} tells little that is new`;
  const tells = r >= ALIKE ? `: ${little}` : r <= -ALIKE ? `: nearly the other way round, so ${little}` : "";
  return `r = ${point(r)} with ${other}${tells}.`;
}

/** Of the top shares, the relative risks both ways. @param {Pair} pair @param {string} other */
export function risks({ a, b }, other) {
  const tell = (/** @type {number} */ risk) => (Number.isFinite(risk) ? risk.toFixed(1) : risk === Infinity ? "∞" : "n/a");
  const both = TOPS.map((share) => [topShare(a, share), topShare(b, share)]);
  const [this_, that] = [both.map(([mine, its]) => tell(relativeRisk(mine, its))), both.map(([mine, its]) => tell(relativeRisk(its, mine)))];
  const back = `${that}` === `${this_}` ? "" : `; the other way ${that.join(", ")}`; // masks of one size give the same both ways
  return `Top 5, 10, 15 %: relative risk of this map given ${other} ${this_.join(", ")}${back}.`;
}

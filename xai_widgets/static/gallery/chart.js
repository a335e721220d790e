// Score against rating and the residuals, as numbers and places. No document: `node --test` imports this.

import { frameOf, scale, spanOf, ticks } from "../shared/axes.js";
import { describe, fixed, residual } from "./order.js";
import { clamp } from "../shared/values.js";

const SCATTER = { left: 44, right: 8, top: 6, bottom: 36 };
const BARS = { left: 44, right: 8, top: 4, bottom: 36 };
// Images, all of whose error bars are drawn.
export const BARRED = 300;

/** @typedef {import("./order.js").Images} Images */
/** @typedef {{ indices: number[], ratings: number[], scores: number[], spreads: number[], residuals: number[] }} Pairs of the images whose score and rating are known */
/** @typedef {{ edges: number[], counts: number[], members: number[][] }} Bins `members` are images */
/** @typedef {ReturnType<typeof scatterOf>} Scatter */
/** @typedef {ReturnType<typeof barsOf>} Bars */

/** @param {Images} images @param {number[]} ids @returns {Pairs} */
export function pairsOf(images, ids) {
  const indices = ids.filter((index) => Number.isFinite(residual(images, index)));
  const at = (/** @type {ArrayLike<number> | undefined} */ values) => indices.map((index) => values?.[index] ?? NaN);
  return { indices, ratings: at(images.ratings), scores: at(images.scores), spreads: at(images.spreads),
    residuals: indices.map((index) => residual(images, index)) };
}

/** Both axes have one range, so that the diagonal is what is rated and predicted alike. @param {Pairs} pairs @param {number} width @param {number} height */
export function scatterOf({ ratings, scores, spreads }, width, height) {
  const frame = frameOf(width, height, SCATTER);
  const ends = ratings.flatMap((rating, i) => (Number.isFinite(spreads[i]) ? [rating - spreads[i], rating + spreads[i]] : /** @type {number[]} */ ([])));
  const range = spanOf([...ratings, ...scores, ...ends]);
  const x = scale(range, [frame.left, frame.right]), y = scale(range, [frame.bottom, frame.top]);
  return { frame, x, y, px: Float32Array.from(ratings, x.place), py: Float32Array.from(scores, y.place) };
}

/** Residuals in bins of one round width, of which one begins at zero. @param {Pairs} pairs @param {number} [most] about so many @returns {Bins} */
export function binsOf({ indices, residuals }, most = 14) {
  if (!residuals.length) return { edges: [], counts: [], members: [] };
  const [low, high] = spanOf([...residuals, 0], 0), marks = ticks(low, high, most), step = marks.length > 1 ? marks[1] - marks[0] : high - low;
  const first = Math.floor(low / step + 1e-9), count = Math.max(Math.ceil(high / step - 1e-9) - first, 1);
  const members = Array.from({ length: count }, () => /** @type {number[]} */ ([]));
  residuals.forEach((value, i) => members[clamp(Math.floor(value / step + 1e-9) - first, 0, count - 1)].push(indices[i]));
  return { edges: Array.from({ length: count + 1 }, (_, i) => (first + i) * step), counts: members.map((some) => some.length), members };
}

/** @param {Bins} bins @param {number} width @param {number} height */
export function barsOf({ edges, counts }, width, height) {
  const frame = frameOf(width, height, BARS);
  return { frame, x: scale([edges[0] ?? 0, edges[edges.length - 1] ?? 1], [frame.left, frame.right]),
    y: scale([0, Math.max(1, ...counts) * 1.05], [frame.bottom, frame.top]) };
}

/** The bin at a place, or -1. @param {Bins} bins @param {Bars} bars @param {number} at in CSS pixels */
export function binAt({ edges }, { x }, at) {
  const value = x.value(at);
  return edges.findIndex((edge, i) => i + 1 < edges.length && value >= edge && value < edges[i + 1]);
}

/** The images with a residual between two places. @param {Pairs} pairs @param {Bars} bars @param {number} from @param {number} to */
export function residualsIn({ indices, residuals }, { x }, from, to) {
  const [low, high] = [Math.min(x.value(from), x.value(to)), Math.max(x.value(from), x.value(to))];
  return indices.filter((_, i) => residuals[i] >= low && residuals[i] <= high);
}

/** The selection after a brush on `found`: they alone, or beside what is chosen. @param {Set<number>} chosen @param {number[]} found @param {boolean} add */
export const brushed = (chosen, found, add) => (add ? [...new Set([...chosen, ...found])] : found);

/** The images by the size of their residual, the largest first: where the keyboard goes. @param {Pairs} pairs */
export const byResidual = ({ indices, residuals }) =>
  [...indices.keys()].sort((a, b) => Math.abs(residuals[b]) - Math.abs(residuals[a]) || a - b).map((place) => indices[place]);

/** One image in words. @param {Images} images @param {number} index @param {number} digits */
export const pointWords = (images, index, digits) => `${images.names[index]}: ${describe(images, index, digits)}`;

/** One bin in words. @param {Bins} bins @param {number} place @param {Set<number>} chosen @param {number} digits */
export function binWords({ edges, counts, members }, place, chosen, digits) {
  const some = members[place].filter((index) => chosen.has(index)).length;
  return `residual ${fixed(edges[place], digits)} to ${fixed(edges[place + 1], digits)}: ${counts[place]} image${counts[place] === 1 ? "" : "s"}${some ? `, ${some} selected` : ""}`;
}

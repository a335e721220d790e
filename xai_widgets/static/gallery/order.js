// Which images the gallery shows, in what order, and in what words. No document: `node --test` imports this.
// A *place* counts cells as they are shown; an *index* counts images as the set has them.

import { clamp } from "../shared/values.js";

const NATURAL = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/**
 * What is known of all images, one value an image.
 * @typedef {object} Images
 * @property {string[]} names
 * @property {string[]} labels
 * @property {string[]} notes
 * @property {ArrayLike<number>} ranks positions in the order of the names
 * @property {ArrayLike<number>} ratings NaN where there is none
 * @property {ArrayLike<number>} scores NaN where there is none
 * @property {ArrayLike<number>} predicted places in `classes`, -1 where there is none
 * @property {string[]} classes
 * @property {boolean} regression
 * @property {string} [score] the name of the score that is shown, where there are several
 * @property {boolean} comparable whether labels name classes
 * @property {ArrayLike<number>} [spreads] standard deviations of ratings; empty where none is known
 * @property {ArrayLike<number>} [raters] how many gave each rating, or 0
 * @property {ArrayLike<number>} [agreed] how many labels are right, where several may hold; -1 where that is not known
 * @property {number} [ofLabels] of how many
 * @property {string[]} [splits] train, val, test, ...; empty where none is known
 * @property {string[] | null} [texts] what a search looks at; made when it is first needed
 * @property {number} [version]
 */
/** @typedef {"given" | "name" | "score" | "rating" | "residual" | "label" | "mistake"} Known */
/** @typedef {Known | string} Order another one is the name of a column */

/** Words, and whether large values come first at the start. @type {Record<Known, [string, boolean]>} */
export const ORDERS = {
  given: ["as given", false], name: ["name", false], score: ["score", true], rating: ["rating", true], residual: ["|residual|", true],
  label: ["label", false], mistake: ["mistakes", true],
};

/** Whether an order is one of those that need no column. @param {Order} order @returns {order is Known} */
export const isKnown = (order) => Object.hasOwn(ORDERS, order);

/** @param {Images} images @param {number} index */
export const residual = (images, index) => images.scores[index] - images.ratings[index];
/** @param {Images} images @param {number} index */
export const predicted = (images, index) => images.classes[images.predicted[index]] ?? "";

/** True or false where both a label and a prediction are known and of the same kind, else null. @param {Images} images @param {number} index */
export function isRight(images, index) {
  const label = images.labels[index], word = predicted(images, index);
  return images.comparable && label && word ? label.toLowerCase() === word.toLowerCase() : null;
}

/** How many labels of an image are right, as "2/3"; empty where one class holds. @param {Images} images @param {number} index */
export const agreedWords = (images, index) => ((images.agreed?.[index] ?? -1) < 0 ? "" : `${images.agreed?.[index]}/${images.ofLabels}`);

/** @param {Images} images @param {Order} order @param {number} index */
function keyOf(images, order, index) {
  if (order === "score") return images.scores[index];
  if (order === "rating") return images.ratings[index];
  if (order === "residual") return Math.abs(residual(images, index));
  const right = isRight(images, index), sure = images.scores[index];
  // Sure mistakes, mistakes, doubtful, sure.
  return right === null ? NaN : right ? 1 - sure : 1 + sure;
}

/** Positions of all images in the order of their names; made once, as it takes longest. @param {string[]} words */
export function ranksOf(words) {
  const ranks = new Uint32Array(words.length);
  [...words.keys()].sort((a, b) => NATURAL.compare(words[a], words[b])).forEach((index, rank) => { ranks[index] = rank; });
  return ranks;
}

/** All that is known about each image in words, in lower case. @param {Images} images */
const textsOf = (images) => images.names.map((name, index) =>
  [name, images.labels[index], predicted(images, index), images.notes[index], images.splits?.[index] ?? ""].join("\n").toLowerCase());

/** Does an image hold every word of a search, in its name, label, prediction or notes? @param {Images} images @param {string} text @returns {(index: number) => boolean} */
export function matcher(images, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return () => true;
  // Kept from one key press to the next.
  const texts = images.texts ??= textsOf(images);
  return (index) => words.every((word) => texts[index].includes(word));
}

/** By what an order sorts, one number an image; NaN where there is no value. An order whose column is not there yet is that of the set. @param {Images} images @param {Order} order @param {import("./filters.js").Ranked} ranked @returns {ArrayLike<number>} */
function keysOf(images, order, ranked) {
  if (!isKnown(order)) return ranked.of === order && ranked.values ? ranked.values : images.names.map((_, index) => index);
  if (order === "given") return images.names.map((_, index) => index);
  if (order === "name") return images.ranks;
  if (order === "label") return labelKeys(images.labels);
  return Float64Array.from(images.names, (_, index) => keyOf(images, order, index));
}

/** Labels as numbers in their order, equal ones alike whatever their case. @param {string[]} labels */
function labelKeys(labels) {
  const words = [...new Set(labels)].filter(Boolean).sort(NATURAL.compare), keys = new Map();
  let key = 0;
  words.forEach((word, i) => {
    if (i && NATURAL.compare(words[i - 1], word)) key += 1;
    keys.set(word, key);
  });
  return labels.map((label) => keys.get(label) ?? NaN);
}

/** How many of some images have no value in what they are sorted by, and so come last. @param {Images} images @param {number[]} ids @param {Order} order @param {import("./filters.js").Ranked} ranked */
export function withoutValue(images, ids, order, ranked) {
  if (order === "given" || order === "name") return 0;
  const keys = keysOf(images, order, ranked);
  return ids.filter((index) => Number.isNaN(keys[index])).length;
}

/** @typedef {{ order: Order, descending: boolean, ranked: import("./filters.js").Ranked }} Further an order of images that are equal so far */

/** The orders after the first one, as the page has them. @param {[Order, boolean][]} then @param {import("./filters.js").Ranked[]} further @returns {Further[]} */
export const furtherOf = (then, further) => then.map(([order, descending], i) => ({ order, descending, ranked: further[i] ?? {} }));

/**
 * Indices of the images that are shown, in order; what has no value comes last either way. Groups stand together.
 * @param {Images} images
 * @param {{ order?: Order, descending?: boolean, text?: string, only?: Set<number> | null, kept?: ArrayLike<number>,
 *   ranked?: import("./filters.js").Ranked, then?: Further[], groups?: ArrayLike<number> }} [how] `kept` is empty where nothing is
 *   filtered, `groups` where there is none
 */
export function arrange(images, { order = "given", descending = false, text = "", only = null, kept: through = [], ranked = {}, then = [], groups = [] } = {}) {
  const fits = matcher(images, text), kept = [];
  for (let index = 0; index < images.names.length; index++) {
    if ((!only || only.has(index)) && (!through.length || through[index]) && fits(index)) kept.push(index);
  }
  if (order === "given" && !descending && !groups.length) return kept; // no two are equal
  /** @type {[ArrayLike<number>, number][]} */
  const keys = [...(groups.length ? [/** @type {[ArrayLike<number>, number]} */ ([groups, 1])] : []),
    ...[{ order, descending, ranked }, ...then].map((one) => /** @type {[ArrayLike<number>, number]} */ ([keysOf(images, one.order, one.ranked), one.descending ? -1 : 1])),
    [images.ranks, 1]];
  return kept.sort((a, b) => {
    for (const [values, sign] of keys) {
      const p = values[a], q = values[b], x = p !== p, y = q !== q; // NaN is not equal to itself
      if (x !== y) return Number(x) - Number(y);
      if (!x && p !== q) return sign * (p - q);
    }
    return a - b;
  });
}

/** Whether there is a rating of a score. @param {{ regression: boolean, ratings: ArrayLike<number> }} images */
export const isRated = ({ regression, ratings }) => regression && Array.from(ratings).some((rating) => !Number.isNaN(rating));

/** Which orders tell something about these images, before those by columns. @param {Images} images @returns {Known[]} */
export function ordersFor(images) {
  const rated = isRated(images);
  const has = { given: true, name: true, score: true, rating: rated, residual: rated,
    label: images.labels.some(Boolean), mistake: images.comparable };
  return /** @type {Known[]} */ (Object.keys(ORDERS)).filter((order) => has[order]);
}

/** Decimals with which a hundredth of the range is seen. @param {[number, number]} limits */
export const digitsFor = ([low, high]) => clamp(2 - Math.floor(Math.log10(Math.max(1.1 * (high - low), 1e-9))), 0, 6);

/** @param {number} value @param {number} digits */
export const fixed = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−") : "–");

/** @param {number} value @param {number} digits */
export function signedFixed(value, digits) {
  const text = fixed(value, digits);
  return value > 0 && Number(text) ? `+${text}` : text;
}

/** A rating with its standard deviation and the number of raters, such as 62 ± 11 (n = 24). @param {Images} images @param {number} index @param {number} digits */
export function ratedWords(images, index, digits) {
  const spread = images.spreads?.[index] ?? NaN, count = images.raters?.[index] ?? 0;
  return [fixed(images.ratings[index], digits), Number.isFinite(spread) ? ` ± ${fixed(spread, digits)}` : "",
    count ? ` (n = ${count})` : ""].join("");
}

/** Was a network trained on the image, as far as the table says? @param {Images} images @param {number} index */
export const isTrained = (images, index) => images.splits?.[index] === "train";

/** What must be said of a ranking: how many of the images that are ranked were trained on; "" for none. @param {Images} images @param {number[]} ids @param {Order} order */
export function rankedWords(images, ids, order) {
  if (!["score", "residual", "mistake"].includes(order)) return "";
  const count = ids.filter((index) => isTrained(images, index)).length;
  return count ? `${count} of them trained on` : "";
}

/** Everything about one image in a line, for the caption and for screen readers. @param {Images} images @param {number} index @param {number} digits */
export function describe(images, index, digits) {
  const score = images.scores[index], rating = images.ratings[index], label = images.labels[index];
  /** @type {string[]} */
  const parts = [];
  if (images.regression) {
    if (Number.isFinite(score)) parts.push(`${images.score || "score"} ${fixed(score, digits)}`);
    if (Number.isFinite(rating)) parts.push(`rating ${ratedWords(images, index, digits)}`);
    if (Number.isFinite(score - rating)) parts.push(`residual ${signedFixed(score - rating, digits)}`);
  } else if (predicted(images, index)) parts.push(`predicted ${predicted(images, index)}, ${fixed(score, 2)}`);
  if (label) parts.push(`label ${label}`);
  const split = images.splits?.[index];
  if (split) parts.push(split === "train" ? "trained on (train split)" : `${split} split`);
  const right = isRight(images, index), agreed = agreedWords(images, index);
  if (agreed) parts.push(`${agreed.replace("/", " of ")} labels right`);
  if (right !== null) parts.push(right ? "right" : "wrong");
  return parts.join(" · ");
}

/** Indices from one image to another as they are shown; the second alone where the first is not shown. @param {number[]} ids @param {number} from @param {number} to */
export function between(ids, from, to) {
  const [a, b] = [ids.indexOf(from), ids.indexOf(to)];
  if (b < 0) return [];
  return a < 0 ? [to] : ids.slice(Math.min(a, b), Math.max(a, b) + 1);
}

/** Left and width, in per cent, of the error bar of a rating; null where none is known. @param {number} rating @param {number} spread @param {[number, number]} limits */
export function spreadOf(rating, spread, [low, high]) {
  if (!Number.isFinite(rating) || !Number.isFinite(spread)) return null;
  const [left, right] = [rating - spread, rating + spread].map((value) => 100 * clamp((value - low) / (high - low), 0, 1));
  return { left, width: right - left };
}

/** Left and width, in per cent, of a bar from a rating to a score on the range; null where one is unknown. @param {number} score @param {number} rating @param {[number, number]} limits */
export function stripOf(score, rating, [low, high]) {
  const at = (/** @type {number} */ value) => 100 * clamp((value - low) / (high - low), 0, 1);
  if (!Number.isFinite(score)) return null;
  const from = Number.isFinite(rating) ? at(rating) : at(score);
  return { score: at(score), rating: Number.isFinite(rating) ? from : null, left: Math.min(from, at(score)), width: Math.abs(at(score) - from) };
}

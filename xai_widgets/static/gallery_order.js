// Which images the gallery shows, in what order, where, and in what words. No document: `node --test` imports this.
// A *place* counts cells as they are shown; an *index* counts images as the set has them.

import { clamp } from "./dom.js";
import { placeOf, visible } from "./grid.js";

export { placeOf, visible };
const NATURAL = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

// words, whether large values come first at the start
export const ORDERS = {
  given: ["as given", false], name: ["name", false], score: ["score", true], rating: ["rating", true], residual: ["|residual|", true],
  label: ["label", false], mistake: ["mistakes", true],
};

/** Cells grow so that rows fill the width; a narrow column has small ones. `lines` of text stand under each. */
export function layoutOf(width, count, lines, strip = false) {
  const gap = width < 420 ? 6 : 10, least = width < 420 ? 60 : 88;
  const columns = Math.max(1, Math.floor((width - gap) / (least + gap)));
  const thumb = clamp(Math.floor((width - gap) / columns) - gap, 24, 2 * least);
  const rows = Math.ceil(count / columns), below = (strip ? 8 : 4) + 15 * lines;
  const pitchX = thumb + gap, pitchY = thumb + below + gap;
  return { gap, columns, thumb, below, rows, count, pitchX, pitchY, height: count ? rows * pitchY + gap : 0 };
}

/** Where a key leads from a place; undefined for keys that do not move. */
export function moved(layout, place, key, height) {
  const page = layout.columns * Math.max(1, Math.floor(height / layout.pitchY));
  const to = { ArrowLeft: place - 1, ArrowRight: place + 1, ArrowUp: place - layout.columns, Home: 0,
    ArrowDown: place + layout.columns, PageUp: place - page, PageDown: place + page, End: layout.count - 1 }[key];
  if (to === undefined || !layout.count) return undefined;
  // Up and down keep the column: from the top row up, and from the bottom row down, they lead nowhere.
  if (key === "ArrowUp" && to < 0) return place;
  if (key === "ArrowDown" && to >= layout.count) {
    return Math.floor(place / layout.columns) < layout.rows - 1 ? layout.count - 1 : place;
  }
  return clamp(to, 0, layout.count - 1);
}

/** How far to scroll so that a place is whole in the window. */
export function scrollFor(layout, place, top, height) {
  const { y } = placeOf(layout, place), below = y + layout.pitchY - height;
  return Math.max(0, clamp(top, below, y - layout.gap));
}

/** Pixels on the longer side of a thumbnail, of three kinds, so that few are asked for twice. */
export const sideFor = (thumb, ratio) => [96, 192, 384].find((side) => side >= thumb * ratio * 0.9) ?? 384;

export const residual = (images, index) => images.scores[index] - images.ratings[index];
export const predicted = (images, index) => images.classes[images.predicted[index]] ?? "";

/** True or false where both a label and a prediction are known and of the same kind, else null. */
export function isRight(images, index) {
  const label = images.labels[index], word = predicted(images, index);
  return images.comparable && label && word ? label.toLowerCase() === word.toLowerCase() : null;
}

function keyOf(images, order, index) {
  if (order === "score") return images.scores[index];
  if (order === "rating") return images.ratings[index];
  if (order === "residual") return Math.abs(residual(images, index));
  const right = isRight(images, index), sure = images.scores[index];
  return right === null ? NaN : right ? 1 - sure : 1 + sure; // sure mistakes, mistakes, doubtful, sure
}

/** Positions of all images in the order of their names; made once, as it takes longest. */
export function ranksOf(words) {
  const ranks = new Uint32Array(words.length);
  [...words.keys()].sort((a, b) => NATURAL.compare(words[a], words[b])).forEach((index, rank) => { ranks[index] = rank; });
  return ranks;
}

/** All that is known about each image in words, in lower case. */
const textsOf = (images) => images.names.map((name, index) =>
  [name, images.labels[index], predicted(images, index), images.notes[index]].join("\n").toLowerCase());

/** Does an image hold every word of a search, in its name, label, prediction or notes? */
export function matcher(images, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return () => true;
  images.texts ??= textsOf(images); // kept from one key press to the next
  return (index) => words.every((word) => images.texts[index].includes(word));
}

/** Indices of the images that are shown, in order; what has no value comes last either way. */
export function arrange(images, { order = "given", descending = false, text = "", only = null } = {}) {
  const fits = matcher(images, text), ranks = images.ranks, sign = descending ? -1 : 1;
  const kept = [];
  for (let index = 0; index < images.names.length; index++) if ((!only || only.has(index)) && fits(index)) kept.push(index);
  if (order === "given") return descending ? kept.reverse() : kept;
  if (order === "name") return kept.sort((a, b) => sign * (ranks[a] - ranks[b]));
  if (order === "label") {
    return kept.sort((a, b) => {
      const [p, q] = [images.labels[a], images.labels[b]];
      return !p - !q || sign * NATURAL.compare(p, q) || ranks[a] - ranks[b];
    });
  }
  const keys = new Map(kept.map((index) => [index, keyOf(images, order, index)]));
  return kept.sort((a, b) => {
    const p = keys.get(a), q = keys.get(b), [x, y] = [Number.isNaN(p), Number.isNaN(q)];
    return x - y || (x ? 0 : sign * (p - q)) || ranks[a] - ranks[b];
  });
}

/** Which orders tell something about these images. */
export function ordersFor(images) {
  const rated = images.regression && images.ratings.some((rating) => !Number.isNaN(rating));
  const has = { given: true, name: true, score: true, rating: rated, residual: rated,
    label: images.labels.some(Boolean), mistake: images.comparable };
  return Object.keys(ORDERS).filter((order) => has[order]);
}

/** Decimals with which a hundredth of the range is seen. */
export const digitsFor = ([low, high]) => clamp(2 - Math.floor(Math.log10(Math.max(1.1 * (high - low), 1e-9))), 0, 6);

export const fixed = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−") : "–");

export function signedFixed(value, digits) {
  const text = fixed(value, digits);
  return value > 0 && Number(text) ? `+${text}` : text;
}

/** Everything about one image in a line, for the caption and for screen readers. */
export function describe(images, index, digits) {
  const score = images.scores[index], rating = images.ratings[index], label = images.labels[index], parts = [];
  if (images.regression) {
    if (Number.isFinite(score)) parts.push(`score ${fixed(score, digits)}`);
    if (Number.isFinite(rating)) parts.push(`rating ${fixed(rating, digits)}`);
    if (Number.isFinite(score - rating)) parts.push(`residual ${signedFixed(score - rating, digits)}`);
  } else if (predicted(images, index)) parts.push(`predicted ${predicted(images, index)}, ${fixed(score, 2)}`);
  if (label) parts.push(`label ${label}`);
  const right = isRight(images, index);
  if (right !== null) parts.push(right ? "right" : "wrong");
  return parts.join(" · ");
}

/** Indices from one image to another as they are shown; the second alone where the first is not shown. */
export function between(ids, from, to) {
  const [a, b] = [ids.indexOf(from), ids.indexOf(to)];
  if (b < 0) return [];
  return a < 0 ? [to] : ids.slice(Math.min(a, b), Math.max(a, b) + 1);
}

/** Left and width, in per cent, of a bar from a rating to a score on the range; null where one is unknown. */
export function stripOf(score, rating, [low, high]) {
  const at = (value) => 100 * clamp((value - low) / (high - low), 0, 1);
  if (!Number.isFinite(score)) return null;
  const from = Number.isFinite(rating) ? at(rating) : at(score);
  return { score: at(score), rating: Number.isFinite(rating) ? from : null, left: Math.min(from, at(score)), width: Math.abs(at(score) - from) };
}

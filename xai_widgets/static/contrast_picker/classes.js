// Classes by probability, and the question that is asked of two of them. No document: `node --test` imports this.

import { folded } from "../shared/values.js";

/** @typedef {{ kind?: string, value?: any, word?: string, form?: string }} Contrast Q: a class, a score, or full confidence. */

/** Class indices by probability, largest first; equal ones by index. @param {Float32Array} probabilities */
export function byProbability(probabilities) {
  return Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a] || a - b);
}

/**
 * Those of `order` whose name holds the query: at its start, then at the start of a word, then anywhere.
 * @param {string[]} names
 * @param {number[]} order
 * @param {string} query
 */
export function matches(names, order, query) {
  const wanted = folded(query.trim());
  if (!wanted) return order;
  const rank = (/** @type {number} */ index) => {
    const name = folded(names[index]), at = name.indexOf(wanted);
    if (at <= 0) return at; // -1: not at all
    return ` ${name}`.replace(/[^\p{L}\p{N}]/gu, " ").includes(` ${wanted}`) ? 1 : 2;
  };
  const found = order.map((index) => [rank(index), index]).filter(([place]) => place >= 0);
  return found.sort((a, b) => a[0] - b[0]).map(([, index]) => index); // a stable sort keeps the probabilities' order
}

/** @param {number} share from 0 to 1 */
export function percent(share) {
  if (!Number.isFinite(share)) return "n/a";
  if (share > 0.9995 && share < 1) return "> 99.9 %";
  if (share > 0 && share < 0.0001) return "< 0.01 %";
  return `${(share * 100).toFixed(share >= 0.1 || share === 0 ? 1 : 2)} %`;
}

/**
 * The question in parts; every second one is the name of a class.
 * @param {string[]} names
 * @param {number} target
 * @param {Contrast} contrast
 * @param {boolean} [exclusive] whether one class excludes the others
 */
export function classQuestion(names, target, { kind, value }, exclusive = true) {
  const p = names[target] ?? "P";
  if (kind === "confidence" || (exclusive && kind === "class" && value === target)) return ["Why not ", p, " with 100 % confidence?"];
  if (kind === "class" && names[value] !== undefined) return ["Why ", p, ", rather than ", names[value], "?"];
  return ["Why ", p, "?"];
}

/**
 * Which of P and Q a class is.
 * @param {number} index
 * @param {number} target
 * @param {Contrast} contrast
 */
export function badgesOf(index, target, { kind, value }) {
  const isP = index === target, isQ = (kind === "class" && index === value) || (kind === "confidence" && isP);
  return `${isP ? "P" : ""}${isQ ? "Q" : ""}`;
}

/**
 * The rows of the list: as many as are looked through, and Q in any case.
 * @param {number[]} found
 * @param {Contrast} contrast
 * @param {number} most
 */
export function rowsOf(found, { kind, value }, most) {
  const shown = found.slice(0, most);
  return kind === "class" && found.indexOf(value) >= most ? [...shown, value] : shown;
}

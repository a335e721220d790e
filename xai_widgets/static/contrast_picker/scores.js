// The axis of a score: its range, where Q lies on it, and what that asks. No document: `node --test` imports this.

import { clamp } from "../shared/values.js";

/** @typedef {[number, number]} Range from the lowest to the highest */

/** Decimals that tell a thousandth of the range apart. @param {Range} range */
export const decimalsOf = ([low, high]) => clamp(3 - Math.ceil(Math.log10(Math.max(high - low, 1e-12))), 0, 12);

/** @param {number} value @param {number} decimals */
export const fixedScore = (value, decimals) => (Number.isFinite(value) ? value.toFixed(decimals).replace("-", "−") : "n/a");

/**
 * The stated range, made wider where the score, the rating or Q lie outside.
 * @param {Range} range
 * @param {number[]} values
 * @returns {Range}
 */
export function axisOf([low, high], ...values) {
  const known = values.filter((value) => Number.isFinite(value));
  return [Math.min(low, ...known), Math.max(high, ...known)];
}

/** The score at a share of the axis, rounded to a thousandth of its length. @param {Range} range @param {number} share */
export function scoreAt([low, high], share) {
  const step = (high - low) / 1000;
  return step > 0 ? low + Math.round(clamp(share, 0, 1) * 1000) * step : low;
}

/**
 * Where Q is, which says what the map shows: the words of each come from the kernel.
 * @param {number} q
 * @param {number} score
 * @param {string} [form]
 */
export function whereIs(q, score, form = "plain") {
  if (!Number.isFinite(score)) return "";
  if (!Number.isFinite(q)) return "none";
  if (form === "tiles") return "tiles";
  return q > score ? "above" : q < score ? "below" : "same";
}

/**
 * What the form of the contrast does with Q, in one line.
 * @param {string} form
 * @param {number} score
 * @param {number} q
 * @param {number} decimals
 */
export function formNote(form, score, q, decimals) {
  if (form === "tiles") return "Tiles: each part of the photo has its own score, so the picture changes with Q.";
  const factor = 2 * Math.abs(score - q);
  const printed = Number.isFinite(factor) ? `Factor 2|y − Q| = ${fixedScore(factor, decimals)}. ` : "";
  return `${printed}Every Q on the same side of y gives the same picture, up to this factor.`;
}

/**
 * The question in parts; every second one is a score.
 * @param {number} score
 * @param {number} q
 * @param {number} decimals
 * @param {string} [name] of the score, where there are several
 */
export function scoreQuestion(score, q, decimals, name = "") {
  const other = Number.isFinite(q) ? [", rather than ", fixedScore(q, decimals), "?"] : ["?"];
  if (!Number.isFinite(score)) return ["Why ", name || "this score", ...other];
  if (name) return [`Why ${name} `, fixedScore(score, decimals), ...other];
  return [Number.isFinite(q) ? "Why " : "Why the score ", fixedScore(score, decimals), ...other];
}

/** How far along the axis a value stands, for CSS. @param {Range} range @param {number} value */
export const placeOn = ([low, high], value) => `${clamp((value - low) / (high - low || 1), 0, 1) * 100}%`;

/** The marks of the axis that are known, in one line. @param {number} score @param {number} rating @param {number} q @param {number} decimals @param {number} [sd] of the rating @param {number} [raters] */
export function legendOf(score, rating, q, decimals, sd = NaN, raters = NaN) {
  const spread = (Number.isFinite(sd) ? ` ± ${fixedScore(sd, decimals)}` : "") + (raters ? ` (n = ${raters})` : "");
  /** @type {[string, number][]} */
  const marks = [["● score y", score], ["◆ rating", rating], ["▮ Q", q]];
  const known = marks.filter(([, value]) => Number.isFinite(value));
  return known.map(([words, value]) => `${words} ${fixedScore(value, decimals)}${words === "◆ rating" ? spread : ""}`).join("   ") || "● score y …";
}

/** How a key moves Q, in shares of the axis; undefined for keys that do not. @param {string} key */
export const stepOf = (key) => ({ ArrowRight: 0.01, ArrowUp: 0.01, ArrowLeft: -0.01, ArrowDown: -0.01, PageUp: 0.1, PageDown: -0.1,
  Home: -Infinity, End: Infinity })[key];

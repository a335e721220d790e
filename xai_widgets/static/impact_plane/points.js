// What a removal does to score and error, as points and words. No document: `node --test` imports this.

import { frameOf, nearer, rangeOf, scale } from "../shared/axes.js";
import { bytes, clamp, floats, signed } from "../shared/values.js";

// Maps, all of whose intervals are drawn.
export const CROSSED = 64;
// The least radius of a mark, in CSS pixels, and how many names are written beside points.
const SMALLEST = 1.6;
export const MOST_NAMED = 40;
const MARGIN = { left: 62, right: 12, top: 8, bottom: 38 };

/** @typedef {import("../shared/axes.js").Frame} Frame */
/** @typedef {import("../shared/axes.js").Scale} Scale */
/** @typedef {ReturnType<typeof placeOf>} Layout */
/**
 * @typedef {object} Impacts One value a map in each array; arrays of what is not known are empty.
 * @property {Float32Array} deltaY
 * @property {Float32Array} deltaError
 * @property {Int8Array} roles
 * @property {string[]} roleWords
 * @property {Uint8Array} exact
 * @property {string} [error] the name of the error
 * @property {string[]} [ways] of P - Q: what a map is for without which it falls, and without which it rises; else empty
 * @property {string} [change] the name of delta y
 * @property {string} [across] the name of an axis
 * @property {string} [up]
 * @property {boolean} [ofSet] whether the values are medians over a set
 * @property {number[]} [counts] how many maps have each role; of a set only
 * @property {Ends} [ends] of the intervals of medians
 * @property {Map<number, string>} [names] given by the reader
 * @property {Set<number>} [muted]
 * @property {Float32Array} [activation] how active each map is; empty where not known
 */
/** @typedef {{ left: Float32Array, right: Float32Array, low: Float32Array, high: Float32Array }} Ends of delta y, and of delta error; empty where not known */

const PLAIN_WAYS = ["raises the score", "lowers the score"];
/** What a map does whose removal lets the score, or P - Q, fall or rise. @param {string[]} [ways] */
export const waysOf = (ways) => (ways?.length ? ways : PLAIN_WAYS);
/** What a removal says about a map: a score that falls without it was raised by it. @param {number} deltaY @param {string[]} [ways] */
export const effect = (deltaY, ways) => (deltaY < 0 ? waysOf(ways)[0] : deltaY > 0 ? waysOf(ways)[1] : "changes nothing");
/** @param {number} deltaY @returns {"up" | "down" | "dot"} */
export const shapeOf = (deltaY) => (deltaY < 0 ? "up" : deltaY > 0 ? "down" : "dot");

/** Indices by |delta y|, largest first; equal ones by index. @param {Float32Array} deltaY */
export function ranked(deltaY) {
  const size = (/** @type {number} */ index) => Math.abs(deltaY[index]) || 0; // a median that is not known is as good as none
  return Array.from(deltaY.keys()).sort((a, b) => size(b) - size(a) || a - b);
}

/**
 * The points in data units: against the error where it is known, else by rank from what raises to what lowers.
 * @param {Pick<Impacts, "deltaY" | "deltaError">} impacts
 */
export function pointsOf({ deltaY, deltaError }) {
  if (deltaError.length === deltaY.length) return { xs: deltaY, ys: deltaError, byRank: false };
  const xs = new Float32Array(deltaY.length);
  Array.from(deltaY.keys()).sort((a, b) => deltaY[a] - deltaY[b] || a - b).forEach((index, rank) => { xs[index] = rank + 1; });
  return { xs, ys: deltaY, byRank: true };
}

/** What is said about one map, in words and both numbers. @param {number} index @param {Impacts} impacts */
export function sentence(index, impacts) {
  const { deltaY, deltaError, roles, roleWords, exact, error: name = "error", ofSet = false, ends, ways, change = "Δ score" } = impacts;
  const median = ofSet ? "median " : "", across = intervalWords(ends?.left[index], ends?.right[index]);
  const up = intervalWords(ends?.low[index], ends?.high[index]);
  const error = deltaError.length === deltaY.length ? ` · ${median}Δ ${name} ${signed(deltaError[index])}${up}` : "";
  const role = roles.length ? roleWords[roles[index]] : effect(deltaY[index], ways);
  return `${called(index, impacts)}: ${median}${change} ${signed(deltaY[index])}${across}${error} · ${role}${exact[index] ? "" : " (first estimate)"}${impacts.muted?.has(index) ? " · muted" : ""}`;
}

/** A map by its number, and the name that the reader gave it. @param {number} index @param {Impacts} impacts */
const called = (index, { names }) => (names?.has(index) ? `map ${index} “${names.get(index)}”` : `map ${index}`);

/**
 * How large the mark of each map is, in CSS pixels: all alike, or by activation, its area as the activation above zero.
 * @param {Impacts} impacts
 * @param {boolean} byActivation
 * @returns {(index: number) => number}
 */
export function sizesOf({ deltaY: { length: count }, activation }, byActivation) {
  const alike = count > 1500 ? 3.2 : count > 400 ? 4 : 5;
  if (!byActivation || activation?.length !== count) return () => alike;
  let most = 0;
  for (const value of activation) if (value > most) most = value;
  return (index) => SMALLEST + (1.9 * alike - SMALLEST) * Math.sqrt(Math.max(activation[index], 0) / (most || 1));
}

/** What a button or a key means for the selected maps, or else for the one that the keyboard stands on. @param {string} kind @param {number[]} chosen @param {number | undefined} current @param {Set<number> | undefined} muted */
export function messageFor(kind, chosen, current, muted) {
  const indices = chosen.length ? chosen : current === undefined ? [] : [current];
  const back = kind === "mute" && indices.length && indices.every((index) => muted?.has(index));
  return { kind: back ? "restore" : kind, indices };
}

/** An interval after its number; "" where there is none. @param {number | undefined} low @param {number | undefined} high */
const intervalWords = (low = NaN, high = NaN) =>
  (Number.isFinite(low) && Number.isFinite(high) ? ` [${signed(low)}, ${signed(high)}]` : "");

/** The maps whose intervals are drawn: all of few, else those that are pointed at. @param {Impacts} impacts @param {number[]} chosen @param {number} hovered */
export function crossed({ deltaY, ofSet }, chosen, hovered) {
  if (!ofSet) return [];
  if (deltaY.length <= CROSSED) return [...deltaY.keys()];
  return [...new Set([...chosen, hovered])].filter((index) => index >= 0 && index < deltaY.length);
}

/**
 * The selection after a click or brush on `found`; with `add`, one map is turned on or off, several are added.
 * @param {number[]} selected
 * @param {number[]} found
 * @param {boolean} add
 */
export function selection(selected, found, add) {
  if (!add) return found;
  if (found.length === 1 && selected.includes(found[0])) return selected.filter((index) => index !== found[0]);
  return [...new Set([...selected, ...found])];
}

/** @returns {Impacts} */
export const noImpacts = () => ({ deltaY: new Float32Array(0), deltaError: new Float32Array(0), roles: new Int8Array(0),
  exact: new Uint8Array(0), roleWords: [], across: "", up: "" });

/** @param {import("../shared/mount.js").Model} model @returns {Impacts} */
export function readImpacts(model) {
  const more = model.get("more"), { ways = [], change } = model.get("against"), raw = (/** @type {string} */ name) => bytes(model.get(name)).slice();
  const impacts = { deltaY: floats(model.get("delta_y")), deltaError: floats(model.get("delta_error")),
    roles: new Int8Array(raw("roles").buffer), exact: raw("exact"), error: model.get("error") || "error",
    roleWords: model.get("role_words"), across: model.get("across"), up: model.get("up"), ways, change, ofSet: model.get("shown") !== "image",
    names: new Map(/** @type {[number, string][]} */ (more.names ?? [])), muted: new Set(/** @type {number[]} */ (more.muted ?? [])),
    activation: more.activation ? floats(more.activation) : new Float32Array(0), counts: model.get("counts"), ends: { left: floats(model.get("delta_y_low")), right: floats(model.get("delta_y_high")),
      low: floats(model.get("delta_error_low")), high: floats(model.get("delta_error_high")) } };
  return impacts.exact.length === impacts.deltaY.length ? impacts : noImpacts();
}

/** What both axes hold: the points, and of few maps the whole of their intervals. @param {Impacts} impacts @param {boolean} byRank */
function reaches({ deltaY, deltaError, ofSet, ends }, byRank) {
  const all = ofSet && ends && deltaY.length <= CROSSED, across = all ? [...deltaY, ...ends.left, ...ends.right] : deltaY;
  return { wide: across, tall: byRank ? across : all ? [...deltaError, ...ends.low, ...ends.high] : deltaError };
}

/**
 * Where each point stands, in CSS pixels.
 * @param {Impacts} impacts
 * @param {number} width
 * @param {number} height
 * @param {number} zoom
 */
export function placeOf(impacts, width, height, zoom) {
  const frame = frameOf(width, height, MARGIN), { xs, ys, byRank } = pointsOf(impacts);
  const { wide, tall } = reaches(impacts, byRank);
  const x = scale(byRank ? [0, xs.length + 1] : nearer(rangeOf(wide, 0.08, 0.25), zoom), [frame.left, frame.right]);
  const y = scale(nearer(rangeOf(tall, 0.16, byRank ? 0.15 : 0.25), zoom), [frame.bottom, frame.top]);
  return { frame, x, y, byRank, px: Float32Array.from(xs, x.place), py: Float32Array.from(ys, y.place) };
}

/** How many maps are exact and selected, in words. @param {Impacts} impacts @param {number} selected */
export function countWords({ deltaY, exact }, selected) {
  const total = deltaY.length, known = exact.reduce((sum, one) => sum + one, 0);
  if (!total) return "no maps yet";
  return `${known < total ? `${known} of ${total} maps exact` : `${total} maps`} · ${selected} selected`;
}

/**
 * Where a key leads among `count` maps; undefined for keys that do not move.
 * @param {string} key
 * @param {number} current
 * @param {number} count
 */
export function stepTo(key, current, count) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[key];
  return step === undefined ? undefined : clamp(current + step, 0, count - 1);
}

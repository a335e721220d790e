// Which feature maps are shown, in which order, and what is said of each. No document: `node --test` imports this.
// Removing a map changes the score by delta y, so a map with delta y < 0 raises the score, one with > 0 lowers it.

import { finder } from "./find.js";

/**
 * What is known of each map, one value a map.
 * @typedef {object} Bank
 * @property {Float32Array} gains
 * @property {ArrayLike<number>} dead 1 for a map that is zero everywhere
 * @property {Set<number>} selected
 * @property {Float32Array | null} delta change of the score, or of P - Q, without the map; null before it is known
 * @property {Float32Array | null} error growth of the error without the map; null where the error is not known
 * @property {ArrayLike<number> | null} roles 0 neutral, 1 and 2 helpful, 3 and 4 harmful
 * @property {Uint8Array} exact 1 where delta y is no estimate
 * @property {string[]} roleWords
 * @property {string} errorName
 * @property {string} subject what is scored
 * @property {number} value that with all maps
 * @property {number} most the largest |delta y|
 * @property {Record<string, Float32Array>} [ofSet] medians and shares over the set of images, by name
 * @property {number} worst the largest change of the error
 * @property {Float32Array | null} [activation] the largest value of each map
 * @property {Float32Array | null} [likeness] to the map `like`
 * @property {number} [like]
 * @property {Float32Array | null} [region] change of the score without the map inside the region
 * @property {string} [regionChange] its name
 * @property {string[]} [ways] of P - Q: what a map is for without which it falls, and without which it rises; else empty
 * @property {string} [change] the name of delta
 * @property {Float32Array | null} [beside] the effect that is not shown: on P, or on P - Q
 * @property {Uint8Array} [besideExact] 1 where that is no estimate
 * @property {string} [besideName]
 * @property {Map<number, string>} [names] given by the reader
 * @property {[string, number[]][]} [groups] with names
 */

/** @type {Record<string, string>} */
export const ORDERS = {
  effect: "strongest first",
  raises: "raises most",
  lowers: "lowers most",
  helps: "helps most",
  harms: "harms most",
  role: "by role",
  activation: "most active",
  likeness: "most like the selected map",
  region: "effect in the region",
  index: "by number",
  set_delta_y: "median |Δy| of the set",
  set_delta_error: "median Δ error of the set",
  set_active: "active on most images",
};
/** Mark and words of each choice of maps; "%" stands for what is scored, see `wordsOf`. @type {Record<string, [string, string]>} */
export const FILTERS = {
  all: ["", "all"],
  raises: ["▲", "raises %"],
  lowers: ["▼", "lowers %"],
  helpful: ["●", "helps"],
  harmful: ["◆", "harms"],
  helpful_raises: ["●▲", "helps, raises"],
  helpful_lowers: ["●▼", "helps, lowers"],
  harmful_raises: ["◆▲", "harms, raises"],
  harmful_lowers: ["◆▼", "harms, lowers"],
  changed: ["", "changed"],
  muted: ["", "muted"],
  selected: ["", "selected"],
};
export const NEEDS_RATING = new Set(["helps", "harms", "role", "helpful", "harmful"]);
/** The number of each role, by the name of its filter. @type {Record<string, number>} */
export const ROLES = { helpful_raises: 1, helpful_lowers: 2, harmful_raises: 3, harmful_lowers: 4 };
/** @param {number | undefined} role */
export const helps = (role) => role === 1 || role === 2;
/** @param {number | undefined} role */
export const harms = (role) => role === 3 || role === 4;

/** Keeps a map: what the name of a filter means. @param {Bank} bank @param {string} filter @returns {(i: number) => boolean} */
function keeper(bank, filter) {
  const { delta, roles, gains, selected, dead } = bank;
  /** @type {Record<string, (i: number) => boolean>} */
  const keepers = {
    raises: (i) => !dead[i] && delta?.[i] < 0,
    lowers: (i) => !dead[i] && delta?.[i] > 0,
    helpful: (i) => helps(roles?.[i]),
    harmful: (i) => harms(roles?.[i]),
    changed: (i) => gains[i] !== 1,
    muted: (i) => gains[i] === 0,
    selected: (i) => selected.has(i),
    ...Object.fromEntries(Object.entries(ROLES).map(([name, role]) => [name, (/** @type {number} */ i) => roles?.[i] === role])),
  };
  return keepers[filter] ?? (() => true);
}

/** How many maps each filter keeps. @param {Bank} bank */
export function countsOf(bank) {
  const maps = Array.from(bank.gains.keys());
  return Object.fromEntries(Object.keys(FILTERS).map((name) => [name, maps.filter(keeper(bank, name)).length]));
}

/** By what is known over the set; by the effect on this image while that is not known. @param {Bank} bank @param {(i: number) => number} size */
function ofSetRankers({ ofSet = {} }, size) {
  const { set_delta_y: delta, set_delta_error: error, set_active: active } = ofSet;
  return {
    set_delta_y: delta ? (/** @type {number} */ i) => Math.abs(delta[i]) : size,
    set_delta_error: error ? (/** @type {number} */ i) => error[i] : size,
    set_active: active ? (/** @type {number} */ i) => active[i] : size,
  };
}

/** Of a map over the set, in words; empty where nothing is known. @param {Bank} bank @param {number} i */
function overSet({ ofSet = {} }, i) {
  const { set_delta_y: delta, set_delta_error: error, set_active: active } = ofSet;
  const some = [active && `active on ${Math.round(100 * active[i])} % of the images`, delta && `median Δy ${plainSigned(delta[i])}`,
    error && `median Δ error ${plainSigned(error[i])}`].filter(Boolean);
  return some.length ? ` Over the set: ${some.join(", ")}.` : "";
}

/** What a map is sorted by, descending; NaN sorts last. @param {Bank} bank @param {string} order @returns {(i: number) => number} */
function ranker(bank, order) {
  const { delta, error, roles } = bank, size = (/** @type {number} */ i) => Math.abs(delta?.[i] ?? 0), most = 1 + bank.most;
  /** @type {Record<string, (i: number) => number>} */
  const rankers = {
    effect: size,
    raises: (i) => -(delta?.[i] ?? 0),
    lowers: (i) => delta?.[i] ?? 0,
    helps: (i) => error?.[i] ?? 0,
    harms: (i) => -(error?.[i] ?? 0),
    // Neutral maps last.
    role: (i) => size(i) - most * ((roles?.[i] ?? 0) || 5),
    activation: (i) => bank.activation?.[i] ?? size(i),
    likeness: (i) => bank.likeness?.[i] ?? (bank.likeness ? NaN : size(i)),
    region: (i) => Math.abs(bank.region?.[i] ?? (bank.region ? NaN : size(i))),
    ...ofSetRankers(bank, size),
  };
  return rankers[order] ?? (() => 0);
}

/** Numbers of the maps that are shown, in order; ties by number, dead maps last unless sorted by number. @param {Bank} bank @param {string} order @param {string} filter @param {string} [find] */
export function arrange(bank, order, filter, find = "") {
  const rank = ranker(bank, order), kept = keeper(bank, filter), found = finder(find, bank);
  const keep = (/** @type {number} */ i) => kept(i) && found(i), count = bank.gains.length;
  const key = Float64Array.from({ length: count }, (_, i) => {
    const value = bank.dead[i] && order !== "index" && !bank.ofSet?.[order] ? -Infinity : rank(i);
    return value === value ? value : -Infinity;
  });
  return Array.from({ length: count }, (_, i) => i).filter(keep).sort((a, b) => Number(key[b] > key[a]) - Number(key[b] < key[a]) || a - b);
}

/** The largest |delta y|: the length of a full bar. @param {Iterable<number> | null} delta */
export function largest(delta) {
  let most = 0;
  // NaN is not larger.
  for (const value of delta ?? []) if (Math.abs(value) > most) most = Math.abs(value);
  return most;
}

/** So many decimals that the largest effect shows `figures` of them; all cells share it, so that they compare. @param {number} most @param {number} figures */
export const decimalsFor = (most, figures) => (most > 0 ? Math.min(Math.max(figures - 1 - Math.floor(Math.log10(most)), 0), 9) : 0);

/** A signed number with a true minus and without the zero before the point. @param {number | undefined} value @param {number} decimals */
export function short(value, decimals) {
  if (value === undefined || value !== value) return "…";
  if (value === 0) return "0";
  return (value < 0 ? "−" : "+") + Math.abs(value).toFixed(decimals).replace(/^0\./, ".");
}

/** @param {number} value */
const plain = (value) => (Math.abs(value) >= 0.001 || value === 0 ? value.toPrecision(3) : value.toExponential(1)).replace("-", "−");

/** @param {number} value */
const plainSigned = (value) => `${value < 0 ? "−" : "+"}${plain(Math.abs(value))}`;

/** A map by its number, and the name that the reader gave it. @param {Bank} bank @param {number} i */
export const called = ({ names }, i) => (names?.has(i) ? `map ${i} “${names.get(i)}”` : `map ${i}`);

/** What maps do without which the score falls, and without which it rises; of P - Q, which of both they are for. @param {Bank} bank @param {string} [subject] */
export const waysOf = ({ ways, subject: own = "the score" }, subject = own) => (ways?.length ? ways : [`raises ${subject}`, `lowers ${subject}`]);

/** The words of a choice of maps, or of an order that asks one way. @param {Bank} bank @param {string} words such as "raises %" or "helps, raises" */
export function wordsOf({ ways, subject }, words) {
  const way = words.match(/raises|lowers/)?.[0];
  if (!way || !ways?.length) return words.replace("%", () => subject);
  const side = ways[way === "raises" ? 0 : 1];
  return words.endsWith(" most") ? `most ${side}` : words.replace(/(raises|lowers)( %)?/, () => side);
}

/** What more is known of a map on this image. @param {Bank} bank @param {number} i */
function besides({ likeness, like, region, regionChange = "Δy", beside, besideExact, besideName }, i) {
  const alike = likeness?.[i], inside = region?.[i], other = beside?.[i];
  return (alike !== undefined && alike === alike ? ` Likeness to map ${like}: ${alike < 0 ? "−" : ""}${Math.abs(alike).toFixed(2)}.` : "")
    + (inside !== undefined && inside === inside ? ` Removed in the region only: ${regionChange} ${plainSigned(inside)}.` : "")
    + (other !== undefined ? ` ${besideName} ${besideExact?.[i] ? "" : "≈ "}${plainSigned(other)}.` : "");
}

/** What is known of a map, in two lines of words: [short, long]. @param {Bank} bank @param {number} i @param {string} [subject] @returns {[string, string]} */
export function describe(bank, i, subject = bank.subject ?? "the score") {
  const { delta, exact, error, roles, gains, dead, value } = bank, gain = gains[i];
  const state = gain === 0 ? "muted" : `gain ${gain.toFixed(2)}`;
  if (dead[i]) return [`${called(bank, i)} · ${state} · dead`, "Zero everywhere on this image: its gain changes nothing." + overSet(bank, i)];
  const change = delta?.[i];
  if (change === undefined || change !== change) return [`${called(bank, i)} · ${state}`, "Its effect is being computed."];
  const [below, above] = waysOf(bank, subject), way = change < 0 ? below : change > 0 ? above : `leaves ${subject} as it is`;
  const about = exact[i] ? "" : "about ";
  const size = `${change < 0 ? "−" : "+"}${plain(Math.abs(change))}`;
  let long = `Without it: ${plain(value)} → ${about}${plain(value + change)} (${bank.change ?? "Δy"} ${exact[i] ? "" : "≈ "}${size}).`;
  if (roles) {
    const grows = error[i] > 0 ? "grow" : "shrink";
    const name = bank.errorName ?? "error";
    long += roles[i] ? ` The ${name} would ${grows} by ${plain(Math.abs(error[i]))}.` : ` The ${name} would stay the same.`;
  }
  long += besides(bank, i) + overSet(bank, i);
  const role = roles ? ` · ${roles[i] ? bank.roleWords[roles[i]].split(",")[0] : "neutral"}` : "";
  return [`${called(bank, i)} · ${state} · ${way}${role}`, long];
}

/**
 * The bank as it is painted: where it is sorted by the effect in the region, that is what the figures say.
 * @param {Bank} bank @param {string} order @returns {Bank}
 */
export function shownBy(bank, order) {
  const { region } = bank;
  if (order !== "region" || !region) return bank;
  return { ...bank, delta: region, most: largest(region) || 1, exact: new Uint8Array(region.length).fill(1) };
}

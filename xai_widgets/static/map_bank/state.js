// What the map bank knows and shows, and how gestures and news change it: each function returns what changes. No
// document: `node --test` imports this.

import { hasHeard, withMoves } from "../shared/moves.js";
import { bytes, clamp, floats } from "../shared/values.js";
import { gainAt, layoutOf, MOST, placesIn, SIZES } from "./layout.js";
import { arrange, largest } from "./order.js";

/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {import("./order.js").Bank} Bank */
/** @typedef {import("../shared/moves.js").Move} Move */
/** @typedef {{ values?: DataView, heard?: Record<string, number> }} Gains */
/** @typedef {{ indices: number[], value: number, origin: string, step: number }} Drag */
/**
 * @typedef {object} State
 * @property {string} origin the name of this view
 * @property {number} step the number of its last move
 * @property {number} selectStep the number of its last selection
 * @property {Bank} bank
 * @property {Map<number, Move>} moves gains that the kernel has perhaps not heard of, by map
 * @property {string} order
 * @property {string} filter
 * @property {string} find what is searched
 * @property {keyof typeof SIZES} size
 * @property {number[]} ids the maps that are shown, in order
 * @property {Int32Array} places where each map stands; -1 where it is not shown
 * @property {Layout} layout
 * @property {string} about which maps the order was made for
 * @property {number} current the map on which the keyboard stands
 * @property {number} anchor where a range of selected maps begins
 * @property {number} under the map under the pointer, or -1
 * @property {number[]} held the maps whose bars are held, the one under the finger first
 * @property {number} gesture a mark that the steps of one drag share
 * @property {number} carded the map whose card is open, or -1
 * @property {Band | null} band that is drawn over the maps, and what was selected before
 * @property {Grip | null} grip where a fine drag began
 * @property {boolean} hovering
 * @property {boolean} typing
 * @property {boolean} stale whether another order is on offer
 */
/** @typedef {Partial<State>} Changes */
/** @typedef {{ from: [number, number], to: [number, number], before: Set<number>, drawn: boolean }} Band */
/** @typedef {{ x: number, gain: number }} Grip */

// How far a fine drag moves a bar, of the way of the pointer; and pixels from which a press on maps draws a box.
export const FINE = 0.1;
const LEAST_BAND = 8;

/** @type {Omit<Bank, "selected">} */
const NO_MAPS = { gains: new Float32Array(0), dead: new Uint8Array(0), delta: null, error: null, roles: null, roleWords: [],
  exact: new Uint8Array(0), value: NaN, most: 0, worst: 0, errorName: "error", subject: "the score", ofSet: {},
  activation: null, likeness: null, like: -1, region: null, regionChange: "Δy", ways: [], change: "Δy", beside: null, besideExact: new Uint8Array(0), besideName: "", names: new Map(), groups: [] };

/** @param {string} origin @returns {State} */
export const newState = (origin) => ({
  origin, step: 0, selectStep: 0, bank: { ...NO_MAPS, selected: new Set() }, moves: new Map(), order: "effect", filter: "all", find: "",
  size: "medium", ids: [], places: new Int32Array(0), layout: layoutOf(1, 0), about: "", current: 0, anchor: 0, under: -1,
  held: [], gesture: 0, carded: -1, band: null, grip: null, hovering: false, typing: false, stale: false,
});

// ------------------------------------------------------------------ news of the kernel

/** @param {State} state @param {number} count @param {Uint8Array} dead @param {Float32Array | null} [activation] @returns {Changes} */
export function withMaps({ bank, current }, count, dead, activation = /** @type {Float32Array | null} */ (null)) {
  const last = Math.max(count - 1, 0);
  if (bank.gains.length === count) return { bank: { ...bank, dead, activation }, current: clamp(current, 0, last) };
  return { bank: { ...bank, dead, activation, gains: new Float32Array(count).fill(1) }, current: clamp(current, 0, last), under: -1,
    held: [], ids: [], places: new Int32Array(count).fill(-1), moves: new Map() };
}

/** @param {State} state @param {any} impacts @param {string} subject @param {string[]} roleWords @returns {Changes} */
export function withImpacts({ bank }, impacts, subject, roleWords) {
  const count = bank.gains.length, known = impacts.delta_y?.byteLength === 4 * count && count > 0;
  const delta = known ? floats(impacts.delta_y) : null;
  const error = known && impacts.delta_error?.byteLength ? floats(impacts.delta_error) : null;
  return { bank: { ...bank, delta, error, subject, roleWords, exact: known ? bytes(impacts.exact) : new Uint8Array(count),
    roles: known && impacts.roles?.byteLength ? bytes(impacts.roles) : null, value: impacts.value ?? NaN,
    most: largest(delta), worst: largest(error), errorName: impacts.error || "error", ways: impacts.ways ?? [], change: impacts.change || "Δy" } };
}

/** What the kernel says of gains; moves on their way to it, and bars that are held, stay. @param {State} state @param {Gains} gains @returns {Changes} */
export function withGains({ bank, moves, held }, { values, heard }) {
  if (values?.byteLength !== 4 * bank.gains.length) return {};
  const next = withMoves(floats(values), heard, moves);
  for (const index of held) next.values[index] = bank.gains[index];
  return { bank: { ...bank, gains: next.values }, moves: next.moves };
}

/** @param {State} state @param {{ values?: number[], heard?: Record<string, number> }} selected @returns {Changes} */
export function withSelected({ bank, origin, selectStep }, { values = [], heard }) {
  return hasHeard(heard, { origin, step: selectStep }) ? { bank: { ...bank, selected: new Set(values) } } : {};
}

/** What is known of each map over the set of images. @param {State} state @param {Record<string, any>} known @returns {Changes} */
export function withSet({ bank }, known) {
  const values = ["set_delta_y", "set_delta_error", "set_active"].filter((name) => known?.[name]?.byteLength);
  return { bank: { ...bank, ofSet: Object.fromEntries(values.map((name) => [name, floats(known[name])])) } };
}

/** What the reader calls maps. @param {State} state @param {{ names?: [number, string][], groups?: [string, number[]][] }} named @returns {Changes} */
export const withNamed = ({ bank }, { names = [], groups = [] }) => ({ bank: { ...bank, names: new Map(names), groups } });

/** How like maps are to one, what they do inside the region, and the effect beside the one that is shown, where that is asked. @param {State} state @param {any} alike @param {any} region @param {any} [against] @returns {Changes} */
export function withAsked({ bank }, alike, region, against) {
  const read = (/** @type {DataView | undefined} */ view) => (view?.byteLength === 4 * bank.gains.length && view.byteLength ? floats(view) : null);
  return { bank: { ...bank, likeness: read(alike?.likeness), like: alike?.like ?? -1, region: read(region?.region_delta_y),
    regionChange: region?.region_change || "Δy", beside: read(against?.beside), besideName: against?.beside_name ?? "",
    besideExact: against?.beside_exact ? bytes(against.beside_exact) : new Uint8Array(0) } };
}

// ------------------------------------------------------------------ order

/** @param {State} state @returns {Changes} */
export function arranged({ bank, order, filter, find, current, anchor }) {
  const ids = arrange(bank, order, filter, find), places = new Int32Array(bank.gains.length).fill(-1);
  ids.forEach((id, place) => { places[id] = place; });
  // The keyboard stands on a map that is shown.
  const stays = places[current] >= 0, first = ids[0] ?? 0;
  return { ids, places, stale: false, current: stays ? current : first, anchor: stays ? anchor : first };
}

/**
 * The order after news. While the reader is at work here maps stay where they are, and another order is offered.
 * @param {State} state
 * @param {string} maps which maps these are: others are sorted at once
 * @returns {Changes}
 */
export function refreshed(state, maps) {
  const { delta, subject } = state.bank, about = `${maps}|${delta ? subject : ""}`;
  if (state.held.length) return {};
  // Another P or Q is asked about: the maps wait in their places until its effects are there.
  if (!delta && state.about.startsWith(`${maps}|`) && state.about !== about) return {};
  const next = arranged(state), { ids = [] } = next;
  if (state.about !== about) return { ...next, about, current: ids[0] ?? 0, anchor: ids[0] ?? 0 };
  if (!state.hovering && !state.typing) return next;
  return { stale: ids.length !== state.ids.length || ids.some((id, place) => id !== state.ids[place]) };
}

/** @param {State} state @param {number} width @returns {Changes} */
export const laidOut = ({ ids, size }, width) => ({ layout: layoutOf(width, ids.length, SIZES[size]) });

// ------------------------------------------------------------------ gains

/** A step of a drag: the bar of a map, and with it those of all selected maps, if it is one of them. @param {State} state @param {number} index @param {number} value */
export function dragOf({ bank, origin, step, gesture }, index, value) {
  const indices = bank.selected.has(index) ? [index, ...[...bank.selected].filter((other) => other !== index)] : [index];
  return { kind: "gain", indices, value: clamp(value, 0, MOST), gesture, step: step + 1, origin };
}

/** A drag of this view, or of another one of the same widget. @param {State} state @param {Drag} drag @returns {Changes} */
export function withDrag({ bank, moves, held, origin, step: last }, { indices, value, origin: by, step }) {
  const gains = bank.gains.slice(), left = new Map(moves), mine = by === origin;
  for (const index of indices) {
    if (!(index < gains.length)) continue;
    left.set(index, { origin: by, step, value });
    if (mine || !held.includes(index)) gains[index] = value;
  }
  return { bank: { ...bank, gains }, moves: left, step: mine ? step : last, held: mine && held.length ? indices : held };
}

/**
 * The gain under the pointer while a bar is held. With a fine drag, ten times as far a way, from where it began.
 * @param {State} state
 * @param {number} index
 * @param {number} x
 * @param {boolean} fine
 * @returns {{ value: number, grip: Grip | null }}
 */
export function draggedTo({ layout, places, bank, grip }, index, x, fine) {
  if (!fine) return { value: gainAt(layout, places[index], x), grip: null };
  const from = grip ?? { x, gain: bank.gains[index] }, moved = ((x - from.x) / layout.map) * MOST * FINE;
  return { value: clamp(Math.round((from.gain + moved) * 1000) / 1000, 0, MOST), grip: from };
}

/** The bar is let go. What the kernel said meanwhile holds now. @param {State} state @param {Gains} gains @returns {Changes} */
export const released = (state, gains) => ({ held: [], grip: null, ...withGains({ ...state, held: [] }, gains) });

// ------------------------------------------------------------------ selection

/** @param {State} state @param {Iterable<number>} indices @returns {Changes} */
export const chosen = ({ bank, step }, indices) => ({ bank: { ...bank, selected: new Set(indices) }, step: step + 1, selectStep: step + 1 });

/**
 * What a click or the space bar selects: one, one more, or all from the last one on.
 * @param {State} state
 * @param {number} index
 * @param {{ shift: boolean, more: boolean }} how
 * @returns {Changes}
 */
export function picked(state, index, { shift, more }) {
  const { bank: { selected }, ids, places } = state;
  const [from, to] = [places[state.anchor], places[index]].sort((a, b) => a - b);
  const range = shift && from >= 0 ? ids.slice(from, to + 1) : [index];
  const next = new Set(more ? selected : range);
  if (!more && !shift && selected.size === 1 && selected.has(index)) next.clear();
  if (more) for (const one of range) if (shift || !next.delete(one)) next.add(one);
  return { ...chosen(state, next), current: index, anchor: shift ? state.anchor : index };
}

/**
 * A box is drawn over the maps: those that it touches are selected, beside those before where a key adds them.
 * @param {State} state
 * @param {[number, number]} to
 * @returns {Changes}
 */
export function banded({ bank, ids, layout, band }, to) {
  if (!band) return {};
  const drawn = band.drawn || Math.hypot(to[0] - band.from[0], to[1] - band.from[1]) >= LEAST_BAND;
  const found = drawn ? placesIn(layout, band.from, to).map((place) => ids[place]) : [...bank.selected];
  return { band: { ...band, to, drawn }, bank: { ...bank, selected: new Set([...(drawn ? band.before : []), ...found]) } };
}

/** The message of a button or its key. @param {State} state @param {string} kind */
export function messageOf({ bank, current }, kind) {
  if (kind !== "mute" && kind !== "solo") return { kind };
  const indices = bank.selected.size ? [...bank.selected] : [current];
  const back = kind === "mute" && indices.every((index) => bank.gains[index] === 0);
  return { kind: back ? "restore" : kind, indices };
}

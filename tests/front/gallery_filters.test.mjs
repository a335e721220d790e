import assert from "node:assert/strict";
import test from "node:test";

import { endWords, grouped, isWords, rangeOfColumn, typed, valueOfColumn, valueWords } from "../../xai_widgets/static/gallery/filters.js";
import { arrange, ranksOf, withoutValue } from "../../xai_widgets/static/gallery/order.js";
import { firstWay, mustStay, newState, sorted, withFilters, withImages, withOrder, wordsOf } from "../../xai_widgets/static/gallery/state.js";

const number = (name, group = "measures") => ({ name, words: name, group, low: 0.1, high: 0.9, values: [], counts: [], more: 0 });
const words = (name, values) => ({ ...number(name, "table"), low: null, high: null, values, counts: values.map((_, i) => 9 - i) });
const chip = (column, more = {}) => ({ column, words: column, known: true, low: null, high: null, values: [], ...more });
const NAMES = ["a", "b", "c", "d"];

/** Four images, sorted by the places 2, 0, none, 1. */
function opened() {
  const state = newState("me"), columns = [number("entropy"), words("camera", ["A", "B"])];
  Object.assign(state, withImages(state, { names: NAMES, labels: ["", "x", "", ""], notes: ["", "", "", ""], ranks: ranksOf(NAMES), regression: true,
    scores: [1, 2, 3, NaN], ratings: [NaN, NaN, NaN, NaN], classes: [], predicted: [], comparable: false }, [0, 3]));
  Object.assign(state, withFilters(state, columns, [], []));
  Object.assign(state, withOrder(state, "entropy", false), { ranked: { of: "entropy", words: "1 − entropy", values: [2, 0, NaN, 1], numbers: [0.9, 0.1, NaN, 0.2] } });
  return state;
}

test("columns stand under headings, those without a known group at the end", () => {
  const some = [number("entropy"), words("camera", ["A"]), number("x", "odd"), number("noise"), number("score", "scores")];
  assert.deepEqual(grouped(some, ["score"]).map(([heading, columns]) => [heading, columns.map(({ name }) => name)]),
    [["Table", ["camera"]], ["Measures", ["entropy", "noise"]], ["More", ["x"]]]);
  assert.deepEqual([isWords(some[1]), isWords(some[0]), isWords(undefined)], [true, false, false]);
});

test("numbers are read as people type them", () => {
  assert.deepEqual(["", " 0,2 ", "−1.5", "1e-3", "much", "1.2.3"].map(typed), [null, 0.2, -1.5, 0.001, undefined, undefined]);
  assert.deepEqual([endWords(0.123456), endWords(-2), endWords(null)], ["0.123", "−2", ""]);
});

test("a range asks for what lies in it, either way round; an empty one takes the filter away", () => {
  assert.deepEqual(rangeOfColumn("entropy", "0.5", "0.2", []), { kind: "filter", column: "entropy", low: 0.2, high: 0.5 });
  assert.deepEqual(rangeOfColumn("entropy", "", "0.2", []), { kind: "filter", column: "entropy", low: null, high: 0.2 });
  assert.equal(rangeOfColumn("entropy", "much", "0.2", []), null);
  assert.equal(rangeOfColumn("entropy", "", "", []), null);
  assert.deepEqual(rangeOfColumn("entropy", "", "", [chip("entropy")]), { kind: "unfilter", column: "entropy" });
});

test("a value is added to a filter, and taken out of it", () => {
  const camera = words("camera", ["A", "B", ""]), chips = [chip("camera", { values: ["B"] })];
  assert.deepEqual(valueOfColumn("camera", "A", chips), { kind: "filter", column: "camera", values: ["B", "A"] });
  assert.deepEqual(valueOfColumn("camera", "B", chips), { kind: "unfilter", column: "camera" });
  assert.deepEqual(valueWords(camera, chips), [["A", "A (9)"], ["B", "✓ B (8)"], ["", "none (7)"]]);
});

test("images are sorted by the places in a column, and those without a value come last either way", () => {
  const state = opened(), { images, ranked } = state;
  assert.deepEqual(arrange(images, { order: "entropy", ranked }), [1, 3, 0, 2]);
  assert.deepEqual(arrange(images, { order: "entropy", ranked, descending: true }), [0, 3, 1, 2]);
  assert.deepEqual(arrange(images, { order: "noise", ranked }), [0, 1, 2, 3], "the places of another column are not taken");
  assert.deepEqual(arrange(images, { order: "entropy", ranked, kept: [1, 0, 1, 1], only: new Set([0, 1, 3]) }), [3, 0]);
  assert.deepEqual(["given", "entropy", "score", "label"].map((order) => withoutValue(images, [0, 1, 2, 3], order, ranked)), [0, 1, 1, 3]);
  assert.deepEqual([firstWay(state, "entropy"), firstWay(state, "camera"), firstWay(state, "score"), firstWay(state, "name")], [true, false, true, false]);
});

test("it is said how many are shown, how many come last, and the number by which an image is sorted", () => {
  const state = opened(), none = () => undefined;
  Object.assign(state, sorted(state), { under: 3 });
  assert.equal(wordsOf(state, none).count, "4, 1 without a value last");
  assert.equal(wordsOf(state, none).facts, "1 − entropy 0.200");
  Object.assign(state, withFilters(state, state.columns, [chip("camera")], [1, 0, 0, 1]));
  Object.assign(state, sorted(state));
  assert.equal(wordsOf(state, none).count, "2 of 4 shown");
  Object.assign(state, withFilters(state, state.columns, [chip("camera")], [0, 0, 0, 0]));
  Object.assign(state, sorted(state));
  assert.equal(wordsOf(state, none).empty, "No image passes the filters.");
});

test("an order by a column that is no longer there is that of the set, and comes back with it", () => {
  const state = opened(), columns = state.columns;
  assert.equal(withOrder(state, "entropy", true).order, "entropy");
  Object.assign(state, { filtering: "entropy" });
  Object.assign(state, withFilters(state, [columns[1]], [], []));
  assert.deepEqual([withOrder(state, "entropy", true).order, state.filtering], ["given", ""]);
  Object.assign(state, withFilters(state, columns, [], []));
  assert.equal(withOrder(state, "entropy", true).order, "entropy");
  assert.ok(mustStay({ ...state, hovering: true, order: "entropy", ids: [1] }));
});

import assert from "node:assert/strict";
import test from "node:test";

import { AT_FIRST, columnsOf, heightIn, sharesFrom, tabAfter, withShare } from "../../xai_widgets/static/workspace/sizes.js";

const ALL = { left: true, middle: true, dock: true };

test("the whole fits into its window, within reason", () => {
  assert.deepEqual([647.9, 100, 5000].map(heightIn), [647, 460, 1600]);
});

test("columns take their shares, and leave room for each other", () => {
  assert.deepEqual(columnsOf(1218, AT_FIRST, ALL), ["240px", "minmax(0, 1fr)", "492px"]);
  const [left, , dock] = columnsOf(918, { left: 0.4, dock: 0.65, contrast: null }, ALL);
  assert.deepEqual([left, dock], ["270px", "330px"]); // 300 for the stage, 330 for the dock
  assert.deepEqual(columnsOf(918, AT_FIRST, { ...ALL, dock: false }), ["190px", "minmax(0, 1fr)"]);
  assert.deepEqual(columnsOf(918, AT_FIRST, { ...ALL, left: false, middle: false }), ["minmax(0, 1fr)"]);
  assert.deepEqual(columnsOf(918, AT_FIRST, { ...ALL, middle: false }), ["190px", "minmax(0, 1fr)"]);
});

test("a border stays where it makes sense, and goes back", () => {
  assert.deepEqual(withShare(AT_FIRST, "left", 0.3), { ...AT_FIRST, left: 0.3 });
  assert.deepEqual(withShare(AT_FIRST, "dock", 7), { ...AT_FIRST, dock: 0.65 });
  assert.equal(withShare(AT_FIRST, "dock", NaN), AT_FIRST);
  assert.deepEqual(withShare({ ...AT_FIRST, contrast: 0.3 }, "contrast", null), AT_FIRST);
});

test("what was kept is checked", () => {
  assert.deepEqual(sharesFrom(JSON.stringify({ left: 0.25, dock: 0.5, contrast: 0.4 })), { left: 0.25, dock: 0.5, contrast: 0.4 });
  for (const text of [null, "", "{", "[]", "7", '{"left": "wide", "dock": null, "more": 1}']) assert.deepEqual(sharesFrom(text), AT_FIRST);
  assert.equal(sharesFrom('{"left": -3}').left, 0.1);
});

test("keys lead round the tabs", () => {
  assert.deepEqual([["ArrowRight", 2], ["ArrowLeft", 0], ["Home", 2], ["End", 0]].map(([key, at]) => tabAfter(key, at, 3)), [0, 2, 0, 2]);
  assert.equal(tabAfter("a", 0, 3), undefined);
  assert.equal(tabAfter("ArrowRight", 0, 0), undefined);
});

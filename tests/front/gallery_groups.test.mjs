import assert from "node:assert/strict";
import test from "node:test";

import { layoutOf, moved, scrollFor } from "../../xai_widgets/static/gallery/layout.js";
import { arrange, furtherOf, ranksOf } from "../../xai_widgets/static/gallery/order.js";
import { cornerOf, HEAD, placesIn, runsOf, sectionsIn, withSections } from "../../xai_widgets/static/gallery/sections.js";
import { laidOut, newState, placeAt, sorted, topOf, withImages } from "../../xai_widgets/static/gallery/state.js";

const images = () => ({ names: ["f", "e", "d", "c", "b", "a"], labels: ["x", "X", "y", "", "y", "x"], notes: ["", "", "", "", "", ""], ranks: ranksOf(["f", "e", "d", "c", "b", "a"]),
  regression: true, comparable: false, classes: [], predicted: [], scores: [3, 1, 2, NaN, 2, 1], ratings: [NaN, NaN, NaN, NaN, NaN, NaN] });

test("images that are equal in one order are put in the next, then by name; without a value last", () => {
  const then = furtherOf([["score", true]], [{}]), iso = { of: "iso", values: [1, 1, 0, 0, 1, NaN] };
  assert.deepEqual(arrange(images(), { order: "label", then }), [0, 5, 1, 4, 2, 3]);
  assert.deepEqual(arrange(images(), { order: "label", descending: true, then }), [4, 2, 0, 5, 1, 3]);
  assert.deepEqual(arrange(images(), { order: "label", then: furtherOf([["score", true], ["iso", false]], [{}, iso]) }), [0, 1, 5, 2, 4, 3]);
  assert.deepEqual(arrange(images(), { order: "iso", ranked: iso, then: furtherOf([["score", false]], [{}]) }), [2, 3, 1, 4, 0, 5]);
  assert.deepEqual(arrange(images(), { order: "given", groups: [1, 0, 1, 0, 2, 0] }), [1, 3, 5, 0, 2, 4]);
  assert.deepEqual(arrange(images(), { order: "name", groups: [1, 0, 1, 0, 2, 0] }), [5, 3, 1, 2, 0, 4]);
});

/** Groups of 7, 1 and 4 images. */
function grouped(width = 240) {
  const groups = [0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2], ids = [...groups.keys()];
  return withSections(layoutOf(width, ids.length, 1), runsOf(ids, groups));
}

test("each group begins on a row of its own under its heading", () => {
  const layout = grouped(), { columns, pitchY, gap } = layout;
  assert.equal(columns, 3);
  assert.deepEqual(layout.sections.map(({ start, count, rows }) => [start, count, rows]), [[0, 7, 3], [7, 1, 1], [8, 4, 2]]);
  assert.deepEqual([cornerOf(layout, 0), cornerOf(layout, 7).x], [{ x: gap, y: gap + HEAD }, gap]);
  assert.equal(cornerOf(layout, 7).y, cornerOf(layout, 6).y + pitchY + gap + HEAD);
  assert.equal(cornerOf(layout, 11).y + pitchY, layout.height);
  assert.deepEqual(runsOf([], [1]), []);
  assert.equal(withSections(layout, []), layout);
});

test("places in sight are those of a slow search, and so are the headings", () => {
  const layout = grouped(), places = Array.from({ length: 12 }, (_, i) => i);
  for (let top = -20; top < layout.height + 40; top += 7) {
    for (const height of [1, 60, 200]) {
      const [first, last] = placesIn(layout, top, height);
      const seen = places.filter((place) => { const { y } = cornerOf(layout, place); return y < top + height && y + layout.pitchY > top; });
      assert.ok(seen.every((place) => place >= first && place < last), `${top} ${height}: ${seen} not in ${first} to ${last}`);
      assert.ok(last - first <= seen.length + layout.columns, "and few more");
      for (const { top: y, head } of layout.sections) if (y < top + height && y + head > top) assert.ok(sectionsIn(layout, top, height).some((one) => one.top === y));
    }
  }
});

test("up and down keep the column across groups, and no key leads out", () => {
  const layout = grouped();
  const ways = [[1, "ArrowDown", 4], [4, "ArrowDown", 6], [6, "ArrowDown", 7], [7, "ArrowDown", 8], [9, "ArrowDown", 11], [11, "ArrowDown", 11],
    [11, "ArrowUp", 8], [10, "ArrowUp", 7], [7, "ArrowUp", 6], [1, "ArrowUp", 1], [7, "ArrowLeft", 6], [11, "ArrowRight", 11], [3, "End", 11], [3, "Home", 0]];
  for (const [from, key, to] of ways) assert.equal(moved(layout, from, key, 200), to, `${key} from ${from}`);
  const top = scrollFor(layout, 8, layout.height, 100);
  assert.ok(top <= layout.sections[2].top, "with its heading");
});

test("a larger size makes fewer columns, and what was at the top stays there", () => {
  assert.deepEqual([40, 100, 400].map((size) => layoutOf(640, 50, 1, false, size).columns), [12, 5, 1]);
  assert.ok(layoutOf(200, 5, 1, false, 320).thumb <= 200);
  const state = newState("me"), names = Array.from({ length: 300 }, (_, i) => `${i}`);
  Object.assign(state, withImages(state, { ...images(), names, labels: names, notes: names, ranks: ranksOf(names), scores: [], ratings: [] }, [0, 1]));
  Object.assign(state, sorted(state), laidOut(state, 640, 1));
  Object.assign(state, laidOut(state, 640, 1));
  const index = state.ids[placeAt(state, 1000)];
  Object.assign(state, { size: 150 });
  Object.assign(state, laidOut(state, 640, 1));
  assert.ok(Math.abs(placeAt(state, topOf(state, index)) - state.places[index]) < state.layout.columns);
});

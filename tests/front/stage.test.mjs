import assert from "node:assert/strict";
import test from "node:test";

import { found } from "../../xai_widgets/static/stage/menu.js";
import { allowed } from "../../xai_widgets/static/shared/options.js";
import { borders, grain } from "../../xai_widgets/static/stage/paint.js";
import { ALL_OF_IT, frameAt, fullOf, heightOf, middleOf, moved, nearer, panelAfter, placeIn, readAt, tooMany, transformOf,
  wholeLayer } from "../../xai_widgets/static/stage/state.js";

const near = (some, other) => some.forEach((value, i) => assert.ok(Math.abs(value - other[i]) < 1e-9, `${some} and ${other}`));

/** Numbers from 0 to 1 that are the same in each run. */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

test("a place of the frame and of the photo lead to each other, however it was zoomed and moved", () => {
  const next = numbers(1);
  let sight = ALL_OF_IT;
  for (let i = 0; i < 500; i++) {
    sight = next() < 0.5 ? nearer(sight, 0.3 + 3 * next(), next(), next()) : moved(sight, next() - 0.5, next() - 0.5);
    const [a, b] = [next(), next()], [u, v] = placeIn(sight, a, b);
    near(frameAt(sight, u, v), [a, b]);
    assert.ok(u >= -1e-9 && u <= 1 + 1e-9 && v >= -1e-9 && v <= 1 + 1e-9, "nothing beside the photo is seen");
    assert.ok(sight.zoom >= 1 && sight.zoom <= 16);
  }
});

test("what is under the pointer stays there while one zooms in", () => {
  for (const [a, b] of [[0.5, 0.5], [0.1, 0.9], [0, 1]]) {
    const before = placeIn(nearer(ALL_OF_IT, 2, 0.5, 0.5), a, b);
    near(placeIn(nearer(nearer(ALL_OF_IT, 2, 0.5, 0.5), 1.7, a, b), a, b), before);
  }
  near(Object.values(nearer(nearer(ALL_OF_IT, 5, 0.2, 0.7), 1 / 50)), [1, 0.5, 0.5]);
});

test("a photo that is seen whole is not transformed", () => {
  assert.equal(transformOf(ALL_OF_IT), "");
  assert.equal(transformOf({ zoom: 2, u: 0.5, v: 0.25 }), "translate(-50%, 0%) scale(2)");
});

const view = (values) => new DataView(Float32Array.from(values).buffer);
const layer = (more = {}) => wholeLayer({ values: view([0, 1, 2, 3, 4, 5]), values_shape: [2, 3], box: [0, 0, 1, 1], limit: 5,
  strength: null, ...more });

test("a map that did not come whole is none", () => {
  assert.equal(wholeLayer({}), null);
  assert.equal(wholeLayer(undefined), null);
  assert.equal(wholeLayer({ values: view([1, 2]), values_shape: [2, 2] }), null);
  assert.deepEqual([...layer().values], [0, 1, 2, 3, 4, 5]);
});

test("a value is that of the cell, or between cells; outside of what the network saw there is none", () => {
  const map = layer(), half = layer({ box: [0.5, 0, 1, 1], strength: view([0, 0, 0, 1, 1, 1]) });
  assert.equal(readAt(map, 0.5, 0.9, false).value, 4);
  assert.deepEqual(readAt(map, 0.5, 0.9, false).cell, [1, 1]);
  assert.equal(readAt(map, 0.5, 0.5, true).value, 2.5);
  assert.equal(readAt(half, 0.4, 0.5, true), null);
  assert.equal(readAt(half, 1, 0.1, false).value, 2);
  assert.equal(readAt(half, 0.75, 0.5, true).strength, 0.5);
  for (let row = 0; row < 2; row++) {
    for (let column = 0; column < 3; column++) assert.deepEqual(readAt(half, ...middleOf(half, row, column), false).cell, [row, column]);
  }
});

test("one scale for all is that of the maps of one kind; alone each has its own", () => {
  const shared = { limit: 9, words: "same scale in all panels" };
  assert.deepEqual(fullOf({ limit: 5 }, shared, "all"), shared);
  assert.deepEqual(fullOf({ limit: 5 }, shared, "each"), { limit: 5, words: "" });
  assert.deepEqual(fullOf({ limit: 5 }, { limit: 5, words: "" }, "all"), { limit: 5, words: "" });
  assert.deepEqual(fullOf({ limit: 5 }, undefined, "all"), { limit: 5, words: "" });
});

test("arrow keys lead from panel to panel and stop at the ends", () => {
  const to = (key, place) => panelAfter(key, place, 3, 7);
  assert.deepEqual(["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"].map((key) => to(key, 3)), [4, 2, 6, 0]);
  assert.deepEqual([to("ArrowRight", 6), to("ArrowLeft", 0), to("ArrowDown", 5), to("ArrowUp", 2)], [6, 0, 5, 2]);
  assert.equal(to("Enter", 3), undefined);
});

test("pictures are lower where there are many rows, and never too low to be read", () => {
  assert.equal(heightOf(1, 400), 400);
  assert.equal(heightOf(2, 400), 250);
  assert.equal(heightOf(12, 400), 130);
  assert.equal(heightOf(3, 90), 90);
});

test("more panels than there may be are refused in words", () => {
  assert.equal(tooMany({ count: 3 }, { count: 4 }), "");
  assert.equal(tooMany({ count: 3 }, undefined), "");
  assert.equal(tooMany({ count: 5 }, { count: 4 }), "5 × 4 are 20 panels; there may be 12.");
});

test("methods are found by every word of the search, whatever their accents", () => {
  const methods = [{ name: "a", words: "Grad-CAM", group: "g", description: "Élan" }, { name: "b", words: "Other", group: "g", description: "cam" }];
  assert.deepEqual(found(methods, "cam elan").map(({ name }) => name), ["a"]);
  assert.equal(found(methods, " ").length, 2);
});

test("numbers of options keep to their range", () => {
  assert.ok(allowed({ low: 1, high: null, whole: true }, 3));
  for (const value of [0, 2.5, NaN, Infinity]) assert.ok(!allowed({ low: 1, high: null, whole: true }, value));
});

test("a region is outlined by the sides between inside and outside", () => {
  assert.deepEqual(borders([0, 1, 0, 0], 2, 2).sort(), [[1, 0, 1, 1], [1, 0, 2, 0], [1, 1, 2, 1], [2, 0, 2, 1]].sort());
  assert.deepEqual(grain(7, 7, 300, 200, false), [7, 7]);
  assert.deepEqual(grain(7, 7, 896, 448, true), [224, 448]);
});

import assert from "node:assert/strict";
import test from "node:test";

import { wholeOutline } from "../../xai_widgets/static/stage/outlines.js";
import { boxBetween, boxOfCells, widened } from "../../xai_widgets/static/stage/region.js";
import { correlation, differenceOf, likeness, onOneGrid, relativeRisk, risks, topShare } from "../../xai_widgets/static/stage/two.js";

const map = (values, h, w, more = {}) => ({ values: Float32Array.from(values), h, w, box: [0, 0, 1, 1], strength: null, limit: Math.max(...values.map(Math.abs)), unit: "u", ...more });

test("two maps meet on the finer grid, and only where both are", () => {
  const fine = map([1, 2, 3, 4], 1, 4), coarse = map([0, 4], 1, 2), pair = onOneGrid(coarse, fine);
  assert.deepEqual([pair.h, pair.w, [...pair.a], [...pair.b]], [1, 4, [0, 1, 3, 4], [1, 2, 3, 4]]);
  const half = onOneGrid(fine, map([5, 7], 1, 2, { box: [0, 0, 0.5, 1] }));
  assert.deepEqual([...half.b], [5, 7, NaN, NaN]);
  assert.deepEqual([...onOneGrid(map([2, 2], 1, 2, { strength: Float32Array.from([0, 1]) }), fine).a], [0, 0.5, 1.5, 2]);
});

test("a difference is of the values where both have one unit, else of shares of the full colour, and says which", () => {
  const [a, b] = [map([1, -2], 1, 2), map([0.5, 1], 1, 2)], same = differenceOf(a, b), other = differenceOf(a, { ...b, unit: "v" });
  assert.deepEqual([[...same.values], same.limit, same.degenerate], [[0.5, -3], 2, ""]);
  assert.match(same.note, /as they are, full colour at ±2.00 \(u\)/);
  assert.deepEqual([[...other.values], other.limit], [[0, -2], 1]);
  assert.match(other.note, /own full colour/);
  assert.equal(differenceOf(a, a).degenerate, "The two maps are the same.");
});

test("a correlation is Pearson's, in words", () => {
  const of = (a, b) => correlation({ h: 1, w: a.length, a: Float32Array.from(a), b: Float32Array.from(b) });
  assert.ok(Math.abs(of([1, 2, 3], [2, 4, 7]) - 0.9933992678) < 1e-6);
  assert.equal(of([1, 2, 3], [-1, -2, -3]), -1);
  assert.equal(of([1, 2, NaN], [1, 2, 9]), 1);
  assert.ok(Number.isNaN(of([1, 1], [1, 2])));
  assert.equal(likeness(0.9712, "Grad-CAM", true), "r = .97 with Grad-CAM: the contrast tells little that is new.");
  assert.equal(likeness(-0.412, "panel 2", false), "r = −.41 with panel 2.");
  assert.match(likeness(NaN, "panel 2", false), /^No correlation with panel 2/);
});

test("a top share keeps at most its share, only what is above 0, and equal values together", () => {
  const kept = (values, share) => topShare(Float32Array.from(values), share).reduce((sum, one) => sum + one, 0);
  const ramp = Array.from({ length: 100 }, (_, i) => i);
  assert.deepEqual([kept(ramp, 0.1), kept(ramp, 0.15), kept(ramp.map((i) => i - 98), 0.1), kept(Array(50).fill(3), 0.1)], [10, 15, 1, 0]);
  assert.equal(kept([...Array(8).fill(5), ...Array(92).fill(1)], 0.05), 0);
  assert.equal(kept(ramp.slice(0, 10), 0.05), 0, "a half goes to the even number, as in Python");
});

test("a relative risk is the share inside over the share outside", () => {
  const of = (a, b) => relativeRisk(Uint8Array.from(a), Uint8Array.from(b));
  assert.deepEqual([of([1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0]), of([1, 0], [1, 0]), of([0, 0], [1, 0])], [4, Infinity, NaN]);
  const values = Float32Array.from({ length: 100 }, (_, i) => i);
  assert.match(risks({ h: 10, w: 10, a: values, b: values }, "it"), /given it ∞, ∞, ∞\.$/);
});

test("a region is the rectangle between two places, that of all cells between two, and never nothing", () => {
  assert.deepEqual(boxBetween([0.6, -1], [0.2, 0.5]), [0.2, 0, 0.6, 0.5]);
  assert.deepEqual(boxOfCells({ h: 4, w: 2, box: [0.5, 0, 1, 1] }, [3, 1], [1, 0]), [0.5, 0.25, 1, 1]);
  const [left, top, right, bottom] = widened([1, 0.3, 1, 0.3]);
  assert.ok(left < right && right <= 1 && top < bottom);
  assert.equal(wholeOutline({ inside_shape: [2, 2], inside: new DataView(new ArrayBuffer(3)) }), null);
  assert.equal(wholeOutline({}), null);
});

import assert from "node:assert/strict";
import test from "node:test";

import { frameOf, nearer, rangeOf, scale, tickLabels, ticks } from "../../xai_widgets/static/shared/axes.js";
import { insideBox, insideLasso, isDrag, nearest } from "../../xai_widgets/static/shared/plot.js";

test("ticks are round, lie in the range, and are as many as asked for", () => {
  for (const [low, high] of [[0, 1], [-0.37, 0.21], [1e-7, 9e-7], [-4000, 90000], [99.99, 100.01]]) {
    for (const most of [2, 5, 9]) {
      const found = ticks(low, high, most);
      assert.ok(found.length >= 1 && found.length <= most + 1, `${found}`);
      assert.ok(found.every((value) => value >= low - 1e-9 * Math.abs(low) && value <= high + 1e-9 * Math.abs(high)));
      assert.equal(new Set(tickLabels(found)).size, found.length, tickLabels(found).join(" "));
    }
  }
  assert.deepEqual(ticks(0, 1, 5), [0, 0.2, 0.4, 0.6000000000000001, 0.8, 1]);
  assert.ok(!Object.is(ticks(-1, 1, 4)[2], -0));
});

test("ticks of nothing do not run for ever", () => {
  assert.deepEqual([ticks(1, 1), ticks(NaN, 1), ticks(0, Infinity)], [[1], [], [0]]);
});

test("tick labels have the decimals they need and a true minus", () => {
  assert.deepEqual(tickLabels(ticks(-1, 1, 4)), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
  assert.deepEqual(tickLabels([0, 5000, 10000]), ["0", "5000", "10000"]);
  assert.deepEqual(tickLabels([-2e-7, 0, 2e-7]), ["−2e−7", "0", "2e−7"]);
});

test("a range holds zero, leaves out what is not a number, and is never empty", () => {
  assert.deepEqual(rangeOf([2, 10], 0.1), [0, 11]);
  assert.deepEqual(rangeOf([2, 12], 0, 0.25), [-4, 12]);
  assert.deepEqual(rangeOf([-12, 4], 0, 0.25), [-12, 4]);
  assert.deepEqual(rangeOf([NaN, Infinity, -4, NaN], 0), [-4, 0]);
  assert.deepEqual(rangeOf([]), [-1, 1]);
  assert.deepEqual(rangeOf([0, 0]), [-1, 1]);
  assert.deepEqual(nearer([-4, 8], 2), [-2, 4]);
});

test("a scale and its inverse", () => {
  const down = scale([-1, 3], [200, 20]);
  assert.deepEqual([-1, 0, 3].map(down.place), [200, 155, 20]);
  for (const value of [-1, 0.3, 2.99]) assert.ok(Math.abs(down.value(down.place(value)) - value) < 1e-12);
});

test("a frame is never turned inside out", () => {
  const { left, top, right, bottom } = frameOf(10, 10, { left: 40, right: 10, top: 10, bottom: 30 });
  assert.ok(right > left && bottom > top);
});

test("the nearest point wins, if it is in reach", () => {
  const [xs, ys] = [[0, 10, 20], [0, 0, 0]];
  assert.equal(nearest(xs, ys, 11, 3), 1);
  assert.equal(nearest(xs, ys, 10, 13), -1);
  assert.equal(nearest([5, 5], [5, 5], 5, 5), 1); // what is painted last is on top
  assert.equal(nearest([NaN], [NaN], 0, 0), -1);
});

test("a box holds what lies in it, whichever corner came first", () => {
  const [xs, ys] = [[0, 5, 10], [0, 5, 10]];
  assert.deepEqual(insideBox(xs, ys, [1, 1], [10, 10]), [1, 2]);
  assert.deepEqual(insideBox(xs, ys, [10, 10], [1, 1]), [1, 2]);
});

test("a lasso agrees with a slow winding count on convex and bent shapes", () => {
  const bent = [[0, 0], [10, 0], [10, 10], [5, 2], [0, 10]]; // a notch from above
  assert.deepEqual(insideLasso([1, 5, 9, 5, -1], [1, 1, 5, 8, 5], bent), [0, 1, 2]);
  const square = [[0, 0], [4, 0], [4, 4], [0, 4]];
  const xs = [], ys = [];
  for (let x = -1; x <= 5; x += 0.7) for (let y = -1; y <= 5; y += 0.7) { xs.push(x); ys.push(y); }
  const inside = xs.map((_, i) => i).filter((i) => xs[i] > 0 && xs[i] < 4 && ys[i] > 0 && ys[i] < 4);
  assert.deepEqual(insideLasso(xs, ys, square), inside);
  assert.deepEqual(insideLasso(xs, ys, square.slice(0, 2)), []);
});

test("a press becomes a drag after a few pixels", () => {
  assert.equal(isDrag([0, 0], [2, 2]), false);
  assert.equal(isDrag([0, 0], [3, 3]), true);
});

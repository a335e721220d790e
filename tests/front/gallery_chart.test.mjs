import assert from "node:assert/strict";
import test from "node:test";

import { spanOf } from "../../xai_widgets/static/shared/axes.js";
import { barsOf, binAt, binsOf, binWords, brushed, byResidual, pairsOf, residualsIn, scatterOf } from "../../xai_widgets/static/gallery/chart.js";
import { cellWords, confusionOf, MOST_CLASSES } from "../../xai_widgets/static/gallery/confusion.js";

const images = () => ({ names: ["a", "b", "c", "d", "e"], labels: ["", "", "", "", ""], scores: [10, 40, NaN, 70, 30], ratings: [20, 38, 50, NaN, 55],
  spreads: [4, NaN, 1, 2, 3], regression: true, comparable: false, classes: [], predicted: [] });

test("the chart holds the images whose score and rating are known, in one range on both axes", () => {
  const pairs = pairsOf(images(), [4, 3, 2, 1, 0]), { x, y, px, py, frame } = scatterOf(pairs, 300, 200);
  assert.deepEqual([pairs.indices, pairs.residuals], [[4, 1, 0], [-25, 2, -10]]);
  assert.deepEqual([x.low, x.high], [y.low, y.high]);
  assert.ok(x.low < 10 && x.high > 58, "the error bar of a rating too");
  pairs.indices.forEach((_, i) => {
    assert.ok(Math.abs(x.value(px[i]) - pairs.ratings[i]) < 1e-3 && Math.abs(y.value(py[i]) - pairs.scores[i]) < 1e-3);
    assert.ok(px[i] > frame.left && px[i] < frame.right && py[i] > frame.top && py[i] < frame.bottom);
  });
  assert.deepEqual(byResidual(pairs), [4, 0, 1]);
  assert.deepEqual([spanOf([NaN, Infinity]), spanOf([3, 3], 0.1)[0] < 3, spanOf([2, 4], 0)], [[0, 1], true, [2, 4]]);
});

test("every residual is in one bin, and one bin begins at zero", () => {
  for (const values of [[-25, 2, -10], [0], [1e-6, 3e-6], [-4, -4, -4], Array.from({ length: 400 }, (_, i) => Math.sin(i) * 30)]) {
    const pairs = { indices: [...values.keys()], residuals: values, ratings: [], scores: [], spreads: [] }, bins = binsOf(pairs);
    assert.equal(bins.counts.reduce((sum, one) => sum + one, 0), values.length);
    assert.deepEqual(bins.members.flat().sort((a, b) => a - b), pairs.indices);
    assert.ok(bins.edges.some((edge) => Math.abs(edge) < 1e-12), `${bins.edges}`);
    assert.ok(bins.counts.length <= 30);
    bins.members.forEach((some, i) => some.forEach((index) => assert.ok(values[index] >= bins.edges[i] - 1e-9 && values[index] <= bins.edges[i + 1] + 1e-9)));
  }
  assert.deepEqual(binsOf({ indices: [], residuals: [], ratings: [], scores: [], spreads: [] }).counts, []);
});

test("a place is in its bin, and a brush over bars holds what lies between its ends", () => {
  const pairs = pairsOf(images(), [0, 1, 4]), bins = binsOf(pairs), bars = barsOf(bins, 300, 90);
  bins.counts.forEach((_, i) => assert.equal(binAt(bins, bars, bars.x.place((bins.edges[i] + bins.edges[i + 1]) / 2)), i));
  assert.equal(binAt(bins, bars, 0), -1);
  const [from, to] = [bars.x.place(-11), bars.x.place(3)];
  assert.deepEqual([residualsIn(pairs, bars, from, to), residualsIn(pairs, bars, to, from)], [[0, 1], [0, 1]]);
  assert.deepEqual([brushed(new Set([7]), [1, 7], true), brushed(new Set([7]), [1], false)], [[7, 1], [1]]);
  const place = bins.members.findIndex((some) => some.includes(1));
  assert.match(binWords(bins, place, new Set([1]), 0), /^residual 0 to \d+: 1 image, 1 selected$/);
});

test("what is confused with what, whatever the case of a label", () => {
  const some = { names: ["a", "b", "c", "d", "e"], labels: ["Cat", "dog", "", "dog", "fox"], classes: ["cat", "dog"], predicted: [0, 0, 1, 1, -1],
    scores: [], ratings: [], regression: false, comparable: true };
  const table = confusionOf(some, [0, 1, 2, 3, 4]);
  assert.deepEqual([table.rows, table.columns, table.members], [["dog", "cat"], ["dog", "cat"], [[[3], [1]], [[], [0]]]]);
  assert.equal(cellWords(table, 0, 1, new Set([1])), "label dog, predicted cat: 1 image, 1 selected");
  assert.deepEqual(confusionOf(some, []).rows, []);
});

test("of many classes the rarer ones stand together, and no image is lost", () => {
  const count = 60, numbers = Array.from({ length: count }, (_, i) => i), classes = numbers.map((i) => `class ${i}`);
  const predicted = numbers.map((i) => (i * 7) % 25), labels = numbers.map((i) => classes[i % 20]);
  const { rows, columns, members } = confusionOf({ names: classes, labels, classes, predicted, scores: [], ratings: [], regression: false, comparable: true }, numbers);
  assert.deepEqual([rows.length, rows[rows.length - 1], columns[columns.length - 1]], [MOST_CLASSES, "other classes", "other classes"]);
  assert.deepEqual(members.flat(2).sort((a, b) => a - b), numbers);
  rows.slice(0, -1).forEach((row, i) => columns.slice(0, -1).forEach((column, j) => members[i][j].forEach((index) =>
    assert.deepEqual([labels[index], classes[predicted[index]]], [row, column]))));
});

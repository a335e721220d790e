import assert from "node:assert/strict";
import test from "node:test";
import { placeOf, visible } from "../../xai_widgets/static/shared/grid.js";

import { layoutOf, linesOf, moved, scrollFor, sideFor } from "../../xai_widgets/static/gallery/layout.js";
import { agreedWords, arrange, between, describe, digitsFor, fixed, isRight, matcher, ordersFor, rankedWords, ranksOf, signedFixed,
  spreadOf, stripOf } from "../../xai_widgets/static/gallery/order.js";
import { problemLine } from "../../xai_widgets/static/gallery/state.js";

const regression = (names = ["img10", "img9", "IMG1", "a"]) => ({ names, labels: names.map(() => ""), notes: names.map((name) => `camera ${name.length}`),
  ranks: ranksOf(names), regression: true, comparable: false, classes: [], predicted: [],
  scores: [0.5, 0.25, NaN, 0.75], ratings: [0.75, 0.25, 0.5, NaN] });

const classes = () => ({ names: ["a", "b", "c", "d"], labels: ["Cat", "dog", "", "dog"], notes: ["", "", "", ""], ranks: [0, 1, 2, 3],
  regression: false, comparable: true, classes: ["cat", "dog"], predicted: [0, 0, 1, 1], scores: [0.9, 0.8, 0.7, 0.6], ratings: [NaN, NaN, NaN, NaN] });

test("rows fill the width and never leave it", () => {
  for (const width of [30, 150, 226, 240, 262, 419, 420, 900, 1600]) {
    const layout = layoutOf(width, 100, 2, true);
    const right = placeOf(layout, layout.columns - 1).x + layout.thumb;
    assert.ok(right <= Math.max(width, 24 + 2 * layout.gap), `${width}: ${right}`);
    assert.ok(layout.columns >= 1 && layout.rows * layout.columns >= 100);
    assert.equal(placeOf(layout, layout.columns).x, layout.gap);
    assert.ok(placeOf(layout, 99).y + layout.pitchY <= layout.height + layout.gap);
  }
  assert.equal(layoutOf(240, 9, 2).columns, 3); // the usual column has three
  assert.equal(layoutOf(240, 0, 2).height, 0);
});

test("every cell in the window is made, and few others", () => {
  const layout = layoutOf(900, 5000, 2, true);
  for (const top of [0, 17, 1000, layout.height - 460]) {
    const [first, last] = visible(layout, top, 460);
    assert.ok(last - first <= 6 * layout.columns);
    for (let place = 0; place < 5000; place++) {
      const { y } = placeOf(layout, place), seen = y + layout.thumb + layout.below > top && y < top + 460;
      if (seen) assert.ok(place >= first && place < last, `${place} at ${top}`);
    }
  }
  assert.deepEqual(visible(layoutOf(900, 0, 2), 0, 460), [0, 0]);
  assert.deepEqual(visible(layoutOf(900, 3, 2), 9999, 460), [3, 3]);
});

test("keys move by one, by a row, by a page, and keep the column at the ends", () => {
  const layout = layoutOf(240, 10, 2), last = 9; // three columns: 0 1 2 / 3 4 5 / 6 7 8 / 9
  const to = (place, key) => moved(layout, place, key, 2.5 * layout.pitchY);
  assert.deepEqual(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].map((key) => to(4, key)), [3, 5, 1, 7]);
  assert.deepEqual([to(0, "ArrowLeft"), to(1, "ArrowUp"), to(9, "ArrowDown"), to(9, "ArrowRight")], [0, 1, 9, 9]);
  assert.equal(to(7, "ArrowDown"), last); // the last row is short
  assert.deepEqual([to(4, "Home"), to(4, "End"), to(1, "PageDown"), to(7, "PageUp"), to(8, "PageDown")], [0, 9, 7, 1, 9]);
  assert.equal(to(4, "x"), undefined);
  assert.equal(moved(layoutOf(240, 0, 2), 0, "End", 100), undefined);
});

test("scrolling shows a whole cell and does not move for one that is seen", () => {
  const layout = layoutOf(240, 300, 2);
  for (const [place, top] of [[0, 5000], [299, 0], [100, 900]]) {
    const to = scrollFor(layout, place, top, 400), { y } = placeOf(layout, place);
    assert.ok(to <= y && y + layout.pitchY <= to + 400 + 1e-9);
    assert.equal(scrollFor(layout, place, to, 400), to);
  }
});

test("a set without ratings has one line under each thumbnail", () => {
  assert.deepEqual([linesOf(true, false), linesOf(true, true), linesOf(false, false)], [1, 2, 2]);
});

test("thumbnails are asked for in three sizes", () => {
  assert.deepEqual([sideFor(70, 1), sideFor(70, 2), sideFor(110, 2), sideFor(180, 3)], [96, 192, 384, 384]);
});

test("images are sorted, and those without a value come last either way", () => {
  const images = regression();
  const order = (name, descending = false) => arrange(images, { order: name, descending });
  assert.deepEqual(order("given"), [0, 1, 2, 3]);
  assert.deepEqual(order("given", true), [3, 2, 1, 0]);
  assert.deepEqual(order("name"), [3, 2, 1, 0]); // a, IMG1, img9, img10
  assert.deepEqual(order("name", true), [0, 1, 2, 3]);
  assert.deepEqual(order("score"), [1, 0, 3, 2]);
  assert.deepEqual(order("score", true), [3, 0, 1, 2]);
  assert.deepEqual(order("residual", true), [0, 1, 3, 2]); // |-0.25|, 0, then unknown by name
  assert.deepEqual(order("rating", true), [0, 2, 1, 3]);
  assert.deepEqual(arrange(classes(), { order: "label" }), [0, 1, 3, 2]);
  assert.deepEqual(arrange(classes(), { order: "label", descending: true }), [1, 3, 0, 2]);
  assert.deepEqual(arrange(classes(), { order: "mistake", descending: true }), [1, 3, 0, 2]); // wrong, doubtful, sure, unknown
});

test("a search holds all its words, in any case, in name, label, prediction and notes", () => {
  const images = classes();
  images.names = ["a/Ü 1.png", "b<i>.png", "c.png", "d.png"];
  const found = (text) => arrange(images, { text });
  assert.deepEqual(found(""), [0, 1, 2, 3]);
  assert.deepEqual(found("  PNG dog "), [1, 2, 3]); // by label or prediction
  assert.deepEqual(found("<I>"), [1]);
  assert.deepEqual(found("ü"), [0]);
  assert.deepEqual(found("no such"), []);
  assert.deepEqual(arrange(regression(), { text: "camera 5" }), [0]);
  assert.deepEqual(arrange(images, { only: new Set([3, 1]), order: "name", descending: true }).length, 2);
  assert.equal(matcher(images, " ")(0), true);
});

test("thousands are sorted in a moment", () => {
  const names = Array.from({ length: 20000 }, (_, i) => `image ${(i * 7919) % 20000}.png`);
  const images = { ...regression(names), scores: names.map((_, i) => Math.sin(i)), ratings: names.map((_, i) => Math.cos(i)) };
  const sorted = arrange(images, { order: "residual", descending: true });
  assert.equal(new Set(sorted).size, 20000);
  for (let i = 1; i < sorted.length; i++) {
    const [a, b] = [sorted[i - 1], sorted[i]].map((index) => Math.abs(images.scores[index] - images.ratings[index]));
    assert.ok(a >= b);
  }
});

test("only orders that tell something are offered", () => {
  assert.deepEqual(ordersFor(regression()), ["given", "name", "score", "rating", "residual"]);
  assert.deepEqual(ordersFor({ ...regression(), ratings: [NaN, NaN, NaN, NaN] }), ["given", "name", "score"]);
  assert.deepEqual(ordersFor(classes()), ["given", "name", "score", "label", "mistake"]);
});

test("right or wrong is said only where it is known", () => {
  assert.deepEqual([0, 1, 2, 3].map((index) => isRight(classes(), index)), [true, false, null, true]);
  assert.equal(isRight({ ...classes(), comparable: false }, 0), null);
});

test("numbers have the decimals of their range, a true minus and no minus zero", () => {
  assert.deepEqual([[0, 1], [0.03, 0.99], [0, 100], [1, 5], [0, 0.01], [3, 3]].map(digitsFor), [2, 2, 0, 2, 4, 6]);
  assert.deepEqual([fixed(-0.126, 2), fixed(-0.001, 2), fixed(NaN, 2), fixed(0, 0)], ["−0.13", "0.00", "–", "0"]);
  assert.deepEqual([signedFixed(0.126, 2), signedFixed(0.001, 2), signedFixed(-1, 1), signedFixed(NaN, 2)], ["+0.13", "0.00", "−1.0", "–"]);
});

test("one line says all", () => {
  assert.equal(describe(regression(), 0, 2), "score 0.50 · rating 0.75 · residual −0.25");
  assert.equal(describe(regression(), 2, 2), "rating 0.50");
  assert.equal(describe(classes(), 1, 2), "predicted cat, 0.80 · label dog · wrong");
  assert.equal(describe(classes(), 2, 2), "predicted dog, 0.70");
});

test("a range of images runs either way, and is one image when the other end is not shown", () => {
  const ids = [7, 3, 9, 1];
  assert.deepEqual(between(ids, 3, 1), [3, 9, 1]);
  assert.deepEqual(between(ids, 1, 3), [3, 9, 1]);
  assert.deepEqual(between(ids, 5, 9), [9]);
  assert.deepEqual(between(ids, 7, 5), []);
});

test("the strip runs from rating to score and stays in the range", () => {
  assert.deepEqual(stripOf(0.5, 0.75, [0, 1]), { score: 50, rating: 75, left: 50, width: 25 });
  assert.deepEqual(stripOf(9, 0, [0, 1]), { score: 100, rating: 0, left: 0, width: 100 });
  assert.deepEqual(stripOf(0.5, NaN, [0, 1]), { score: 50, rating: null, left: 50, width: 0 });
  assert.equal(stripOf(NaN, 0.5, [0, 1]), null);
});

test("a rating is told with its spread and raters, and what was trained on is told where images are ranked", () => {
  const images = { ...regression(), spreads: [0.125, NaN, NaN, NaN], raters: [24, 0, 3, 0], splits: ["train", "test", "train", ""] };
  assert.match(describe(images, 0, 2), /rating 0\.75 ± 0\.13 \(n = 24\)/);
  assert.match(describe(images, 0, 2), /trained on \(train split\)$/);
  assert.match(describe(images, 2, 2), /^rating 0\.50 \(n = 3\) · trained on/);
  assert.match(describe(images, 1, 2), /test split$/);
  assert.deepEqual(["given", "score", "residual", "rating"].map((order) => rankedWords(images, [0, 1, 2, 3], order)),
    ["", "2 of them trained on", "2 of them trained on", ""]);
  assert.equal(rankedWords(images, [1, 3], "score"), "");
  assert.deepEqual(arrange(images, { text: "train" }), [0, 2]);
  assert.deepEqual(spreadOf(0.75, 0.125, [0, 1]), { left: 62.5, width: 25 });
  assert.deepEqual([spreadOf(NaN, 1, [0, 1]), spreadOf(1, NaN, [0, 1])], [null, null]);
  assert.deepEqual(spreadOf(0.9, 0.5, [0, 1]), { left: 40, width: 60 });
});

test("one line stands for all problems, with the first kind", () => {
  assert.equal(problemLine(["48 files of a kind that is not read: .heic.", "No."], 3),
    "3 problems: 48 files of a kind that is not read: .heic.");
  assert.equal(problemLine(["3 images cannot be read, such as: ..."], 3), "3 images cannot be read, such as: ...");
});

test("of several labels an image is told how many are right", () => {
  const images = { ...classes(), comparable: false, agreed: [2, -1, 3, 0], ofLabels: 3 };
  assert.deepEqual([0, 1, 2].map((index) => agreedWords(images, index)), ["2/3", "", "3/3"]);
  assert.match(describe(images, 0, 2), / · 2 of 3 labels right/);
  assert.equal(agreedWords(classes(), 0), "");
});

import assert from "node:assert/strict";
import test from "node:test";

import * as classes from "../../xai_widgets/static/contrast_picker/classes.js";
import { amountsOf, colourWord, moveInTiles } from "../../xai_widgets/static/contrast_picker/strip.js";
import * as scores from "../../xai_widgets/static/contrast_picker/scores.js";

test("classes go by probability, equal ones by index", () => {
  assert.deepEqual(classes.byProbability(new Float32Array([0.1, 0.4, 0.1, 0.4])), [1, 3, 0, 2]);
});

test("a search finds starts of names, then starts of words, then the rest, each by probability", () => {
  const names = ["pomegranate", "granny smith", "red granite", "Grande école", "coffee"], order = [4, 0, 2, 1, 3];
  assert.deepEqual(classes.matches(names, order, "GRAN"), [1, 3, 2, 0]);
  assert.deepEqual(classes.matches(names, order, "ecole"), [3]);
  assert.deepEqual(classes.matches(names, order, "  "), order);
  assert.deepEqual(classes.matches(names, order, "zebra"), []);
  assert.deepEqual(classes.matches(["a.b (c)", "abc"], [0, 1], "(c"), [0]); // no pattern, only letters
});

test("a search among a thousand classes takes a moment", () => {
  const names = Array.from({ length: 1000 }, (_, i) => `class number ${i}`), order = [...names.keys()];
  const began = performance.now();
  assert.equal(classes.matches(names, order, "number 99").length, 11);
  assert.ok(performance.now() - began < 100);
});

test("probabilities are told apart at both ends", () => {
  assert.deepEqual([0, 1e-9, 0.00021, 0.0312, 0.5, 0.9997, 1, NaN].map(classes.percent),
    ["0.0 %", "< 0.01 %", "0.02 %", "3.12 %", "50.0 %", "> 99.9 %", "100.0 %", "n/a"]);
});

test("the question names P and Q", () => {
  const names = ["cat", "<b>cup</b>"], ask = (contrast) => classes.classQuestion(names, 0, contrast).join("");
  assert.equal(ask({ kind: "class", value: 1 }), "Why cat, rather than <b>cup</b>?");
  assert.equal(ask({ kind: "confidence" }), "Why not cat with 100 % confidence?");
  assert.equal(ask({ kind: "" }), "Why cat?");
  assert.equal(ask({ kind: "class", value: 7 }), "Why cat?");
  assert.equal(ask({ kind: "class", value: 0 }), "Why not cat with 100 % confidence?"); // Q = P
  assert.equal(classes.classQuestion(names, -1, { kind: "" }).join(""), "Why P?");
  assert.equal(classes.classQuestion(names, 0, { kind: "class", value: 0 }, false).join(""), "Why cat, rather than cat?");
});

test("the axis holds the range and whatever lies outside of it", () => {
  assert.deepEqual(scores.axisOf([0, 1], 0.5, NaN, undefined), [0, 1]);
  assert.deepEqual(scores.axisOf([0, 1], -0.2, 3), [-0.2, 3]);
});

test("a place on the axis is a score, rounded to a thousandth and kept inside", () => {
  assert.deepEqual([-1, 0, 0.25049, 1, 9].map((share) => scores.scoreAt([0, 100], share)), [0, 0, 25, 100, 100]);
  assert.equal(scores.scoreAt([-1, 1], 0.5), 0);
  assert.equal(scores.scoreAt([2, 2], 0.5), 2);
});

test("decimals tell a thousandth of the range apart", () => {
  assert.deepEqual([[0, 1], [0, 100], [0, 5000], [0, 0.01]].map(scores.decimalsOf), [3, 1, 0, 5]);
});

test("what Q asks depends on its side of the score", () => {
  assert.deepEqual([0.75, 0.25, 0.5, NaN].map((q) => scores.whereIs(q, 0.5)), ["above", "below", "same", "none"]);
  for (const q of [0.25, 0.75]) assert.equal(scores.whereIs(q, 0.5, "tiles"), "tiles");
  assert.equal(scores.whereIs(0.5, NaN), "");
});

test("the plain form prints its factor and what is always true of it", () => {
  const note = scores.formNote("plain", 0.618, 0.75, 3);
  assert.match(note, /2\|y − Q\| = 0\.264/);
  assert.match(note, /Every Q on the same side of y gives the same picture, up to this factor/);
  assert.match(scores.formNote("plain", 0.618, NaN, 3), /^Every Q/);
  assert.match(scores.formNote("tiles", 0.618, 0.75, 3), /^Tiles/);
});

test("the question about a score", () => {
  assert.equal(scores.scoreQuestion(0.618, -0.25, 2).join(""), "Why 0.62, rather than −0.25?");
  assert.equal(scores.scoreQuestion(0.618, NaN, 2).join(""), "Why the score 0.62?");
  assert.equal(scores.scoreQuestion(NaN, NaN, 2).join(""), "Why this score?"); // while it is computed
  assert.equal(scores.scoreQuestion(0.618, 1, 2, "arousal").join(""), "Why arousal 0.62, rather than 1.00?");
  assert.equal(scores.scoreQuestion(NaN, NaN, 2, "arousal").join(""), "Why arousal?");
});

test("as many classes can be compared as there are", () => {
  assert.deepEqual([3, 12, 13, 1000].map((count) => amountsOf(count)), [[12], [12], [12, 24], [12, 24, 48, 96, 200]]);
});

test("keys go through tiles in rows, and stay at the ends", () => {
  const go = (key, from) => moveInTiles(key, from, 10, 4);
  assert.deepEqual([go("ArrowRight", 0), go("ArrowLeft", 0), go("ArrowDown", 1), go("ArrowUp", 1), go("ArrowDown", 8)], [1, 0, 5, 1, 8]);
  assert.deepEqual([go("Home", 5), go("End", 5), go("x", 5)], [0, 9, undefined]);
});

test("zero is clear, and both ends are full colours", () => {
  assert.equal(colourWord(128) >>> 24, 0);
  assert.deepEqual([1, 255].map((byte) => colourWord(byte) >>> 24), [255, 255]);
  assert.notEqual(colourWord(1), colourWord(255));
});

import assert from "node:assert/strict";
import test from "node:test";
import { badgesOf, rowsOf } from "../../xai_widgets/static/contrast_picker/classes.js";
import { legendOf, placeOn, stepOf } from "../../xai_widgets/static/contrast_picker/scores.js";
import { countWords, noImpacts, placeOf, stepTo } from "../../xai_widgets/static/impact_plane/points.js";
import { moveInList, withModifier } from "../../xai_widgets/static/shared/controls.js";
import { bytes, floats, folded, shortened } from "../../xai_widgets/static/shared/values.js";

test("a long name loses its middle, and no half of a letter", () => {
  assert.equal(shortened("granny smith", 12), "granny smith");
  assert.equal(shortened("granny smithy", 11), "granny…ithy");
  for (const most of [3, 8, 20]) assert.equal([...shortened("🐈".repeat(50), most)].length, most);
  assert.ok(!/[\ud800-\udbff](?![\udc00-\udfff])/.test(shortened("🐈".repeat(50), 8)));
});

test("a search knows neither accents nor capitals", () => {
  assert.equal(folded("Grande École"), "grande ecole");
});

test("bytes that start anywhere are read", () => {
  const buffer = new ArrayBuffer(11);
  new Uint8Array(buffer).set(new Uint8Array(Float32Array.of(0.5, -2).buffer), 3);
  const view = new DataView(buffer, 3, 8);
  assert.deepEqual([...floats(view)], [0.5, -2]);
  assert.equal(bytes(view).length, 8);
});

test("keys move in a list and out of it at the top", () => {
  assert.deepEqual(["ArrowDown", "ArrowUp", "PageDown", "Home", "End", "x"].map((key) => moveInList(key, 3, 10)), [4, 2, 9, 0, 9, undefined]);
  assert.equal(moveInList("ArrowUp", 0, 10), -1);
  assert.equal(moveInList("PageUp", 3, 10), 0);
  assert.equal(moveInList("ArrowDown", 0, 0), 0);
  assert.equal(withModifier({ ctrlKey: false, metaKey: true, altKey: false }), true);
});

test("P and Q are marked where they are", () => {
  const marks = (contrast) => [0, 1, 2].map((index) => badgesOf(index, 1, contrast));
  assert.deepEqual(marks({ kind: "class", value: 2 }), ["", "P", "Q"]);
  assert.deepEqual(marks({ kind: "class", value: 1 }), ["", "PQ", ""]);
  assert.deepEqual(marks({ kind: "confidence" }), ["", "PQ", ""]);
  assert.deepEqual(marks({ kind: "" }), ["", "P", ""]);
});

test("Q stands in the list however far down it is", () => {
  const found = [5, 4, 3, 2, 1, 0];
  assert.deepEqual(rowsOf(found, { kind: "class", value: 1 }, 3), [5, 4, 3, 1]);
  assert.deepEqual(rowsOf(found, { kind: "class", value: 4 }, 3), [5, 4, 3]);
  assert.deepEqual(rowsOf(found, { kind: "class", value: 9 }, 3), [5, 4, 3]); // not found by the search
});

test("the legend of an axis names what is known", () => {
  assert.equal(legendOf(0.5, NaN, 0.75, 2), "● score y 0.50   ▮ Q 0.75");
  assert.equal(legendOf(NaN, NaN, NaN, 2), "● score y …");
  assert.deepEqual([placeOn([0, 4], 1), placeOn([0, 4], 9), placeOn([2, 2], 2)], ["25%", "100%", "0%"]);
  assert.deepEqual(["ArrowLeft", "PageUp", "a"].map(stepOf), [-0.01, 0.1, undefined]);
});

test("maps are counted in words", () => {
  const impacts = { ...noImpacts(), deltaY: new Float32Array(3), exact: Uint8Array.of(1, 0, 1) };
  assert.equal(countWords(impacts, 2), "2 of 3 maps exact · 2 selected");
  assert.equal(countWords({ ...impacts, exact: new Uint8Array(3).fill(1) }, 0), "3 maps · 0 selected");
  assert.equal(countWords(noImpacts(), 0), "no maps yet");
});

test("keys go through the maps and stop at both ends", () => {
  assert.deepEqual(["ArrowRight", "ArrowUp", "PageDown", "Home", "End", " "].map((key) => stepTo(key, 1, 4)), [2, 0, 3, 0, 3, undefined]);
});

test("every point lies in the frame until the reader zooms in", () => {
  const deltaY = Float32Array.of(-3, 0, 1, 20), deltaError = Float32Array.of(0.1, -5, 2, 0);
  for (const impacts of [{ ...noImpacts(), deltaY, deltaError }, { ...noImpacts(), deltaY }]) {
    const { frame, px, py } = placeOf(impacts, 400, 300, 1);
    assert.ok(px.every((x) => x >= frame.left && x <= frame.right) && py.every((y) => y >= frame.top && y <= frame.bottom));
  }
  const { frame, px } = placeOf({ ...noImpacts(), deltaY, deltaError }, 400, 300, 8);
  assert.ok(px[3] > frame.right);
});

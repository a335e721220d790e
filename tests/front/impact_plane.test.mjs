import assert from "node:assert/strict";
import test from "node:test";

import { CROSSED, crossed, effect, messageFor, placeOf, pointsOf, ranked, selection, sentence, shapeOf, sizesOf } from "../../xai_widgets/static/impact_plane/points.js";
const ROLES = ["makes no difference to the error", "helpful, raises the score", "helpful, lowers the score",
  "harmful, raises the score", "harmful, lowers the score"];
const impacts = (deltaY, deltaError = [], roles = []) => ({ deltaY: Float32Array.from(deltaY),
  deltaError: Float32Array.from(deltaError), roles: Int8Array.from(roles), roleWords: ROLES, exact: new Uint8Array(deltaY.length).fill(1) });

test("a map without which the score falls was raising it", () => {
  assert.deepEqual([-1, 1, 0].map(effect), ["raises the score", "lowers the score", "changes nothing"]);
  assert.deepEqual([-1, 1, 0].map(shapeOf), ["up", "down", "dot"]);
});

test("maps are gone through from the largest effect on", () => {
  assert.deepEqual(ranked(Float32Array.from([0.1, -0.5, 0, 0.5])), [1, 3, 0, 2]);
});

test("with a rating the plane, without one the rank", () => {
  const plane = pointsOf(impacts([1, -2, 0], [0.5, -0.5, 0]));
  assert.deepEqual([[...plane.xs], [...plane.ys], plane.byRank], [[1, -2, 0], [0.5, -0.5, 0], false]);
  const rank = pointsOf(impacts([1, -2, 0]));
  assert.deepEqual([[...rank.xs], [...rank.ys], rank.byRank], [[3, 1, 2], [1, -2, 0], true]);
});

test("a map is told by name, both numbers and its role", () => {
  const text = sentence(1, impacts([0, -0.25], [0, 0.125], [0, 1]));
  assert.equal(text, "map 1: Δ score −0.250 · Δ error +0.125 · helpful, raises the score");
  const without = { ...impacts([0.5]), exact: Uint8Array.of(0) };
  assert.equal(sentence(0, without), "map 0: Δ score +0.500 · lowers the score (first estimate)");
});

test("of P − Q a map is for P or for Q", () => {
  const of = { ways: ["for cat", "for tree"], change: "Δ(cat − tree)" };
  assert.deepEqual([-1, 1, 0].map((change) => effect(change, of.ways)), ["for cat", "for tree", "changes nothing"]);
  const roleWords = [ROLES[0], "helpful, for cat", "helpful, for tree", "harmful, for cat", "harmful, for tree"];
  assert.equal(sentence(0, { ...impacts([0.5], [-0.25], [4]), ...of, roleWords, error: "cross entropy" }),
    "map 0: Δ(cat − tree) +0.500 · Δ cross entropy −0.250 · harmful, for tree");
  assert.equal(sentence(0, { ...impacts([-0.5]), ...of }), "map 0: Δ(cat − tree) −0.500 · for cat");
});

test("a selection is replaced, or grows and shrinks with a key", () => {
  assert.deepEqual(selection([1, 2], [3], false), [3]);
  assert.deepEqual(selection([1, 2], [], false), []);
  assert.deepEqual(selection([1, 2], [2], true), [1]);
  assert.deepEqual(selection([1, 2], [3], true), [1, 2, 3]);
  assert.deepEqual(selection([1, 2], [2, 5], true), [1, 2, 5]);
});

test("of a set the medians are told with their intervals, and the crosses of many maps are those that are pointed at", () => {
  const ends = { left: Float32Array.of(-0.5, NaN), right: Float32Array.of(-0.125, NaN), low: Float32Array.of(0.0625, NaN), high: Float32Array.of(0.25, NaN) };
  const plane = { ...impacts([-0.25, 0.5], [0.125, -0.5], [1, 4]), ofSet: true, ends };
  assert.equal(sentence(0, plane), "map 0: median Δ score −0.250 [−0.500, −0.125] · median Δ error +0.125 [+0.0625, +0.250] · helpful, raises the score");
  assert.equal(sentence(1, plane), "map 1: median Δ score +0.500 · median Δ error −0.500 · harmful, lowers the score");
  assert.deepEqual([crossed(plane, [1], 0), crossed({ ...plane, ofSet: false }, [1], 0)], [[0, 1], []]);
  const many = { ...impacts(new Array(CROSSED + 1).fill(1)), ofSet: true };
  assert.deepEqual([crossed(many, [3, 900], 5), crossed(many, [3], -1), crossed(many, [3], 3)], [[3, 5], [3], [3]]);
  assert.deepEqual(ranked(Float32Array.of(0.5, NaN, -1)), [2, 0, 1], "what has no median comes last");
});

test("the axes of a set hold the intervals of few maps", () => {
  const ends = { left: Float32Array.of(-4), right: Float32Array.of(2), low: Float32Array.of(-1), high: Float32Array.of(8) };
  const { x, y } = placeOf({ ...impacts([-1], [1], [1]), ofSet: true, ends }, 400, 300, 1);
  assert.ok(x.low <= -4 && x.high >= 2 && y.low <= -1 && y.high >= 8);
});

test("a map is told with its name and that it is muted", () => {
  const plane = { ...impacts([0.5]), names: new Map([[0, "sky"]]), muted: new Set([0]) };
  assert.equal(sentence(0, plane), "map 0 “sky”: Δ score +0.500 · lowers the score · muted");
});

test("marks are alike, or their area is the activation", () => {
  const plane = { ...impacts([1, 1, 1]), activation: Float32Array.of(4, 1, -1) }, size = sizesOf(plane, true);
  assert.deepEqual([0, 1, 2].map(sizesOf(plane, false)), [5, 5, 5]);
  assert.ok(size(0) > size(1) && size(1) > size(2) && size(2) > 1);
  assert.ok(Math.abs(size(1) - size(2) - (size(0) - size(2)) / 2) < 1e-9);
  assert.equal(sizesOf({ ...plane, activation: Float32Array.of(1) }, true)(0), 5, "of other maps");
});

test("mute and solo are of the selected maps, or of the current one; muted maps are restored", () => {
  assert.deepEqual(messageFor("mute", [1, 2], 5, new Set([1])), { kind: "mute", indices: [1, 2] });
  assert.deepEqual(messageFor("mute", [1], 5, new Set([1])), { kind: "restore", indices: [1] });
  assert.deepEqual(messageFor("solo", [], 5, undefined), { kind: "solo", indices: [5] });
  assert.deepEqual(messageFor("mute", [], undefined, new Set()), { kind: "mute", indices: [] });
});

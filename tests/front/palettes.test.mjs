import assert from "node:assert/strict";
import test from "node:test";

import { cellOf, colourise, colourOf, cover, ramp, RAMPS, upsample, valueAt } from "../../xai_widgets/static/shared/palettes.js";

const linear = (channel) => (channel / 255 <= 0.04045 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4);
const dot = (rows, vector) => rows.map((row) => row.reduce((sum, value, i) => sum + value * vector[i], 0));

/** OKLab of linear RGB. */
function oklab(rgb) {
  const lms = dot([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005]], rgb).map(Math.cbrt);
  return dot([[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.808675766]], lms);
}

// Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
const BLINDNESSES = {
  protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
};

test("palettes are of equal lightness on both sides, and darker with size where they cover", () => {
  for (const name of Object.keys(RAMPS)) {
    let before = 1;
    for (let size = 0.2; size <= 1.001; size += 0.1) {
      const [low, high] = [-size, size].map((value) => oklab(colourOf(name, Math.max(Math.min(value, 1), -1)).map(linear))[0]);
      assert.ok(Math.abs(low - high) < 0.03, `${name} at ${size}: ${low} and ${high}`);
      assert.ok(low < before + 1e-9, `${name} at ${size}`);
      before = low;
    }
  }
});

test("both sides differ for the common colour blindnesses, but for the published red and green", () => {
  for (const name of Object.keys(RAMPS).filter((one) => one !== "red-green")) {
    for (const [kind, rows] of Object.entries(BLINDNESSES)) {
      for (const size of [0.5, 1]) {
        const [low, high] = [-size, size].map((value) => oklab(dot(rows, colourOf(name, value).map(linear)).map((v) => Math.max(v, 0))));
        const far = Math.hypot(low[0] - high[0], low[1] - high[1], low[2] - high[2]);
        assert.ok(far > 0.1, `${name} for ${kind} at ${size}: ${far}`); // 0.02 is just seen
      }
    }
  }
});

test("zero is transparent, the ends are opaque, cover grows", () => {
  const alphas = [...ramp("blue-red")].map((word) => word >>> 24);
  assert.deepEqual([alphas[255], alphas[0], alphas[510]], [0, 255, 255]);
  for (let i = 256; i < 511; i++) assert.ok(alphas[i] >= alphas[i - 1] && alphas[i] === alphas[510 - i]);
  assert.equal(cover(2), 1);
});

test("up-sampling keeps constants, corners and the mean of two, as torch with corners not aligned", () => {
  assert.deepEqual([...upsample([3, 3, 3, 3], 2, 2, 3, 5)], Array(15).fill(3));
  assert.deepEqual([...upsample([0, 4], 1, 2, 1, 4)], [0, 1, 3, 4]);
});

test("the value under the pointer is the value that is painted", () => {
  const values = Float32Array.from({ length: 12 }, (_, i) => Math.sin(3 * i)), [H, W] = [30, 40], fine = upsample(values, 3, 4, H, W);
  for (const [y, x] of [[0, 0], [29, 39], [11, 17], [20, 3]]) {
    assert.ok(Math.abs(valueAt(values, 3, 4, (x + 0.5) / W, (y + 0.5) / H) - fine[y * W + x]) < 1e-6);
  }
  assert.deepEqual(cellOf(3, 4, 0.26, 0.99), [2, 1]);
  assert.deepEqual(cellOf(3, 4, 1, 1), [2, 3]);
  assert.equal(valueAt(values, 3, 4, 0.26, 0.99, false), values[2 * 4 + 1]);
});

test("colours: limit is full, beyond it stays full, positive hides the rest, NaN and an all-zero map are clear", () => {
  const paint = (values, limit, sign) => {
    const words = new Uint32Array(values.length);
    colourise(words, values, limit, { palette: "blue-red", sign });
    return [...words];
  };
  const table = ramp("blue-red");
  assert.deepEqual(paint([-2, 0, 2, 9], 2, "signed"), [table[0], table[255], table[510], table[510]]);
  assert.deepEqual(paint([-2, 2], 2, "positive").map((word) => word >>> 24), [0, 255]);
  assert.deepEqual(paint([NaN, 0], 0, "signed").map((word) => word >>> 24), [0, 0]);
});

import assert from "node:assert/strict";
import test from "node:test";

import { layerLine, percent } from "../../xai_widgets/static/status_bar/view.js";
import { NARROW, rearranged } from "../../xai_widgets/static/metric_radar/view.js";

test("a layer in one line", () => {
  const layer = { name: "layer4", maps: 512, height: 7, width: 7 };
  assert.equal(layerLine({ ...layer, cost: 0.313 }), "layer4 · 512 maps · 7 × 7 · 31 % of a forward");
  assert.equal(layerLine({ ...layer, cost: 0.0004 }), "layer4 · 512 maps · 7 × 7 · < 1 % of a forward");
  assert.equal(layerLine(layer), "layer4 · 512 maps · 7 × 7");
});

test("progress stays between nothing and all", () => {
  assert.deepEqual([-1, 0, 0.426, 1, 7].map(percent), ["0 %", "0 %", "43 %", "100 %", "100 %"]);
});

test("the plots are arranged anew only when the width crosses a line", () => {
  assert.equal(rearranged(NARROW + 1, false), null);
  assert.equal(rearranged(NARROW - 1, false), true);
  assert.equal(rearranged(NARROW - 1, true), null);
  assert.equal(rearranged(NARROW, true), false);
  assert.equal(rearranged(0, true), null); // not laid out yet
});

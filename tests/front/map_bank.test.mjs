import assert from "node:assert/strict";
import test from "node:test";

import { finder, groupOf } from "../../xai_widgets/static/map_bank/find.js";import { placeOf, visible } from "../../xai_widgets/static/shared/grid.js";

import { cellAt, gainAt, layoutOf, moved, SIZES } from "../../xai_widgets/static/map_bank/layout.js";
import { arrange, countsOf, decimalsFor, describe, FILTERS, largest, ORDERS, short, shownBy, wordsOf } from "../../xai_widgets/static/map_bank/order.js";

function bankOf(changes = {}) {
  const bank = {
    delta: [0.1, -0.4, 0, 0.3, NaN, -0.2], error: [0.1, 0.4, 0, -0.3, 0, -0.2], roles: [2, 1, 0, 4, 0, 3],
    exact: [1, 1, 1, 0, 0, 1], gains: Float32Array.of(1, 0, 1, 1.5, 1, 1), dead: [0, 0, 1, 0, 0, 0], selected: new Set([3, 5]),
    value: 0.7, roleWords: ["makes no difference to the error", "helpful, raises the score", "helpful, lowers the score",
      "harmful, raises the score", "harmful, lowers the score"], ...changes,
  };
  return { ...bank, most: largest(bank.delta) };
}

test("each cell is found where it is painted", () => {
  for (const [name, size] of Object.entries(SIZES)) {
    for (const width of [40, 300, 1280]) {
      const layout = layoutOf(width, 100, size);
      assert.ok(layout.map >= size.map && placeOf(layout, layout.columns - 1).x + layout.map <= Math.max(width, size.map + size.gap), name);
      for (let place = 0; place < 100; place++) {
        const { x, y } = placeOf(layout, place);
        assert.deepEqual(cellAt(layout, x + 1, y + 1), { place, part: "map" });
        assert.deepEqual(cellAt(layout, x + layout.map - 1, y + layout.map + layout.caption - 1), { place, part: "map" });
        assert.deepEqual(cellAt(layout, x + 1, y + layout.map + layout.caption + layout.bar - 1), { place, part: "bar" });
      }
    }
  }
  assert.equal(cellAt(layoutOf(300, 2), 10 + 2 * 100, 10), null);
});

test("only cells in the window are painted, and all of them", () => {
  const layout = layoutOf(800, 4096), [first, last] = visible(layout, 1000, 360);
  assert.ok(last - first <= 6 * layout.columns);
  for (let place = 0; place < 4096; place++) {
    const { y } = placeOf(layout, place);
    if (y + layout.pitchY - layout.gap > 1000 && y < 1360) assert.ok(place >= first && place < last);
  }
  assert.deepEqual(visible(layoutOf(800, 0), 0, 360), [0, 0]);
});

test("a bar goes from 0 to 2 and rests at 1", () => {
  const layout = layoutOf(800, 9), { x } = placeOf(layout, 3), half = layout.map / 2;
  assert.deepEqual([-50, 0, half, half + 0.5, layout.map, 500].map((at) => gainAt(layout, 3, x + at)), [0, 0, 1, 1, 2, 2]);
});

test("keys stay on the maps", () => {
  const layout = layoutOf(300, 10), last = layout.columns;
  assert.equal(moved(layout, 0, "ArrowLeft", 300), 0);
  assert.equal(moved(layout, 0, "ArrowDown", 300), last);
  assert.equal(moved(layout, 9, "PageDown", 300), 9);
  assert.equal(moved(layout, 4, "Home", 300), 0);
  assert.equal(moved(layout, 4, "End", 300), 9);
  assert.equal(moved(layout, 4, "x", 300), undefined);
});

test("maps are sorted by effect first; unknown and dead ones come last", () => {
  assert.deepEqual(arrange(bankOf(), "effect", "all"), [1, 3, 5, 0, 2, 4]);
  assert.deepEqual(arrange(bankOf(), "raises", "all"), [1, 5, 0, 3, 2, 4]);
  assert.deepEqual(arrange(bankOf(), "lowers", "all"), [3, 0, 5, 1, 2, 4]);
  assert.deepEqual(arrange(bankOf(), "helps", "all"), [1, 0, 4, 5, 3, 2]);
  assert.deepEqual(arrange(bankOf(), "role", "all"), [1, 0, 5, 3, 2, 4]);
  assert.deepEqual(arrange(bankOf(), "index", "all"), [0, 1, 2, 3, 4, 5]);
});

test("before any effect is known maps stand by number", () => {
  const early = bankOf({ delta: null, error: null, roles: null, dead: [0, 0, 0, 0, 0, 0] });
  for (const order of Object.keys(ORDERS)) assert.deepEqual(arrange(early, order, "all"), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(arrange(early, "effect", "raises"), []);
});

test("filters: delta y below zero raises, above lowers; roles by their number", () => {
  const kept = Object.fromEntries(Object.keys(FILTERS).map((name) => [name, arrange(bankOf(), "index", name)]));
  assert.deepEqual(kept, { all: [0, 1, 2, 3, 4, 5], raises: [1, 5], lowers: [0, 3], helpful: [0, 1], harmful: [3, 5],
    helpful_raises: [1], helpful_lowers: [0], harmful_raises: [5], harmful_lowers: [3], changed: [1, 3], muted: [1], selected: [3, 5] });
  assert.deepEqual(countsOf(bankOf()), Object.fromEntries(Object.entries(kept).map(([name, maps]) => [name, maps.length])));
});

test("numbers share their decimals and have a true minus", () => {
  const decimals = decimalsFor(0.0412, 2);
  assert.deepEqual([-0.0412, 0.0007, 0, NaN, undefined].map((value) => short(value, decimals)), ["−.041", "+.001", "0", "…", "…"]);
  assert.equal(short(123.4, decimalsFor(123.4, 2)), "+123");
  assert.equal(decimalsFor(0, 2), 0);
});

test("words say which way a map goes, and what is only estimated", () => {
  assert.deepEqual(describe(bankOf(), 1), ["map 1 · muted · raises the score · helpful",
    "Without it: 0.700 → 0.300 (Δy −0.400). The error would grow by 0.400."]);
  assert.match(describe(bankOf(), 3, "cat")[0], /gain 1\.50 · lowers cat · harmful/);
  assert.match(describe(bankOf(), 3)[1], /→ about 1\.00 \(Δy ≈ \+0\.300\)/);
  assert.match(describe(bankOf(), 2)[0], /dead/);
  assert.match(describe(bankOf(), 4)[1], /being computed/);
  assert.match(describe(bankOf({ roles: null, error: null }), 0).join(), /^map 0 · gain 1\.00 · lowers the score,Without it: 0\.700 → 0\.800 \(Δy \+0\.100\)\.$/);
});

test("of P − Q a map is for P or for Q: in its words, in choices, orders and figures", () => {
  const beside = Float32Array.of(-3, 1, 0, 2, -0.5, 0), besideExact = Uint8Array.of(1, 1, 1, 0, 1, 1), live = [0, 0, 0, 0, 0, 0];
  const words = ["makes no difference to the error", "helpful, for cat", "helpful, for tree, oak", "harmful, for cat", "harmful, for tree, oak"];
  const known = bankOf({ dead: live, ways: ["for cat", "for tree, oak"], change: "Δ(cat − tree, oak)", subject: "cat − tree, oak", roleWords: words,
    beside, besideExact, besideName: "Δ cat", region: Float32Array.of(0, 0, 2, 0, 0, 0), regionChange: "Δ(cat − tree, oak)" });
  assert.deepEqual(describe(known, 1), ["map 1 · muted · for cat · helpful",
    "Without it: 0.700 → 0.300 (Δ(cat − tree, oak) −0.400). The error would grow by 0.400. Removed in the region only: Δ(cat − tree, oak) +0.00. Δ cat +1.00."]);
  assert.match(describe(known, 3)[0], /for tree, oak · harmful$/);
  assert.match(describe(known, 3)[1], / Δ cat ≈ \+2\.00\./);
  assert.match(describe(known, 2)[0], /leaves cat − tree, oak as it is · neutral$/);
  assert.deepEqual(["raises", "lowers", "helpful_raises", "harmful_lowers", "helpful", "all"].map((name) => wordsOf(known, FILTERS[name][1])),
    ["for cat", "for tree, oak", "helps, for cat", "harms, for tree, oak", "helps", "all"]);
  assert.deepEqual([wordsOf(known, ORDERS.raises), wordsOf(known, ORDERS.lowers)], ["most for cat", "most for tree, oak"]);
  const plain = bankOf({ subject: "cat" });
  assert.deepEqual(["raises", "helpful_raises"].map((name) => wordsOf(plain, FILTERS[name][1])), ["raises cat", "helps, raises"]);
  assert.equal(wordsOf(plain, ORDERS.raises), "raises most");
  assert.equal(shownBy(known, "effect"), known);
  assert.deepEqual([shownBy(known, "region").delta, shownBy(known, "region").most], [known.region, 2]);
});

test("maps are sorted by activation, by likeness and by the effect in a region, where these are known", () => {
  const known = bankOf({ dead: [0, 0, 0, 0, 0, 0], activation: Float32Array.of(1, 2, 9, 4, 3, 0), like: 3,
    likeness: Float32Array.of(0.5, NaN, -1, 1, 0, 0.25), region: Float32Array.of(0, -9, 2, NaN, 1, 3) });
  assert.deepEqual(["activation", "likeness", "region"].map((order) => arrange(known, order, "all")),
    [[2, 3, 4, 1, 0, 5], [3, 0, 5, 4, 2, 1], [1, 5, 2, 4, 0, 3]]);
  assert.match(describe(known, 2)[1], / Likeness to map 3: −1\.00\. Removed in the region only: Δy \+2\.00\./);
  assert.doesNotMatch(describe(known, 1)[1], /Likeness/);
});

test("a search means numbers, ranges, names without accents, and the maps of a group", () => {
  const named = { names: new Map([[3, "Räder"], [4, "ears"]]), groups: [["round things", [1, 3]]] };
  const found = (text) => [0, 1, 2, 3, 4, 5, 12].filter(finder(text, named));
  assert.deepEqual(["", " ", "3", "0, 4-5", "1 12", "rad", "EARS", "round", "nothing"].map(found),
    [[0, 1, 2, 3, 4, 5, 12], [0, 1, 2, 3, 4, 5, 12], [3], [0, 4, 5], [1, 12], [3], [4], [1, 3], []]);
  assert.deepEqual(arrange(bankOf({ ...named }), "index", "all", "round"), [1, 3]);
  assert.equal(describe(bankOf({ ...named }), 4)[0].startsWith("map 4 “ears” · "), true);
  assert.deepEqual([groupOf(named.groups, new Set([3, 1])), groupOf(named.groups, new Set([1])), groupOf([], new Set())], ["round things", "", ""]);
});

import assert from "node:assert/strict";
import test from "node:test";

import { asked, cardPlace, isLeft, lingersOn, MARK, NO_CARD, onMark, told } from "../../xai_widgets/static/map_bank/card.js";
import { deedOf } from "../../xai_widgets/static/map_bank/keys.js";
import { layoutOf } from "../../xai_widgets/static/map_bank/layout.js";
import { arrange } from "../../xai_widgets/static/map_bank/order.js";
import { arranged, newState, withMaps, withSet } from "../../xai_widgets/static/map_bank/state.js";

test("a key or a click opens a card, the same again closes it, and what the kernel said before is no news", () => {
  const open = asked(NO_CARD, 3);
  assert.deepEqual(open, { index: 3, pinned: true });
  assert.equal(asked(open, 3), NO_CARD);
  assert.equal(asked({ index: 3, pinned: false }, 3).pinned, true, "one that the pointer opened stays from now on");
  const waits = { index: 4, pinned: false, waits: true };
  assert.equal(told(waits, 3), waits, "a crop of the card before");
  assert.deepEqual(told(waits, 4), { index: 4, pinned: false, waits: false });
  assert.equal(told({ index: 4, pinned: true }, undefined), NO_CARD);
  assert.deepEqual(told(NO_CARD, 7), { index: 7, pinned: true }, "opened from Python");
});

test("a pointer that rests on a map opens its card and closes it when it has left both", () => {
  const pointer = { under: 5, part: "map", busy: false };
  assert.equal(lingersOn(NO_CARD, pointer), 5);
  assert.equal(lingersOn(NO_CARD, { ...pointer, part: "bar" }), -1);
  assert.equal(lingersOn(NO_CARD, { ...pointer, busy: true }), -1, "a drag goes on");
  const open = { index: 5, pinned: false };
  assert.equal(lingersOn(open, pointer), -1);
  assert.equal(lingersOn(open, { ...pointer, under: 6 }), 6);
  assert.equal(lingersOn({ index: 5, pinned: true }, { ...pointer, under: 6 }), -1);
  assert.equal(isLeft(open, { under: 5, onCard: false }), false);
  assert.equal(isLeft(open, { under: -1, onCard: true }), false);
  assert.equal(isLeft(open, { under: -1, onCard: false }), true);
  assert.equal(isLeft({ index: 5, pinned: true }, { under: -1, onCard: false }), false);
});

test("a card stands beside its map and inside of the view", () => {
  const cell = { x: 100, y: 80, width: 64, height: 64 }, card = { width: 300, height: 400 };
  assert.deepEqual(cardPlace(cell, card, { width: 900, height: 600 }), { left: 170, top: 80 });
  assert.deepEqual(cardPlace({ ...cell, x: 800 }, card, { width: 900, height: 600 }), { left: 494, top: 80 });
  assert.deepEqual(cardPlace({ ...cell, y: 500 }, card, { width: 900, height: 600 }), { left: 170, top: 200 });
  assert.deepEqual(cardPlace(cell, card, { width: 320, height: 600 }), { left: 20, top: 150 }, "below it");
  assert.deepEqual(cardPlace({ ...cell, y: 520 }, card, { width: 320, height: 600 }), { left: 20, top: 114 }, "above it");
  assert.deepEqual(cardPlace(cell, card, { width: 200, height: 100 }), { left: 0, top: 0 });
});

test("the mark is the corner of a map, and Enter is the key", () => {
  const layout = layoutOf(400, 8);
  assert.equal(onMark(layout, 0, layout.gap + layout.map - 1, layout.gap + layout.map - MARK), true);
  assert.equal(onMark(layout, 0, layout.gap + layout.map - MARK - 1, layout.gap + layout.map - 1), false);
  assert.equal(onMark(layout, 0, layout.gap + layout.map - 1, layout.gap + layout.map + 1), false);
  const bank = withMaps(newState("x"), 4, new Uint8Array(4)), state = { ...newState("x"), ...bank };
  Object.assign(state, arranged(state));
  const key = { shiftKey: false, ctrlKey: false, metaKey: false, altKey: false };
  for (const name of ["Enter", "?"]) assert.deepEqual(deedOf({ ...key, key: name }, state, 300), { kind: "card" });
  assert.deepEqual(deedOf({ ...key, key: "i" }, state, 300), { kind: "act", name: "invert" });
});

test("maps are sorted over the set where it is known, else by their effect here", () => {
  const view = (values) => new DataView(Float32Array.from(values).buffer);
  const state = { ...newState("x"), ...withMaps(newState("x"), 4, Uint8Array.of(0, 0, 0, 1)) };
  state.bank.delta = Float32Array.of(0.1, -0.4, 0.2, 0);
  assert.deepEqual(arrange(state.bank, "set_delta_y", "all"), [1, 2, 0, 3]);
  const { bank } = withSet(state, { set_delta_y: view([0.3, 0.1, -0.5, 0.2]), set_delta_error: view([-1, 2, NaN, 0]), set_active: null });
  assert.deepEqual(arrange(bank, "set_delta_y", "all"), [2, 0, 3, 1], "a map that is dead here has its median");
  assert.deepEqual(arrange(bank, "set_delta_error", "all"), [1, 3, 0, 2], "unknown ones come last");
  assert.deepEqual(arrange(bank, "set_active", "all"), [1, 2, 0, 3]);
});

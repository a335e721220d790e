import assert from "node:assert/strict";
import test from "node:test";

import { deedOf, stepOf } from "../../xai_widgets/static/map_bank/keys.js";
import { scrollTo } from "../../xai_widgets/static/map_bank/layout.js";
import { arranged, banded, chosen, draggedTo, dragOf, laidOut, messageOf, newState, picked, refreshed, released, withDrag, withGains, withImpacts,
  withMaps, withSelected } from "../../xai_widgets/static/map_bank/state.js";

const view = (numbers) => new DataView(Float32Array.from(numbers).buffer);

/** Six maps with effects, in their order: 4 1 3 0 5 2. */
function opened(origin = "me") {
  const state = newState(origin);
  const take = (changes) => Object.assign(state, changes);
  take(withMaps(state, 6, new Uint8Array(6)));
  take(withImpacts(state, { delta_y: view([0.2, -0.5, 0, 0.3, -0.6, 0.1]), exact: new DataView(new ArrayBuffer(6)), value: 0.7 },
    "the score", []));
  take(refreshed(state, "image|true"));
  take(laidOut(state, 300));
  return { state, take };
}
const gains = (state) => Array.from(state.bank.gains);
const key = (name, held = {}) => ({ key: name, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held });

test("maps that arrive are sorted by effect, and the keyboard stands on the first", () => {
  const { state } = opened();
  assert.deepEqual(state.ids, [4, 1, 3, 0, 5, 2]);
  assert.deepEqual([state.current, state.anchor, state.places[4], state.places[2]], [4, 4, 0, 5]);
});

test("other maps of the same number keep their gains, others begin at 1", () => {
  const { state, take } = opened();
  take(withDrag(state, dragOf(state, 1, 0.5)));
  take(withMaps(state, 6, new Uint8Array(6)));
  assert.equal(gains(state)[1], 0.5);
  take(withMaps(state, 3, new Uint8Array(3)));
  assert.deepEqual([gains(state), state.moves.size, state.ids], [[1, 1, 1], 0, []]);
});

test("maps stay in place while the reader is at work; another order is offered and taken later", () => {
  const { state, take } = opened();
  take(withImpacts(state, { delta_y: view([9, 0, 0, 0, 0, 0]), exact: new DataView(new ArrayBuffer(6)) }, "the score", []));
  state.hovering = true;
  take(refreshed(state, "image|true"));
  assert.deepEqual([state.ids[0], state.stale], [4, true]);
  state.hovering = false;
  take(refreshed(state, "image|true"));
  assert.deepEqual([state.ids[0], state.stale], [0, false]);
  state.held = [3];
  assert.deepEqual(refreshed(state, "another image|true"), {});
});

test("while the effects of another P or Q are on their way maps wait in their places", () => {
  const { state, take } = opened();
  take(withImpacts(state, {}, "cat − tree", []));
  take(refreshed(state, "image|true"));
  assert.deepEqual([state.bank.delta, state.ids[0]], [null, 4]);
  state.hovering = true;
  take(withImpacts(state, { delta_y: view([9, 0, 0, 0, 0, 0]), exact: new DataView(new ArrayBuffer(6)), ways: ["for cat", "for tree"] }, "cat − tree", []));
  take(refreshed(state, "image|true"));
  assert.deepEqual([state.ids[0], state.stale, state.bank.ways], [0, false, ["for cat", "for tree"]]);
});

test("a filter moves the keyboard to a map that is shown", () => {
  const { state, take } = opened();
  take({ filter: "lowers" });
  take(arranged(state));
  assert.deepEqual([state.ids, state.current], [[3, 0, 5], 3]);
});

test("a bar moves alone, or with all selected maps if it is one of them", () => {
  const { state, take } = opened();
  take(chosen(state, [1, 2]));
  assert.deepEqual(dragOf(state, 3, 0.25).indices, [3]);
  const drag = dragOf(state, 2, 9);
  assert.deepEqual([drag.indices, drag.value, drag.origin, drag.step], [[2, 1], 2, "me", 2]);
  take(withDrag(state, drag));
  assert.deepEqual(gains(state), [1, 2, 2, 1, 1, 1]);
  assert.equal(dragOf(state, 2, 1).step, 3);
});

test("what the kernel says is shown, but for moves that it has not heard of", () => {
  const { state, take } = opened();
  for (const value of [0.75, 0.5, 0.25]) take(withDrag(state, dragOf(state, 3, value)));
  take(withGains(state, { values: view([0.125, 1, 1, 0.75, 1, 1]), heard: { me: 1 } }));
  assert.deepEqual(gains(state), [0.125, 1, 1, 0.25, 1, 1]);
  take(withGains(state, { values: view([1, 1, 1, 0.25, 1, 1]), heard: { me: 3, other: 8 } }));
  assert.deepEqual([gains(state), state.moves.size], [[1, 1, 1, 0.25, 1, 1], 0]);
  take(withGains(state, { values: view([1, 1, 1, 1, 1, 1]), heard: { me: 3 } })); // an undo
  assert.deepEqual(gains(state), [1, 1, 1, 1, 1, 1]);
  assert.deepEqual(withGains(state, { values: view([1, 1]) }), {}, "gains of another layer are not these");
});

test("a held bar stays under the finger, and what the kernel said meanwhile holds when it is let go", () => {
  const { state, take } = opened();
  take({ held: [3] });
  take(withDrag(state, dragOf(state, 3, 0.25)));
  const cell = { values: view([1, 1, 1, 0.875, 1, 1]), heard: { me: 1 } }; // a cell wrote after the move
  take(withGains(state, cell));
  assert.equal(gains(state)[3], 0.25);
  take(released(state, cell));
  assert.deepEqual([gains(state)[3], state.held], [0.875, []]);
});

test("a drag of another view of the same widget is followed, but not under the finger", () => {
  const mine = opened("me"), other = opened("other");
  other.take(chosen(other.state, [1, 3]));
  mine.take({ held: [1] });
  const drag = dragOf(other.state, 3, 0.5);
  mine.take(withDrag(mine.state, drag));
  assert.deepEqual(gains(mine.state), [1, 1, 1, 0.5, 1, 1]);
  assert.equal(mine.state.step, 0, "it is no move of mine");
  mine.take(withGains(mine.state, { values: view([1, 1, 1, 1, 1, 1]), heard: { other: drag.step - 1 } }));
  assert.equal(gains(mine.state)[3], 0.5, "an older answer does not take it back");
});

test("a selection that the kernel has not heard of is not taken back by an older one", () => {
  const { state, take } = opened();
  take(chosen(state, [1]));
  take(chosen(state, [2]));
  take(withSelected(state, { values: [1], heard: { me: 1 } }));
  assert.deepEqual([...state.bank.selected], [2]);
  take(withSelected(state, { values: [5, 4], heard: { me: 2 } }));
  assert.deepEqual([...state.bank.selected], [5, 4]);
});

test("clicks select one, one more, or a range as it is shown", () => {
  const { state, take } = opened();
  const pick = (index, how) => {
    take(picked(state, index, { shift: false, more: false, ...how }));
    return [...state.bank.selected];
  };
  assert.deepEqual(pick(1), [1]);
  assert.deepEqual(pick(1), [], "the same again lets it go");
  pick(1);
  assert.deepEqual(pick(0, { shift: true }), [1, 3, 0]);
  assert.deepEqual(pick(3, { shift: true }), [1, 3], "from the same end");
  assert.deepEqual(pick(5, { more: true }), [1, 3, 5]);
  assert.deepEqual(pick(1, { more: true }), [3, 5]);
  assert.deepEqual(pick(0, { more: true, shift: true }), [3, 5, 1, 0], "from the last click on, beside what is selected");
});

test("buttons act on what is selected, else on the current map; all muted maps come back", () => {
  const { state, take } = opened();
  assert.deepEqual(messageOf(state, "solo"), { kind: "solo", indices: [4] });
  take(chosen(state, [1, 2]));
  assert.deepEqual(messageOf(state, "mute"), { kind: "mute", indices: [1, 2] });
  take(withDrag(state, dragOf(state, 1, 0)));
  assert.deepEqual(messageOf(state, "mute"), { kind: "restore", indices: [1, 2] });
  assert.deepEqual(messageOf(state, "reset"), { kind: "reset" });
});

test("keys", () => {
  const { state, take } = opened();
  const deed = (name, held) => deedOf(key(name, held), state, 400);
  assert.deepEqual(deed("ArrowRight"), { kind: "go", place: 1, extend: false });
  assert.deepEqual(deed("End", { shiftKey: true }), { kind: "go", place: 5, extend: true });
  assert.deepEqual([deed("+"), deed("0"), deed("-")].map(({ value }) => value), [1.1, 0, 0.9]);
  assert.deepEqual(deed(" "), { kind: "pick", shift: false });
  assert.deepEqual([deed("a"), deed("Escape")], [{ kind: "select", all: true }, { kind: "select", all: false }]);
  assert.deepEqual([deed("m"), deed("u")].map(({ name }) => name), ["mute", "undo"]);
  assert.deepEqual([deed("x"), deed("a", { ctrlKey: true }), deed("m", { metaKey: true })], [null, null, null]);
  take({ filter: "muted" });
  take(arranged(state));
  assert.equal(deed("m"), null, "there is no map to mute");
});

test("control z undoes and shift control z makes it again; other keys with control are the notebook's", () => {
  const step = (name, held) => stepOf(key(name, held));
  assert.deepEqual([step("z", { ctrlKey: true }), step("Z", { ctrlKey: true, shiftKey: true }), step("z", { metaKey: true }),
    step("y", { ctrlKey: true })], ["undo", "redo", "undo", "redo"]);
  assert.deepEqual([step("z"), step("s", { ctrlKey: true }), step("z", { ctrlKey: true, altKey: true })], ["", "", ""]);
});

test("scrolling shows a whole cell and does not move for one that is seen", () => {
  const { state: { layout } } = opened(), tall = { ...layout, count: 600, rows: 200, columns: 3 };
  const top = scrollTo(tall, 300, 0, 200);
  assert.ok(top > 0);
  assert.equal(scrollTo(tall, 300, top, 200), top);
  assert.ok(scrollTo(tall, 0, top, 200) <= 0);
});

test("a fine drag goes a tenth of the way from where it began, and never beyond the ends", () => {
  const { state, take } = opened();
  const { x } = { x: 10 }, width = state.layout.map;
  take({ held: [4] });
  const first = draggedTo(state, 4, x, true);
  assert.deepEqual(first, { value: 1, grip: { x, gain: 1 } });
  take({ grip: first.grip });
  assert.equal(draggedTo(state, 4, x + width / 2, true).value, 1.1);
  assert.equal(draggedTo(state, 4, x - 99 * width, true).value, 0);
  assert.equal(draggedTo(state, 4, x + width / 2, false).grip, null, "without the key the bar is under the pointer again");
  assert.equal(released(state, {}).grip, null);
});

test("a box over maps selects those it touches, beside those before; a small move is a click", () => {
  const { state, take } = opened(); // order 4 1 3 0 5 2, in one or more rows
  const { pitchX, gap, columns } = state.layout, at = (column) => [gap + column * pitchX + 5, gap + 5];
  assert.ok(columns >= 3);
  take({ band: { from: at(0), to: at(0), before: new Set([2]), drawn: false } });
  take(banded(state, [at(0)[0] + 3, at(0)[1]]));
  assert.deepEqual([state.band.drawn, [...state.bank.selected]], [false, []]);
  take(banded(state, at(2)));
  assert.deepEqual([state.band.drawn, [...state.bank.selected]], [true, [2, 4, 1, 3]]);
  take(banded(state, [-50, -50]));
  assert.deepEqual([...state.bank.selected], [2, 4], "it can shrink again");
  assert.deepEqual(banded({ ...state, band: null }, [0, 0]), {});
});

import assert from "node:assert/strict";
import test from "node:test";

import { ranksOf } from "../../xai_widgets/static/gallery/order.js";
import { chose, deedOf, extended, heightOf, inWindow, laidOut, mustStay, nearWindow, newState, pinOf, sorted, toggled, withCurrent,
  withImages, withMarked, withOrder, wordsOf } from "../../xai_widgets/static/gallery/state.js";
import { askerOf, EVERY, missingOf, paceOf, surplusOf, waitFor } from "../../xai_widgets/static/gallery/thumbnails.js";

const COUNT = 60;
const key = (name, held = {}) => ({ key: name, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held });

/** Sixty scored images in three columns. */
function opened(ratings = []) {
  const state = newState("me"), take = (changes) => Object.assign(state, changes), numbers = Array.from({ length: COUNT }, (_, i) => i);
  const names = numbers.map((i) => `image ${i}`);
  take(withImages(state, { names, labels: names.map(() => ""), notes: names.map(() => ""), ranks: ranksOf(names), regression: true,
    ratings: numbers.map((i) => ratings[i] ?? NaN), scores: numbers.map((i) => (i * 7) % COUNT), classes: [], predicted: [],
    comparable: false }, [0, 60]));
  take(sorted(state));
  take(laidOut(state, 240, 1));
  return { state, take };
}

test("images in sight have cells, and the one with the focus keeps its own out of sight", () => {
  const { state, take } = opened(), { pitchY } = state.layout;
  take({ focus: 50 });
  const { sight, shown, focus } = inWindow(state, 0, 2 * pitchY);
  assert.deepEqual([sight.slice(0, 3), shown.has(50), focus], [[0, 1, 2], true, 50]);
  take({ text: "image 1" });
  take(sorted(state));
  assert.equal(inWindow(state, 0, 2 * pitchY).focus, 1, "one that is not shown any more gives it to the first in sight");
  take({ text: "nothing like it" });
  take(sorted(state));
  assert.equal(inWindow(state, 0, 2 * pitchY).shown.size, 0);
});

test("what is in sight is asked for first, then two rows on either side", () => {
  const { state } = opened(), { pitchY, gap } = state.layout;
  const near = nearWindow(state, gap + 5 * pitchY, 2 * pitchY - 1);
  assert.deepEqual(near.slice(0, 6), [15, 16, 17, 18, 19, 20]);
  assert.deepEqual([...near].sort((a, b) => a - b), Array.from({ length: 18 }, (_, i) => 9 + i));
});

test("while one scrolls, a second's rows ahead are asked for, the next first, and one behind", () => {
  const { state } = opened(), { pitchY, gap } = state.layout, at = gap + 8 * pitchY, height = 2 * pitchY - 1;
  const down = nearWindow(state, at, height, 4 * pitchY), up = nearWindow(state, at, height, -2.5 * pitchY), far = nearWindow(state, at, height, 1e6);
  const row = (/** @type {number} */ number) => [3 * number, 3 * number + 1, 3 * number + 2];
  assert.deepEqual(down, [8, 9, 10, 11, 12, 13].flatMap(row).concat(row(7).reverse()));
  assert.deepEqual(up, [...row(8), ...row(9), ...[7, 6, 5].flatMap((one) => row(one).reverse()), ...row(10)]);
  assert.deepEqual([...far].sort((a, b) => a - b), Array.from({ length: COUNT - 21 }, (_, i) => 21 + i), "to the end, twelve rows at most");
});

test("how fast one scrolls is known from the places of its paints, and forgotten after a rest", () => {
  const pace = paceOf();
  assert.equal(pace(0, 1000), 0);
  let speed = 0;
  for (let now = 1050; now <= 1500; now += 50) speed = pace((now - 1000) * 0.72, now);
  assert.ok(Math.abs(speed - 720) < 5, `${speed}`);
  assert.equal(pace(9999, 1510), speed, "too soon to say");
  assert.ok(pace(0, 1550) < -1000, "the other way");
  assert.equal(pace(0, 2000), 0);
});

test("a request leaves at once, then at most every 150 ms, and is never put off", () => {
  assert.deepEqual([waitFor(1000, -Infinity), waitFor(1000, 1000), waitFor(1100, 1000), waitFor(5000, 1000)], [0, EVERY, 50, 0]);
});

test("while one scrolls, what is in sight is asked for again and again, and what has left it is not", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const sent = [], clock = { now: 0 }, window = globalThis.window, closing = [];
  t.mock.method(performance, "now", () => clock.now);
  globalThis.window = { setTimeout };
  t.after(() => { globalThis.window = window; });
  let top = 0;
  const asker = askerOf({ model: { send: (content) => sent.push([clock.now, ...content.indices]) }, onClose: (end) => closing.push(end) },
    "me", () => ({ indices: [top, top + 1], side: 96 }));
  for (; clock.now < 1000; clock.now += 10) { // a paint every 10 ms
    top = clock.now / 10;
    asker.soon();
    t.mock.timers.tick(10);
  }
  assert.ok(sent.length >= 6 && sent.length <= 8, `${sent.length} requests`);
  for (let i = 1; i < sent.length; i++) assert.ok(sent[i][0] - sent[i - 1][0] <= EVERY + 10, `${sent[i]} after ${sent[i - 1]}`);
  for (const [now, ...indices] of sent) assert.deepEqual(indices, [now / 10, now / 10 + 1], "what is in sight when it leaves");
  t.mock.timers.tick(1000);
  const before = sent.length;
  asker.soon();
  t.mock.timers.tick(1000);
  assert.equal(sent.length, before, "the same is not asked for twice");
  asker.forget();
  asker.soon();
  closing.forEach((end) => end());
  t.mock.timers.tick(1000);
  assert.equal(sent.length, before, "nor after the view has gone");
});

test("only what is missing, broken images not, and small pictures again where larger ones are wanted", () => {
  const pictures = new Map([[1, { address: "a", side: 96 }], [2, { address: "b", side: 192 }]]), broken = new Map([[3, "is cut off"]]);
  assert.deepEqual(missingOf([1, 2, 3, 4], 96, pictures, broken), [4]);
  assert.deepEqual(missingOf([1, 2, 3, 4], 192, pictures, broken), [1, 4]);
});

test("the oldest pictures go, those that are shown stay", () => {
  const shown = new Set([0, 3]);
  assert.deepEqual(surplusOf([0, 1, 2, 3, 4], 5, (index) => shown.has(index), 3), [1, 2]);
  assert.deepEqual(surplusOf([0, 1], 2, (index) => shown.has(index), 3), []);
});

test("cells stay while scores come in under the pointer, unless their order does not depend on scores", () => {
  const { state, take } = opened();
  take({ hovering: true });
  assert.equal(mustStay(state), false);
  take(withOrder(state, "score", true));
  assert.equal(mustStay(state), true);
  take(withOrder(state, "rating", true));
  assert.equal(state.order, "given", "there are no ratings");
});

test("there is room for the words under each thumbnail, and no more", () => {
  const bare = opened().state, rated = opened([0.5]).state;
  assert.deepEqual([bare.lines, rated.lines, rated.layout.pitchY - bare.layout.pitchY], [1, 2, 15]);
  assert.ok(heightOf(bare, 240, 9999) < heightOf(rated, 240, 9999));
  assert.equal(heightOf(bare, 240, 300), 300);
});

test("a click with control adds or takes away one, with shift it takes all from the last one on", () => {
  const { state, take } = opened();
  take(toggled(state, 4));
  take(toggled(state, 9));
  assert.deepEqual([[...state.chosen], state.anchor, state.step], [[4, 9], 9, 2]);
  take(extended(state, 7, true));
  assert.deepEqual([...state.chosen], [4, 9, 7, 8]);
  take(extended(state, 10, false));
  assert.deepEqual([...state.chosen], [9, 10]);
  take(toggled(state, 9));
  assert.deepEqual([...state.chosen], [10]);
});

test("a choice that the kernel has not heard of is not taken back by an older one", () => {
  const { state, take } = opened();
  take(chose(state, [1]));
  take(chose(state, [2]));
  take(withMarked(state, { values: [1], heard: { me: 1 } }));
  assert.deepEqual([...state.chosen], [2]);
  take(withMarked(state, { values: [7], heard: { me: 2, other: 1 } }));
  assert.deepEqual([...state.chosen], [7]);
});

test("the keyboard follows the image that is explained, unless it is at work on another cell", () => {
  const { state, take } = opened();
  take(withCurrent(state, 5));
  assert.deepEqual([state.current, state.focus], [5, 5]);
  take({ typing: true, focus: 8 });
  take(withCurrent(state, 6));
  assert.deepEqual([state.current, state.focus], [6, 8]);
});

test("pins are let go where all are pinned", () => {
  const { state, take } = opened();
  take({ pins: new Set([1]) });
  assert.deepEqual(pinOf(state, [1, 2]), { kind: "pin", names: ["image 1", "image 2"], kept: true });
  assert.equal(pinOf(state, [1]).kept, false);
});

test("keys", () => {
  const { state, take } = opened(), deed = (name, held) => deedOf(key(name, held), state, 300);
  assert.deepEqual(deed("ArrowDown", { shiftKey: true }), { kind: "go", place: 3, extend: true });
  assert.deepEqual(["Enter", " ", "p", "a", "/"].map((name) => deed(name)?.kind), ["pick", "toggle", "pin", "all", "search"]);
  assert.deepEqual([deed("Escape"), deed("x"), deed("c", { ctrlKey: true })], [null, null, null]);
  assert.deepEqual([deed("a", { ctrlKey: true }), deed("a", { metaKey: true }), deed("g")], [{ kind: "all" }, { kind: "all" }, null]);
  take(chose(state, [1]));
  assert.deepEqual(deed("Escape"), { kind: "none" });
});

test("words: how many, which one, and why there is nothing", () => {
  const { state, take } = opened();
  take({ current: 3 });
  const none = () => undefined;
  assert.deepEqual([wordsOf(state, none).count, wordsOf(state, none).who, wordsOf(state, none).facts], ["60", "image 3", "score 21.0"]);
  take({ under: 4 });
  assert.equal(wordsOf(state, () => "is cut off").facts, "is cut off");
  take({ only: true });
  take(sorted(state));
  assert.match(wordsOf(state, none).empty, /No image is pinned/);
  assert.equal(wordsOf(state, none).count, "0 of 60 shown");
});

import assert from "node:assert/strict";
import test from "node:test";
import { pageOf } from "../../xai_widgets/static/shared/mount.js";

/** Traits and listeners, as a page without a kernel has them. */
function modelOf(traits) {
  const listeners = [];
  return {
    listeners,
    get: (name) => traits[name],
    set(name, value) {
      traits[name] = value;
      for (const [events, action] of [...listeners]) if (events.split(" ").includes(`change:${name}`)) action();
    },
    on: (events, action) => listeners.push([events, action]),
    off: (events, action) => listeners.splice(listeners.findIndex((one) => one[0] === events && one[1] === action), 1),
  };
}

test("a page follows the traits it watches until it is closed", () => {
  const model = modelOf({ score: 1, rating: 2, name: "a" }), page = pageOf(model), read = [];
  page.watch("score rating", () => read.push(model.get("score") + model.get("rating")));
  page.watch("name", () => read.push(model.get("name")));
  page.readAll();
  model.set("rating", 5);
  model.set("other", 0);
  assert.deepEqual(read, [3, "a", 6]);
  page.close();
  model.set("score", 7);
  assert.deepEqual(read, [3, "a", 6]);
  assert.deepEqual(model.listeners, []);
});

test("listeners of elements end with the page", () => {
  const node = new EventTarget(), page = pageOf(modelOf({}));
  let heard = 0;
  page.listen(node, "click", () => { heard += 1; });
  node.dispatchEvent(new Event("click"));
  page.close();
  node.dispatchEvent(new Event("click"));
  assert.equal(heard, 1);
});

test("what was begun last ends first, and once", () => {
  const page = pageOf(modelOf({})), ended = [];
  page.onClose(() => ended.push("first"));
  page.onClose(() => ended.push("second"));
  page.close();
  page.close();
  assert.deepEqual(ended, ["second", "first"]);
});

test("a part of a page ends with it, and may end earlier", () => {
  const model = modelOf({ score: 1 }), whole = pageOf(model), ended = [];
  const [early, late] = [pageOf(model, whole.signal), pageOf(model, whole.signal)];
  early.watch("score", () => {});
  late.watch("score", () => {});
  early.onClose(() => ended.push("early"));
  late.onClose(() => ended.push("late"));
  early.close();
  assert.equal(model.listeners.length, 1);
  whole.close();
  assert.deepEqual(ended, ["early", "late"]);
  assert.deepEqual(model.listeners, []);
});

test("the signal of the notebook closes the page", () => {
  const notebook = new AbortController(), model = modelOf({ score: 1 }), page = pageOf(model, notebook.signal);
  page.watch("score", () => {});
  notebook.abort();
  assert.ok(page.signal.aborted);
  assert.deepEqual(model.listeners, []);
});

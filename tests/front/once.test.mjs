import assert from "node:assert/strict";
import test from "node:test";
import { letGo, once } from "../../xai_widgets/static/shared/once.js";
import { patient } from "../../xai_widgets/static/shared/plotly_once.js";

test("one reading for all who ask, and another after it failed", async () => {
  let asked = 0;
  const read = async () => { asked += 1; throw new Error("gone"); };
  const both = [once("a", read), once("a", read)];
  assert.equal(both[0], both[1]);
  await assert.rejects(both[0], /gone/);
  await assert.rejects(once("a", read), /gone/);
  assert.equal(asked, 2);
});

test("a closed model and its layout are cut off their comms", () => {
  const made = () => {
    const heard = {}, comm = { on_msg: (call) => { comm.msg = call; }, on_close: (call) => { comm.close = call; } };
    return { comm, heard, on: (event, call) => { heard[event] = call; }, get: () => null };
  };
  const layout = made(), model = { ...made(), get: () => layout };
  letGo(model);
  for (const one of [layout, model]) {
    [one.comm.msg, one.comm.close] = ["message", "close"];
    one.heard.destroy(one);
    assert.deepEqual([one.comm.msg(), one.comm.close()], [undefined, undefined]);
    one.heard.destroy({}); // one that never had a comm
  }
  letGo(made()); // no layout
});

test("what a message of plotly leaves as it is, is not there, however early the message comes", () => {
  const bytes = new Uint8Array(2), said = { name: ["a", "_undefined_"], theta: ["_undefined_", [90, "_undefined_"]], x: { buffer: bytes } };
  const state = { _py2js_update: { style_data: said }, _widget_data: ["_undefined_"] }, events = {};
  const model = { get: (name) => state[name] ?? null, on: (event, call) => { events[event] = call; }, off: () => {} };
  const heard = patient(model), seen = [];
  events["change:_py2js_update"](); // before plotly is there
  heard.model.on("change:_py2js_update", () => seen.push(heard.model.get("_py2js_update")));
  state._py2js_update = null;
  heard.catchUp();
  const style = { name: ["a", undefined], theta: [undefined, [90, undefined]], x: { buffer: bytes } };
  assert.deepEqual(seen, [{ style_data: style }]);
  assert.equal(seen[0].style_data.x.buffer, bytes);
  assert.equal(heard.model.get("_py2js_update"), null);
  assert.deepEqual(heard.model.get("_widget_data"), ["_undefined_"], "plotly reads its own state itself");
});

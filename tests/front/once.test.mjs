import assert from "node:assert/strict";
import test from "node:test";
import { letGo, once } from "../../xai_widgets/static/shared/once.js";

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

import assert from "node:assert/strict";
import test from "node:test";

import { hasHeard, introduce, withMoves } from "../../xai_widgets/static/shared/moves.js";

test("a view introduces itself once, each under a name of its own", () => {
  const sent = [], model = { send: (content) => sent.push(content) };
  const names = Array.from({ length: 200 }, () => introduce(model));
  assert.equal(new Set(names).size, 200);
  assert.deepEqual(sent, names.map((origin) => ({ kind: "here", origin })));
});

test("a move is heard when the kernel names it or a later one of the same view", () => {
  const mark = { origin: "me", step: 4 };
  assert.deepEqual([undefined, {}, { me: 3 }, { me: 4 }, { me: 9 }, { other: 9 }].map((heard) => hasHeard(heard, mark)),
    [false, false, false, true, true, false]);
  assert.equal(hasHeard(undefined, { origin: "me", step: 0 }), true, "who has moved nothing waits for nothing");
});

test("moves on their way lie over what the kernel says, which is left as it is", () => {
  const values = Float32Array.of(1, 1, 1), moves = new Map([[0, { origin: "me", step: 2, value: 0 }],
    [2, { origin: "me", step: 5, value: 0.5 }], [7, { origin: "me", step: 5, value: 2 }]]);
  const next = withMoves(values, { me: 3 }, moves);
  assert.deepEqual([[...next.values], [...next.moves.keys()], [...values]], [[1, 1, 0.5], [2, 7], [1, 1, 1]]);
});

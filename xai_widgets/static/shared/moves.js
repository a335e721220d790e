// What a view has moved by itself, and the kernel may not have heard of yet. No document: `node --test` imports this.
//
// A widget can be shown several times. Each view introduces itself once and numbers what it moves; a trait that both
// sides move says in `heard` up to which number the kernel knows the moves of each view. What the kernel says is shown,
// but for moves that are still on their way to it.

/** @typedef {{ origin: string, step: number }} Mark who moved it, and which of its moves that was */
/** @typedef {Mark & { value: number }} Move */
/** @typedef {Record<string, number> | undefined} Heard */

/**
 * Say that a view is there; returns the name under which its moves are numbered.
 * @param {{ send: (content: unknown) => void }} model
 */
export function introduce(model) {
  const origin = Math.random().toString(36).slice(2, 10);
  model.send({ kind: "here", origin });
  return origin;
}

/** @param {Heard} heard @param {Mark} mark */
export const hasHeard = (heard, { origin, step }) => (heard?.[origin] ?? 0) >= step;

/**
 * Values of the kernel, over them the moves it has not heard of, and those moves.
 * @param {Float32Array} values
 * @param {Heard} heard
 * @param {Map<number, Move>} moves the last one of each place
 */
export function withMoves(values, heard, moves) {
  const left = new Map([...moves].filter(([, move]) => !hasHeard(heard, move))), next = values.slice();
  for (const [place, { value }] of left) next[place] = value;
  return { values: next, moves: left };
}

// Which lines lie over a panel: the region, where chosen maps act, top shares of its map, contours of two maps.

import { bytes } from "../shared/values.js";
import { lineAround } from "./lines.js";
import { onOneGrid, topShare, TOPS } from "./two.js";

// Colour, thickness and dashes in CSS pixels. Both are JSON: Python reads them for pictures that stay.
/** @type {Record<string, [string, number, number[]]>} */
const STROKES = {
  "region": ["#1a1a1a", 1.6, [5, 3]],
  "acts": ["#6d3b00", 1.6, [2, 2]],
  "top": ["#212121", 1.5, []],
  "mine": ["#a34700", 1, []],
  "its": ["#005a9c", 1, [4, 2]]
};
const THICK = [2.6, 1.7, 0.9]; // of contours: the top 5, 10 and 15 %

/** @type {WeakMap<object, Map<string, any>>} */
const kept = new WeakMap();

/** What was made of a map, made once. @template T @param {object} map @param {string} key @param {() => T} make @returns {T} */
export function onceOf(map, key, make) {
  if (!kept.has(map)) kept.set(map, new Map());
  const known = kept.get(map);
  if (!known.has(key)) known.set(key, make());
  return known.get(key);
}

/** Two maps on one grid; the last pair of each map is kept. @param {any} a @param {any} b */
export function pairOf(a, b) {
  const known = onceOf(a, "pair", () => /** @type {any} */ ({}));
  if (known.b !== b) [known.b, known.pair] = [b, onOneGrid(a, b)];
  return known.pair;
}

/** An outline of the scene, or null where there is none. @param {any} answer */
export function wholeOutline(answer) {
  const [h, w] = answer?.inside_shape ?? [0, 0];
  if (!h || answer.inside?.byteLength !== h * w) return null;
  return { h, w, inside: bytes(answer.inside), box: answer.box };
}

/** @param {any} panel @param {any} stage @param {any} other the panel that is laid over it, if there is one */
export function linesOf(panel, stage, other) {
  const { own } = panel, { top, over } = stage.look(), lines = [];
  if (own && !own.degenerate && top) {
    lines.push(lineAround({ ...own, inside: onceOf(own, `top ${top}`, () => topShare(own.values, top)) }, ...STROKES.top));
  }
  if (panel !== stage.active()) return lines;
  if (over === "contours" && other?.own && own) {
    const pair = pairOf(own, other.own);
    for (const [values, [colour, , dash]] of /** @type {[Float32Array, [string, number, number[]]][]} */ ([[pair.b, STROKES.its], [pair.a, STROKES.mine]])) {
      TOPS.forEach((share, i) => lines.push(lineAround({ h: pair.h, w: pair.w, box: own.box, inside: topShare(values, share) }, colour, THICK[i], dash)));
    }
  }
  const acts = wholeOutline(stage.model.get("acts")), region = wholeOutline(stage.model.get("region"));
  if (acts) lines.push(lineAround(acts, ...STROKES.acts));
  const { drawn } = stage.model.get("region") ?? {};
  if (region && !stage.brush.box) lines.push(lineAround(region, ...STROKES.region));
  else if (drawn?.length && !stage.brush.box) lines.push(rectangle(drawn));
  if (stage.brush.box && stage.brush.panel === panel) lines.push(rectangle(stage.brush.box));
  return lines;
}

/** @param {any} box */
const rectangle = (box) => lineAround({ inside: [1], h: 1, w: 1, box }, ...STROKES.region);

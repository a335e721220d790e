// Classes that were chosen lately, and pairs of P and Q that are worth asking, one click each.

import { element } from "../shared/dom.js";
import { shortened } from "../shared/values.js";

const LETTERS_OF_CHIP = 18;

/** @typedef {import("../shared/mount.js").Page} Page */

export function buildShortcuts() {
  const recent = element("span", { class: "xw-chips", role: "group", "aria-label": "Classes chosen lately" });
  const pairs = element("span", { class: "xw-chips", role: "group", "aria-label": "Pairs of P and Q" });
  const node = element("div", { class: "xw-shortcuts" }, recent, pairs);
  return { node, recent, pairs };
}

/** @param {string} text @param {string} title @param {() => void} act */
function chip(text, title, act) {
  const node = element("button", { type: "button", class: "xw-chip", title }, text);
  node.addEventListener("click", act); // it goes with its node
  return node;
}

/**
 * @param {ReturnType<typeof buildShortcuts>} parts
 * @param {Page} page
 * @param {(index: number) => void} choose
 */
export function drawShortcuts({ node, recent, pairs }, page, choose) {
  const { model } = page, names = model.get("names"), known = (/** @type {number} */ index) => names[index] !== undefined;
  /** @type {number[]} */
  const classes = model.get("recent").filter(known);
  /** @type {[number, number, string][]} */
  const both = model.get("pairs").filter((/** @type {number[]} */ [p, q]) => known(p) && known(q));
  const short = (/** @type {number} */ index) => shortened(names[index], LETTERS_OF_CHIP);
  const label = (/** @type {string} */ text) => element("span", { class: "xw-caption", "aria-hidden": "true" }, text);
  recent.replaceChildren(...(classes.length ? [label("recent")] : []),
    ...classes.map((index) => chip(short(index), `${names[index]}, chosen before`, () => choose(index))));
  pairs.replaceChildren(...(both.length ? [label("pairs")] : []),
    ...both.map(([p, q, words]) => chip(`${short(p)} / ${short(q)}`, `Why ${names[p]}, rather than ${names[q]}? (${words})`,
      () => model.send({ kind: "pair", p, q }))));
  node.hidden = !classes.length && !both.length;
}

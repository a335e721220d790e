// Buttons and choosers as all views make them, and what keys do in a list.

import { element } from "./dom.js";
import { clamp } from "./values.js";

/**
 * A button with a title; `pressed` is given to one that stays down.
 * @param {string} text
 * @param {string} title
 * @param {Record<string, any>} more further attributes
 */
export const button = (text, title, more = {}) =>
  element("button", { type: "button", class: "xw-button", title: title || null, ...more }, text);

/**
 * A select of [value, words] pairs.
 * @param {string} label for screen readers
 * @param {[string, string][]} options
 */
export function choice(label, options) {
  const select = element("select", { class: "xw-select", "aria-label": label });
  for (const [value, words] of options) select.append(element("option", { value }, words));
  return select;
}

/** @param {Iterable<[string, Element]>} named @param {string} pressed the name of the one that stays down */
export function press(named, pressed) {
  for (const [name, node] of named) node.setAttribute("aria-pressed", `${name === pressed}`);
}

/**
 * Where a key leads in a list of `count`: -1 to what stands before the list, undefined for keys that do not move.
 * @param {string} key
 * @param {number} current
 * @param {number} count
 * @param {number} [page]
 */
export function moveInList(key, current, count, page = 8) {
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[key];
  if (step === undefined) return undefined;
  return key === "ArrowUp" && current === 0 ? -1 : clamp(current + step, 0, Math.max(count - 1, 0));
}

/** Whether a key is held that makes others mean something else. @param {KeyboardEvent} event */
export const withModifier = ({ ctrlKey, metaKey, altKey }) => ctrlKey || metaKey || altKey;

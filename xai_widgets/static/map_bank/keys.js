// What a key does in the map bank. No document: `node --test` imports this.

import { moved } from "./layout.js";

/** Kind, key, words, title; "some" acts on the selected maps. */
export const ACTIONS = [
  ["mute", "m", "Mute", "Set the gain of the selected maps to 0, or back to 1 when all of them are muted", "some"],
  ["solo", "s", "Solo", "Keep the selected maps, mute all others", "some"],
  ["invert", "i", "Invert", "Mute the maps that are not muted, and restore those that are", ""],
  ["reset", "r", "Reset", "All gains back to 1", ""],
];
const KINDS = new Map([...ACTIONS.map(([kind, key]) => /** @type {[string, string]} */ ([key, kind])), ["u", "undo"]]);

/** @typedef {{ key: string, shiftKey: boolean, ctrlKey: boolean, metaKey: boolean, altKey: boolean }} Key */
/**
 * @typedef {{ kind: "card" } | { kind: "name" } | { kind: "type" } | { kind: "go", place: number, extend: boolean } | { kind: "gain", value: number } | { kind: "pick", shift: boolean }
 *   | { kind: "select", all: boolean } | { kind: "act", name: string }} Deed
 */

/** Ctrl+Z takes the last change back, Shift+Ctrl+Z (or Ctrl+Y) makes it again. @param {Key} key */
export function stepOf({ key, shiftKey, ctrlKey, metaKey, altKey }) {
  if (!(ctrlKey || metaKey) || altKey) return "";
  const letter = key.toLowerCase();
  if (letter === "z") return shiftKey ? "redo" : "undo";
  return letter === "y" && ctrlKey ? "redo" : "";
}

/**
 * What a key does on the current map; null where it does nothing here.
 * @param {Key} event
 * @param {import("./state.js").State} state
 * @param {number} height of the window
 * @returns {Deed | null}
 */
export function deedOf(event, { ids, places, current, layout, bank }, height) {
  const { key, shiftKey } = event, place = places[current];
  if (event.ctrlKey || event.metaKey || event.altKey || !ids.length || !(place >= 0)) return null;
  const to = moved(layout, place, key, height), gain = bank.gains[current];
  if (to !== undefined) return { kind: "go", place: to, extend: shiftKey };
  const value = { "+": gain + 0.1, "=": gain + 0.1, "-": gain - 0.1, "]": gain + 0.01, "[": gain - 0.01, 0: 0, 1: 1 }[key];
  if (value !== undefined) return { kind: "gain", value: Math.round(value * 1000) / 1000 };
  if (key === "Enter" || key === "?") return { kind: "card" };
  if (key === "n") return { kind: "name" };
  if (key === "g") return { kind: "type" };
  if (key === " ") return { kind: "pick", shift: shiftKey };
  if (key === "Escape" || key === "a") return { kind: "select", all: key === "a" };
  const name = KINDS.get(key);
  return name ? { kind: "act", name } : null;
}

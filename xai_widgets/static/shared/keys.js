// Keys that mean the same in every view: undo, redo, and the list of keys, which the status bar has.

import { withModifier } from "./controls.js";

export const ASKS_KEYS = "xw-keys"; // the event that asks for the list

/** @typedef {{ key: string, shiftKey: boolean, ctrlKey: boolean, metaKey: boolean, altKey: boolean }} Pressed */

/** Ctrl+Z takes the last change back, Ctrl+Shift+Z or Ctrl+Y makes it again; Cmd does so too. @param {Pressed} key */
export function walkOf({ key, shiftKey, ctrlKey, metaKey, altKey }) {
  if (!(ctrlKey || metaKey) || altKey) return "";
  const letter = key.toLowerCase();
  if (letter === "z") return shiftKey ? "redo" : "undo";
  return letter === "y" && ctrlKey ? "redo" : "";
}

/** Whether keys are letters there. @param {EventTarget | null} node */
export const isTyping = (node) => node instanceof HTMLElement
  && (node.isContentEditable || node.matches("textarea, input:not([type=checkbox], [type=radio], [type=range])"));

/** Keys that no part of the view has taken. @param {HTMLElement} root @param {KeyboardEvent} event @param {(kind: string) => void} walk */
export function keyInView(root, event, walk) {
  if (event.defaultPrevented || isTyping(event.target) || isTyping(document.activeElement)) return;
  const way = walkOf(event);
  if (way) walk(way);
  else if (event.key === "?" && !withModifier(event)) root.dispatchEvent(new CustomEvent(ASKS_KEYS, { bubbles: true }));
  else return;
  event.preventDefault();
}

// Keys that mean the same in every view: undo, redo, and the list of keys, which the status bar of an explorer shows.

import { withModifier } from "./controls.js";
import { openKeys } from "./key_list.js";

export const ASKS_KEYS = "xw-keys"; // the event that asks a bar for the list, which prevents it

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
  else if (event.key === "?" && !withModifier(event)) askForKeys(root);
  else return;
  event.preventDefault();
}

/** The bar of the explorer shows the list, or a view that stands alone does. @param {HTMLElement} root */
function askForKeys(root) {
  if (root.dispatchEvent(new CustomEvent(ASKS_KEYS, { bubbles: true, cancelable: true }))) openKeys(root);
}

/** Whether a view asks the bar that stands in its own explorer. @param {Element} root of the bar @param {EventTarget | null} view */
export const isOfThisBar = (root, view) => view === root
  || (view instanceof Element && Boolean(root.closest(".xw-explorer")) && root.closest(".xw-explorer") === view.closest(".xw-explorer"));

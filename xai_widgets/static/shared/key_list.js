// The list of keys: of all views in an explorer, of one that stands alone its own.

import { button } from "./controls.js";
import { element } from "./dom.js";

/** Of each view: [its name, the class of its root, [keys, what they do]]. @type {[string, string, [string, string][]][]} */
const KEYS_OF_VIEWS = [
  ["Everywhere", "", [["Tab, Shift+Tab", "next and previous control"], ["Ctrl+Z", "undo"],
    ["Ctrl+Shift+Z, Ctrl+Y", "redo"], ["?", "this list; on a feature map its card"], ["Escape", "close a menu, a card, this list"],
    ["Alt+arrows", "a list that stands alone higher or lower"]]],
  ["Images", "xw-gallery", [["Arrows, Page, Home, End", "go from image to image"], ["Enter", "explain the image"],
    ["Space", "mark it"], ["Shift+arrows", "mark all on the way"], ["A, Escape", "mark all, none"], ["P", "pin it"], ["/", "search"]]],
  ["Photo and map", "xw-stage", [["Arrows", "read the map cell by cell; of several panels, go from panel to panel"],
    ["Shift+arrows", "of several panels, read cell by cell"], ["+, −, 0", "closer, farther, all of it"],
    ["Enter", "make the panel the active one"], ["Delete", "remove the panel"],
    ["Enter, arrows, Enter", "with “Region” pressed, the cells from one to the other"]]],
  ["Contrast", "xw-contrast", [["Letters", "search the classes"], ["Arrows", "go through classes or small maps"],
    ["Enter", "choose for P or Q, whichever is pressed"], ["Shift+Enter", "choose for the other one"],
    ["Arrows on the marker", "Q by 1 % of the axis"], ["Page, Home, End on it", "Q by 10 %, to the ends"]]],
  ["Feature maps", "xw-maps", [["Arrows, Page, Home, End", "go from map to map"], ["+, −", "gain by 0.1"], ["0, 1", "gain 0, gain 1"],
    ["Space, Shift+arrows", "select"], ["A, Escape", "select all, none"], ["M, S, I, R", "mute, solo, invert, reset"],
    ["Enter, ?", "the card of the map"]]],
  ["Effects", "xw-impact", [["Arrows, Page, Home, End", "go through the maps, largest effect first"], ["Space", "select one more, or one less"],
    ["Enter", "select this one"], ["Escape", "select none"], ["+, −", "closer, farther"]]],
];

/** The names and keys to show of a view. @param {Element} root */
export function keysFor(root) {
  const alone = !root.matches(".xw-status") && !root.closest(".xw-explorer");
  return KEYS_OF_VIEWS.filter(([, view]) => !alone || !view || root.matches(`.${view}`)).map(([name, , keys]) => ({ name, keys }));
}

/** Show the list of keys over the page; Escape or its button closes it. @param {HTMLElement} root */
export function openKeys(root) {
  if (root.querySelector(":scope > .xw-keys")) return;
  const before = document.activeElement, close = button("✕", "Close (Escape)", { "aria-label": "Close the list of keys" });
  const views = keysFor(root).map(({ name, keys }) => element("section", {}, element("h4", {}, name),
    element("dl", {}, ...keys.flatMap(([key, does]) => [element("dt", {}, key), element("dd", {}, does)]))));
  const sheet = element("dialog", { class: "xw-keys", "aria-label": "Keys" },
    element("div", { class: "xw-bar" }, element("strong", {}, "Keys"), close), element("div", { class: "xw-keys-of" }, ...views));
  close.addEventListener("click", () => sheet.close());
  sheet.addEventListener("click", ({ target }) => { if (target === sheet) sheet.close(); }); // beside it
  sheet.addEventListener("close", () => {
    sheet.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  });
  root.append(sheet);
  sheet.showModal();
}

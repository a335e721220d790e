// Tabs over panes of which one is seen. The others keep their size, so that what draws itself by its size is ready.

import { element } from "../shared/dom.js";
import { tabAfter } from "./sizes.js";

/** @typedef {{ name: string, words: string, pane: HTMLElement }} Tab */

/**
 * @param {import("../shared/mount.js").Page} page
 * @param {Tab[]} tabs
 * @param {(name: string) => void} choose by the reader
 */
export function dockOf(page, tabs, choose) {
  const id = `xw-${Math.random().toString(36).slice(2)}`; // only to name a pane by its tab
  const buttons = tabs.map(({ name, words, pane }, at) => {
    const button = element("button", { type: "button", class: "xw-tab", role: "tab", id: `${id}-${at}`, "data-tab": name }, words);
    pane.setAttribute("role", "tabpanel");
    pane.setAttribute("aria-labelledby", `${id}-${at}`);
    page.listen(button, "click", () => choose(name));
    return button;
  });
  const list = element("div", { class: "xw-tabs", role: "tablist", "aria-label": "Feature maps, effects and measures" }, ...buttons);
  page.listen(list, "keydown", (event) => {
    const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const to = event.ctrlKey || event.metaKey || event.altKey ? undefined : tabAfter(event.key, at, buttons.length);
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    buttons[to].focus();
    choose(tabs[to].name);
  });
  const show = (/** @type {string} */ name) => tabs.forEach(({ name: own, pane }, at) => {
    const seen = own === name;
    buttons[at].setAttribute("aria-selected", `${seen}`);
    buttons[at].tabIndex = seen ? 0 : -1;
    pane.classList.toggle("xw-behind", !seen);
  });
  const panes = element("div", { class: "xw-panes" }, ...tabs.map(({ pane }) => pane));
  return { node: element("div", { class: "xw-column xw-dock" }, list, panes), show };
}

// The menu of methods: grouped, with a search field, by mouse and by keys. What cannot be asked stays in it, greyed,
// and says why.
import { moveInList, withModifier } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { clamp, folded } from "../shared/values.js";
import { sheetUnder } from "./sheet.js";

const PAGE = 6; // rows

/** @typedef {{ name: string, words: string, group: string, description: string }} MethodItem */
/** @typedef {ReturnType<typeof menuOf>} Menu */

/** The methods that hold every word of the search, in their own order. @param {MethodItem[]} methods @param {string} search */
export function found(methods, search) {
  const wanted = folded(search).split(/\s+/).filter(Boolean);
  return methods.filter(({ name, words, group, description }) => {
    const text = folded([name, words, group, description].join(" "));
    return wanted.every((word) => text.includes(word));
  });
}

/** @param {MethodItem} method @param {string} reason @param {string} chosen */
function rowOf({ name, words, description }, reason, chosen) {
  const node = element("div", { role: "option", class: "xw-method", tabindex: "-1", title: reason || description,
    "aria-selected": `${name === chosen}`, "aria-disabled": reason ? "true" : null },
    element("span", { class: "xw-words" }, words), element("span", { class: "xw-caption" }, description));
  if (reason) node.append(element("span", { class: "xw-reason" }, reason));
  return node;
}

/** @param {import("../shared/mount.js").Page} page */
function menuOf({ model }) {
  const opener = element("button", { type: "button", class: "xw-button xw-open", "aria-haspopup": "listbox", "aria-expanded": "false" });
  const search = element("input", { type: "search", class: "xw-input", placeholder: "search methods", "aria-label": "Search methods",
    spellcheck: "false", autocomplete: "off" });
  const list = element("div", { class: "xw-list", role: "listbox", "aria-label": "Methods" });
  const none = element("div", { class: "xw-caption", role: "status" });
  const sheet = element("div", { class: "xw-menu", hidden: true }, search, list, none);
  const node = element("div", { class: "xw-chooser" }, opener, sheet);
  return { model, opener, search, list, none, sheet, node, current: 0,
    rows: /** @type {HTMLElement[]} */ ([]), shown: /** @type {MethodItem[]} */ ([]) };
}

/** @param {Menu} menu @param {MethodItem} method */
const reasonOf = ({ model }, { name }) => model.get("reasons")[name] ?? "";

/** @param {Menu} menu */
function readMethods(menu) {
  const { model, opener } = menu, name = model.get("method");
  const method = model.get("methods").find((/** @type {MethodItem} */ one) => one.name === name);
  opener.textContent = `${method?.words ?? name} ▾`;
  opener.title = method?.description ?? "";
  opener.setAttribute("aria-label", `Method: ${method?.words ?? ""}`);
  if (!menu.sheet.hidden) drawMethods(menu);
}

/** @param {Menu} menu */
function drawMethods(menu) {
  const { model, list, none } = menu, chosen = model.get("method");
  const focused = list.contains(document.activeElement) ? menu.shown[menu.current]?.name : null;
  menu.shown = found(model.get("methods"), menu.search.value);
  menu.rows = menu.shown.map((method) => rowOf(method, reasonOf(menu, method), chosen));
  /** @type {Map<string, HTMLElement[]>} */
  const groups = new Map();
  menu.shown.forEach(({ group }, i) => groups.set(group, [...(groups.get(group) ?? []), menu.rows[i]]));
  list.replaceChildren(...[...groups].map(([group, some]) => element("div", { role: "group", "aria-label": group },
    element("div", { class: "xw-group", "aria-hidden": "true" }, group), ...some)));
  none.textContent = menu.shown.length ? "" : "No method has such a name.";
  markRow(menu, Math.max(menu.shown.findIndex(({ name }) => name === (focused ?? chosen)), 0));
  if (focused !== null) menu.rows[menu.current]?.focus();
}

/** @param {Menu} menu @param {number} to */
function markRow(menu, to) {
  menu.current = clamp(to, 0, Math.max(menu.rows.length - 1, 0));
  menu.rows.forEach((one, i) => { one.tabIndex = i === menu.current ? 0 : -1; });
}

/** @param {Menu} menu @param {number} to -1 is the search */
function goTo(menu, to) {
  if (to < 0 || !menu.rows.length) return menu.search.focus();
  markRow(menu, to);
  return menu.rows[menu.current].focus();
}

/** A button that opens the menu; returns its node and `read`. @param {import("../shared/mount.js").Page} page */
export function mountMenu(page) {
  const menu = menuOf(page), { opener, search, list } = menu;
  const { show, close } = sheetUnder(page, menu, () => {
    search.value = "";
    drawMethods(menu);
    search.focus();
    menu.rows[menu.current]?.scrollIntoView({ block: "nearest" });
  });
  const choose = (/** @type {MethodItem | undefined} */ method) => {
    if (!method || reasonOf(menu, method)) return; // the reason is on the screen
    close(true);
    page.model.send({ kind: "method", name: method.name });
  };
  page.listen(opener, "keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    show();
  });
  page.listen(search, "input", () => drawMethods(menu));
  page.listen(search, "keydown", (event) => {
    if (event.key === "ArrowDown") goTo(menu, search.value ? 0 : menu.current);
    else if (event.key === "Enter") choose(menu.shown.find((method) => !reasonOf(menu, method)));
    else return;
    event.preventDefault();
  });
  page.listen(list, "keydown", (event) => {
    if (withModifier(event)) return;
    const to = moveInList(event.key, menu.current, menu.rows.length, PAGE);
    if (to !== undefined) goTo(menu, to);
    else if (event.key === "Enter" || event.key === " ") choose(menu.shown[menu.current]);
    else if (event.key.length === 1) return search.focus(); // the letter lands in the search
    else return;
    event.preventDefault();
  });
  page.listen(list, "click", (event) => {
    const at = menu.rows.findIndex((one) => one.contains(event.target));
    if (at < 0) return;
    goTo(menu, at);
    choose(menu.shown[at]);
  });
  return { node: menu.node, read: () => readMethods(menu) };
}

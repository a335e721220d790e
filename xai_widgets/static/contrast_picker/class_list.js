// The list of classes, with a search among up to thousands of them; one slot at a time, P or Q, is filled.

import { button, moveInList, withModifier } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { clamp, floats, shortened } from "../shared/values.js";
import { buildShortcuts, drawShortcuts } from "./shortcuts.js";
import { buildSlots, fillSlot, picturesOfClasses, pressSlot } from "./slots.js";
import { mountStrip } from "./strip.js";
import { mountWays } from "./ways.js";
import { badgesOf, byProbability, classQuestion, matches, percent, rowsOf } from "./classes.js";

const MOST_ROWS = 60; // more would be found by typing
const MOST_LETTERS = 48; // of a name

/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {ReturnType<typeof makeRow>} Row */
/** @typedef {ReturnType<typeof buildClasses>} Parts */
/**
 * @typedef {object} List What the reader sees and does here.
 * @property {Parts} ui
 * @property {Page} page
 * @property {Row[]} rows more than are shown, to be used again
 * @property {string[]} names
 * @property {Float32Array} shares
 * @property {number[]} order
 * @property {string} subject the image the order was made for
 * @property {string} slot which of P and Q the next click fills
 * @property {ReturnType<typeof picturesOfClasses>} pictures
 * @property {number} current the row that Tab reaches
 * @property {boolean} pointed whether the pointer is over the list
 */

function buildClasses() {
  const heading = element("h3", { class: "xw-title xw-question", "aria-live": "polite" });
  const search = element("input", { type: "search", class: "xw-input", "aria-label": "Search classes",
    spellcheck: "false", autocomplete: "off" });
  const { node: both, slots, swap } = buildSlots(), shortcuts = buildShortcuts();
  const confidence = button("100 % confidence", "Why not P with 100 % confidence?", { "aria-pressed": "false" });
  const clear = button("clear", "No contrast; explain the predicted class");
  const list = element("div", { class: "xw-list", role: "listbox", "aria-label": "Classes by probability" });
  const hint = element("p", { class: "xw-caption" }), more = element("p", { class: "xw-caption xw-more" });
  const bar = element("div", { class: "xw-bar" }, search, confidence, clear);
  return { heading, both, slots, swap, shortcuts, bar, search, confidence, clear, hint, list, more };
}

function makeRow() {
  const node = element("div", { role: "option", class: "xw-class", tabindex: "-1" });
  const [badge, name, bar, share] = ["xw-badge", "xw-name", "xw-fill", "xw-share xw-numbers"]
    .map((kind) => element("span", { class: kind }));
  node.append(badge, name, element("span", { class: "xw-track", "aria-hidden": "true" }, bar), share);
  return { node, badge, name, bar, share, index: -1 };
}

/** @param {Row} row @param {number} index @param {string} name @param {number} share @param {string} badges @param {string} slot */
function fillRow(row, index, name, share, badges, slot) {
  row.index = index;
  const text = shortened(name, MOST_LETTERS);
  if (row.name.textContent !== text) row.name.textContent = text; // text, never HTML: a label may hold anything
  row.node.title = name;
  row.share.textContent = percent(share);
  row.bar.style.width = `${clamp(share, 0, 1) * 100}%`;
  row.badge.textContent = badges;
  row.node.classList.toggle("xw-p", badges.includes("P"));
  row.node.classList.toggle("xw-q", badges.includes("Q"));
  row.node.setAttribute("aria-selected", `${badges.includes(slot)}`);
  row.node.setAttribute("aria-label", `${name}, ${percent(share)}${badges ? `, ${badges}` : ""}`);
}

/** @param {List} list */
function readClasses(list) {
  const { model } = list.page, { ui } = list;
  list.names = model.get("names");
  list.shares = floats(model.get("probabilities"));
  // A row must not slip away under the pointer while probabilities change; another image is another list.
  const held = list.pointed || ui.list.contains(document.activeElement);
  const other = list.subject !== model.get("subject") || list.order.length !== list.shares.length;
  if (!held || other) list.order = byProbability(list.shares);
  list.subject = model.get("subject");
  drawClasses(list);
}

/** @param {List} list */
function drawClasses(list) {
  const { ui, rows, names, shares, order, page: { model } } = list;
  const contrast = model.get("contrast"), target = model.get("target");
  const found = matches(names, order, ui.search.value), shown = rowsOf(found, contrast, MOST_ROWS);
  ui.heading.replaceChildren(...classQuestion(names, target, contrast, model.get("exclusive"))
    .map((text, i) => (i % 2 ? element("strong", { title: text }, shortened(text, MOST_LETTERS)) : text)));
  while (rows.length < shown.length) rows.push(makeRow());
  const nodes = rows.slice(0, shown.length).map((row) => row.node);
  if (ui.list.children.length !== nodes.length) ui.list.replaceChildren(...nodes);
  shown.forEach((index, i) => fillRow(rows[i], index, names[index], shares[index], badgesOf(index, target, contrast), list.slot));
  drawSlots(list);
  mark(list, list.current);
  const left = found.length - shown.length;
  ui.more.textContent = !found.length && names.length ? "No class has such a name."
    : left > 0 ? `${left} more: type a part of the name.` : "";
  ui.confidence.hidden = !model.get("exclusive");
  ui.confidence.setAttribute("aria-pressed", `${contrast.kind === "confidence"}`);
  ui.clear.disabled = !contrast.kind && !model.get("chosen");
}

/** Make one row the one that Tab reaches. @param {List} list @param {number} to */
function mark(list, to) {
  list.current = clamp(to, 0, Math.max(list.ui.list.children.length - 1, 0));
  list.rows.forEach((row, i) => { row.node.tabIndex = i === list.current ? 0 : -1; });
}

/** Move the focus to a row, or before the first to the search. @param {List} list @param {number} to */
function go(list, to) {
  if (to < 0) return list.ui.search.focus();
  mark(list, to);
  return list.rows[list.current]?.node.focus();
}

/** P and Q as they are asked. @param {List} list */
function drawSlots({ ui, names, shares, pictures, page: { model } }) {
  const { kind, value } = model.get("contrast"), target = model.get("target"), q = kind === "class" && value !== target;
  const of = (/** @type {number} */ index, /** @type {string} */ words) => ({ index: names[index] === undefined ? -1 : index, name: names[index], share: shares[index], words });
  const all = kind === "confidence" || kind === "class" && value === target;
  fillSlot(ui.slots.P, of(target, "…"), pictures.of(target));
  fillSlot(ui.slots.Q, of(q ? value : -1, all ? "100 % confidence" : "none yet"), pictures.of(value));
  ui.swap.disabled = !q || target < 0;
  pictures.want(target, q ? value : -1);
}

/** @param {List} list @param {string} name */
function setSlot(list, name) {
  list.slot = name;
  pressSlot({ ...list.ui, node: list.ui.both }, name);
  list.ui.search.placeholder = `search ${name}`;
  list.ui.hint.textContent = name === "Q" ? "" : "A click on a class chooses P, the class that is explained.";
  if (list.names.length) drawClasses(list);
}

/** @param {List} list @param {number | undefined} index @param {boolean} [other] for the slot that is not chosen */
function choose(list, index, other = false) {
  if (index === undefined || index < 0) return;
  const slot = other ? { P: "Q", Q: "P" }[list.slot] : list.slot;
  list.page.model.send({ kind: "choose", slot, index });
}

/** @param {List} list @param {KeyboardEvent} event */
function keyInList(list, event) {
  if (withModifier(event)) return;
  const to = moveInList(event.key, list.current, list.ui.list.children.length);
  if (to !== undefined) go(list, to);
  else if (event.key === "Enter" || event.key === " ") choose(list, list.rows[list.current]?.index, event.shiftKey);
  else if (event.key.length === 1) return list.ui.search.focus(); // the letter lands in the search
  else return;
  event.preventDefault();
}

/** @param {List} list @param {KeyboardEvent} event */
function keyInSearch(list, event) {
  if (event.key === "ArrowDown") go(list, 0);
  else if (event.key === "Enter" && list.ui.list.children.length) choose(list, list.rows[0].index, event.shiftKey);
  else return;
  event.preventDefault();
}

/** @param {List} list */
function listenToClasses(list) {
  const { ui, page: { listen, model } } = list;
  listen(ui.list, "click", (event) => {
    const at = list.rows.findIndex(({ node }) => node.contains(event.target));
    if (at < 0) return;
    list.current = at;
    choose(list, list.rows[at].index, event.shiftKey);
  });
  listen(ui.list, "keydown", (event) => keyInList(list, event));
  listen(ui.search, "keydown", (event) => keyInSearch(list, event));
  listen(ui.search, "input", () => {
    [list.current, ui.list.scrollTop] = [0, 0];
    drawClasses(list);
  });
  for (const [name, { node }] of Object.entries(ui.slots)) {
    listen(node, "click", () => {
      setSlot(list, name);
      ui.search.focus({ preventScroll: true });
    });
  }
  listen(ui.swap, "click", () => model.send({ kind: "swap" }));
  listen(ui.confidence, "click", () => {
    model.send({ kind: model.get("contrast").kind === "confidence" ? "clear" : "confidence" });
  });
  listen(ui.clear, "click", () => model.send({ kind: "clear" }));
  listen(ui.list, "pointerenter", () => { list.pointed = true; });
  listen(ui.list, "pointerleave", () => {
    list.pointed = false;
    readClasses(list);
  });
}

/** Choose P and Q among the classes. @param {Page} page @param {HTMLElement} root */
export function mountClasses(page, root) {
  const ui = buildClasses(), ways = mountWays(page, () => {}, () => "plain"), strip = mountStrip(page);
  root.append(ui.heading, ui.both, ui.shortcuts.node, ui.bar, ui.hint, ui.list, ui.more, ways.node, strip);
  const pictures = picturesOfClasses(page, () => drawSlots(list));
  /** @type {List} */
  const list = { ui, page, pictures, rows: [], names: [], shares: new Float32Array(0), order: [], subject: "", slot: "Q", current: 0, pointed: false };
  listenToClasses(list);
  setSlot(list, "Q");
  page.watch("names scored", () => pictures.forget()); // the most confident one may be another now
  page.watch("names probabilities subject scored", () => readClasses(list));
  page.watch("contrast target chosen exclusive", () => drawClasses(list));
  page.watch("recent pairs names", () => drawShortcuts(ui.shortcuts, page, (index) => choose(list, index)));
}

// Painting of the gallery: the cells in sight, which are used again for other images when the reader scrolls, and the
// words around them.

import { element } from "../shared/dom.js";
import { buildCell, showFacts, showMap, showState } from "./cells.js";
import { grouped } from "./filters.js";
import { describe, isKnown, ORDERS, ordersFor } from "./order.js";
import { cornerOf, sectionsIn } from "./sections.js";
import { inWindow, problemLine, wordsOf } from "./state.js";

// Milliseconds after which cells are put in order.
const SETTLED = 150;
// Problems.
const SHOWN = 100;

/** @typedef {import("./parts.js").Parts} Parts */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./thumbnails.js").Pictures} Pictures */
/** @typedef {import("./cells.js").Cell} Cell */

/** @param {State} state @param {Pictures} pictures @param {import("./maps.js").Maps} maps @param {number} index @param {Cell} cell */
function paintCell(state, pictures, maps, index, cell) {
  const { images, places, ids, layout, digits, limits, lines, version, focus, current, chosen, pins } = state;
  const place = places[index], address = pictures.address(index), fault = pictures.fault(index);
  const standing = { index, place, count: ids.length, current: index === current, chosen: chosen.has(index), pinned: pins.has(index),
    address, fault };
  const { x, y } = cornerOf(layout, place), { node } = cell, head = state.grouping.heads[state.grouping.values[index]];
  const map = state.maps ? maps.get(index) : undefined, look = maps.mapping(), noMap = state.maps ? maps.fault(index) : undefined;
  const key = [...Object.values(standing), layout.thumb, x, y, index === focus, version, head, noMap].join();
  /** @type {Cell["painted"]} */
  const painted = map && [look, map];
  if (cell.painted?.[0] !== painted?.[0] || cell.painted?.[1] !== painted?.[1]) showMap(cell, map, look);
  cell.painted = painted;
  if (cell.state === key) return;
  cell.state = key;
  node.style.transform = `translate(${x}px, ${y}px)`;
  node.tabIndex = index === focus ? 0 : -1;
  showState(cell, standing);
  showFacts(cell, images, index, { digits, limits, lines });
  node.setAttribute("aria-label", [images.names[index], describe(images, index, digits), standing.pinned ? "pinned" : "", head === undefined ? "" : `group ${head}`, fault ?? ""]
    .filter(Boolean).join(", "));
  node.title = fault ?? (noMap ? `${images.names[index]}: no map. ${noMap}` : images.names[index]);
}

/** The headings of the groups in sight. @param {HTMLElement} sheet @param {State} state */
function headsOf(sheet, state) {
  /** @type {Map<number, HTMLElement>} */
  const nodes = new Map();
  return (/** @type {number} */ top, /** @type {number} */ height) => {
    const some = sectionsIn(state.layout, top, height), { heads, words } = state.grouping;
    for (const [group, node] of nodes) {
      if (some.some((one) => one.group === group)) continue;
      node.remove();
      nodes.delete(group);
    }
    for (const { group, count, top: y } of some) {
      const node = nodes.get(group) ?? element("div", { class: "xw-group-head", "aria-hidden": "true", title: "Select all of this group" });
      nodes.set(group, node);
      node.dataset.group = `${group}`;
      node.style.transform = `translate(0, ${y}px)`;
      const text = `${words}: ${heads[group] ?? ""} (${count})`;
      if (node.textContent !== text) node.textContent = text;
      if (!node.isConnected) sheet.prepend(node);
    }
  };
}

/**
 * The cells of the window.
 * @param {import("../shared/mount.js").Page} page
 * @param {Parts} parts
 * @param {State} state
 * @param {Pictures} pictures
 * @param {import("./maps.js").Maps} maps
 */
export function cellsOf({ onClose }, { view, sheet }, state, pictures, maps) {
  /** @type {Map<number, Cell>} */
  const cells = new Map();
  let timer = 0;
  /** Cells stand anywhere, but a screen reader reads them as they follow each other in the page. */
  const settle = () => {
    const active = document.activeElement, { places } = state;
    const nodes = [...cells].sort(([a], [b]) => places[a] - places[b]).map(([, cell]) => cell.node);
    const there = [...sheet.children].filter((node) => node.classList.contains("xw-cell"));
    if (nodes.every((node, i) => node === there[i])) return;
    // It would lose the focus if it were moved.
    const middle = nodes.findIndex((node) => node === active);
    nodes.forEach((node, i) => { if (i < middle) sheet.insertBefore(node, active); else if (i > middle) sheet.append(node); });
  };
  /** What leaves the window on one side comes in on the other. @param {Set<number>} shown */
  const reuse = (shown) => {
    const free = [...cells.keys()].filter((index) => !shown.has(index));
    for (const index of shown) {
      if (cells.has(index)) continue;
      const left = free.pop() ?? -1, cell = cells.get(left) ?? buildCell();
      cells.delete(left);
      cells.set(index, cell);
    }
    for (const index of free) {
      cells.get(index)?.node.remove();
      cells.delete(index);
    }
  };
  const heads = headsOf(sheet, state);
  const paint = () => {
    heads(view.scrollTop, view.clientHeight);
    const { shown, focus } = inWindow(state, view.scrollTop, view.clientHeight), had = view.contains(document.activeElement);
    state.focus = focus;
    reuse(shown);
    for (const [index, cell] of cells) {
      paintCell(state, pictures, maps, index, cell);
      if (!cell.node.isConnected) sheet.append(cell.node);
    }
    if (had && !view.contains(document.activeElement)) cells.get(focus)?.node.focus({ preventScroll: true });
    clearTimeout(timer);
    timer = window.setTimeout(settle, SETTLED);
    view.dataset.painted = `${cells.size}`;
  };
  onClose(() => clearTimeout(timer));
  return {
    paint,
    /** @param {number} index */
    has: (index) => cells.has(index),
    /** @param {number} index */
    focus: (index) => cells.get(index)?.node.focus({ preventScroll: true }),
  };
}

/** The words around the grid. @param {Parts} parts @param {State} state @param {Pictures} pictures */
export function tell(parts, state, pictures) {
  const words = wordsOf(state, pictures.fault), { pins, chosen, only } = state;
  parts.facts.dataset.index = `${words.index}`;
  parts.count.textContent = words.count;
  parts.empty.textContent = words.empty;
  parts.pinned.textContent = `★ ${pins.size}`;
  parts.pinned.setAttribute("aria-label", `Only pinned images, ${pins.size}`);
  parts.pinned.setAttribute("aria-pressed", `${only}`);
  parts.who.textContent = words.who;
  parts.facts.textContent = words.facts;
  parts.choice.hidden = !chosen.size;
  parts.number.textContent = `${chosen.size} selected`;
  parts.pinAll.textContent = words.pinAll;
}

/** What can be sorted by, and what is. @param {Parts} parts @param {State} state */
export function tellOrder({ order: list, turn }, { images, columns, order, descending }) {
  const offered = ordersFor(images), groups = grouped(columns.filter(({ name }) => !isKnown(name)));
  const key = JSON.stringify([offered, images.regression, groups.map(([, some]) => some.map(({ name, words }) => [name, words]))]);
  if (list.dataset.offered !== key) {
    list.replaceChildren(...offered.map((name) => element("option", { value: name },
      name === "score" && !images.regression ? "confidence" : ORDERS[name][0])), ...groups.map(([label, some]) =>
      element("optgroup", { label }, ...some.map(({ name, words }) => element("option", { value: name }, words)))));
    list.dataset.offered = key;
  }
  list.value = order;
  turn.textContent = descending ? "↓" : "↑";
  turn.title = descending ? "Largest first; click for smallest first" : "Smallest first; click for largest first";
  turn.setAttribute("aria-label", turn.title);
}

/** One line that opens a list of kinds, each of which opens its own. @param {Parts} parts @param {string[]} kinds @param {string[][]} lists @param {number} count of all */
export function tellProblems({ problems, summary, list }, kinds, lists, count) {
  problems.hidden = !count;
  summary.textContent = problemLine(kinds, count);
  summary.title = kinds[0] ?? "";
  if (kinds.length === 1 && lists[0]?.length) {
    list.replaceChildren(...lists[0].map((sentence) => element("li", {}, sentence)));
    return;
  }
  list.replaceChildren(...kinds.slice(0, SHOWN).map((words, i) => {
    const some = lists[i] ?? [];
    if (!some.length) return element("li", {}, words);
    const inner = element("ul", {}, ...some.map((sentence) => element("li", {}, sentence)));
    return element("li", {}, element("details", {}, element("summary", {}, words), inner));
  }));
}

/** A mark on each thumbnail where a sample has several images; how well the model does on all. @param {Parts} parts @param {number} count of images a sample @param {string} words */
export function tellSet({ sheet, performance }, count, words) {
  [performance.textContent, performance.title, performance.hidden] = [words, words, !words];
  sheet.classList.toggle("xw-several", count > 1);
  sheet.style.setProperty("--xw-images", JSON.stringify(`${count} images`));
}

// What the map bank says around its grid, and of the current map to keyboards and screen readers.

import { element } from "../shared/dom.js";
import { placeOf } from "../shared/grid.js";
import { ACTIONS } from "./keys.js";
import { tellGroups } from "./groups.js";
import { called, countsOf, describe, FILTERS, NEEDS_RATING, ORDERS, ROLES, waysOf, wordsOf } from "./order.js";

// Where roles are known there are four of them, else two ways; other filters are offered where they would keep something.
const BY_ROLE = new Set(["all", ...Object.keys(ROLES)]);
const BY_WAY = new Set(["all", "raises", "lowers"]);
const WAYS = new Set(["raises", "lowers", "helpful", "harmful"]);

/** @typedef {import("./parts.js").Parts} Parts */
/** @typedef {import("./state.js").State} State */

/** @param {Parts} parts @param {{ thumbs_shape?: number[], title?: string }} maps */
export function tellMaps(parts, { thumbs_shape: [count, height, width] = [0, 0, 0], title = "" }) {
  parts.count.textContent = count ? `${title}, ${height} × ${width}` : "on their way";
}

/** What the numbers mean, and how many of them are measured. @param {Parts} parts @param {State} state @param {{ note?: string, done?: boolean }} impacts */
export function tellImpacts(parts, { bank }, { note = "", done = false }) {
  const { subject, roles, errorName, delta, gains, ways, change } = bank;
  for (const option of parts.order.options) option.hidden = NEEDS_RATING.has(option.value) && !roles;
  const moves = subject === "the score" ? subject : ways?.length ? `the difference ${subject} of both logits` : `the logit of ${subject}`;
  const [below, above] = ways?.length ? waysOf(bank).map((way) => `is ${way}`) : ["raises it", "lowers it"];
  const error = errorName === "error" ? "the error against the rating" : `the ${errorName} with the ${errorName.startsWith("mean ") ? "labels" : "label"}`;
  parts.legend.textContent = `The figure under a map is ${change}: how far ${moves} would move without it (▲ the map ${below}, ▼ ${above}); `
    + "sorted by the effect in the region, how far it would without the map there. "
    + "Drag its bar to the left for less of the map, to the right for more. "
    + "With shift it moves finely; a drag over the maps selects them."
    + `${roles ? ` Without a map that helps ● ${error} would grow, without one that harms ◆ it would shrink.` : ""}`;
  parts.note.textContent = note;
  const count = gains.length, exact = bank.exact.reduce((sum, one) => sum + one, 0), busy = delta !== null && !done && exact < count;
  parts.known.textContent = busy ? `measured ${exact} / ${count} · hollow marks are estimates` : "";
  [parts.progress.max, parts.progress.value] = [count || 1, exact];
  parts.progress.style.visibility = busy ? "visible" : "hidden";
}

/** What the maps can be sorted by over the set, or why not. @param {Parts} parts @param {{ set_source?: string, set_lacks?: [string, string][] }} known */
export function tellSet(parts, { set_source: source = "", set_lacks: lacks = [] }) {
  for (const [name, why] of lacks) {
    const option = [...parts.order.options].find(({ value }) => value === name);
    if (!option) continue;
    option.disabled = Boolean(why);
    option.textContent = why ? `${ORDERS[name]} (${why})` : ORDERS[name];
    option.title = source;
  }
}

/** Orders that need a region or a map that is chosen, and those that ask one way. @param {Parts} parts @param {import("./order.js").Bank} bank */
export function tellOrders({ order }, bank) {
  for (const option of order.options) {
    if (option.value === "region") option.hidden = !bank.region && order.value !== "region";
    if (option.value === "likeness") option.textContent = bank.selected.size ? ORDERS.likeness : `${ORDERS.likeness} (select one first)`;
    if (option.value === "raises" || option.value === "lowers") option.textContent = wordsOf(bank, ORDERS[option.value]);
  }
}

/** @param {Parts} parts @param {State} state */
export function tellFilters({ filters }, { bank, filter }) {
  const counts = countsOf(bank), always = bank.roles ? BY_ROLE : BY_WAY;
  const offered = (/** @type {string} */ name) => always.has(name) || (counts[name] > 0 && !(name in ROLES) && !WAYS.has(name));
  for (const [name, chip] of Object.entries(filters)) {
    const [mark, words] = FILTERS[name];
    chip.replaceChildren(...(mark ? [element("b", { class: `xw-${name.split("_")[0]}`, "aria-hidden": "true" }, mark)] : []),
      wordsOf(bank, words), element("span", { class: "xw-numbers" }, `${counts[name]}`));
    chip.title = name in ROLES ? bank.roleWords[ROLES[name]] ?? "" : "";
    chip.setAttribute("aria-pressed", `${name === filter}`);
    chip.hidden = name !== filter && !offered(name);
  }
}

/** The size of the grid and of the one focusable cell. @param {Parts} parts @param {State} state */
export function tellLayout(parts, { layout, ids, bank }) {
  const { sheet, view, knob, empty } = parts;
  sheet.style.height = `${layout.height}px`;
  view.style.maxHeight = `${Math.max(layout.height + 2, 56)}px`;
  view.setAttribute("aria-rowcount", `${layout.rows}`);
  view.setAttribute("aria-colcount", `${layout.columns}`);
  empty.textContent = ids.length || !bank.gains.length ? "" : "No map is like that.";
  [knob.style.width, knob.style.height] = [`${layout.map + 8}px`, `${layout.map + layout.caption + layout.bar + 7}px`];
}

/** Put the one focusable cell where the reader is, and say what it holds. @param {Parts} parts @param {State} state */
function tellCurrent({ row, cell, knob }, { bank, layout, places, current }) {
  const place = places[current] ?? -1;
  row.hidden = place < 0;
  if (place < 0) return;
  const { x, y } = placeOf(layout, place), [line, more] = describe(bank, current);
  row.style.transform = `translate(${x - 4}px, ${y - 4}px)`;
  row.setAttribute("aria-rowindex", `${Math.floor(place / layout.columns) + 1}`);
  cell.setAttribute("aria-colindex", `${(place % layout.columns) + 1}`);
  cell.setAttribute("aria-selected", `${bank.selected.has(current)}`);
  knob.setAttribute("aria-label", `Gain of feature ${called(bank, current)}`);
  knob.setAttribute("aria-valuenow", `${bank.gains[current]}`);
  knob.setAttribute("aria-valuetext", `${bank.gains[current].toFixed(2)}. ${line.split(" · ").slice(2).join(", ")}. ${more}`);
}

/** @param {Parts} parts @param {State} state @param {boolean} canUndo */
export function tell(parts, state, canUndo) {
  const { bank, places, current, under, held, stale } = state;
  tellCurrent(parts, state);
  const shown = held[0] ?? (under >= 0 ? under : places[current] >= 0 ? current : -1);
  [parts.which.textContent, parts.more.textContent] = shown < 0 ? ["", ""] : describe(bank, shown);
  const chosen = bank.selected.size;
  for (const [kind, , , , needs] of ACTIONS) parts.buttons[kind].disabled = needs === "some" && !chosen;
  parts.all.textContent = chosen ? `${chosen} selected · clear` : "Select shown";
  parts.undo.disabled = !canUndo;
  parts.again.hidden = !stale;
  if (document.activeElement !== parts.gain) parts.gain.value = places[current] >= 0 ? `${Number(bank.gains[current].toFixed(3))}` : "";
  tellOrders(parts, bank);
  tellGroups(parts.groups, bank);
}

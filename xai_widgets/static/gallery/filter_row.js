// The row of filters in the page: a menu of columns, a field for the chosen one, and a chip for each filter that holds.

import { button } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { shortened } from "../shared/values.js";
import { endWords, grouped, isWords, valueWords } from "./filters.js";

// Letters of a chip.
const MOST_LETTERS = 40;

/** @typedef {import("./parts.js").Parts} Parts */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./filters.js").Column} Column */

/** What is filtered, and by what one can. @param {Parts} parts @param {State} state */
export function tellFilters(parts, { columns, chips, filtering }) {
  const column = columns.find(({ name }) => name === filtering);
  parts.filters.hidden = !columns.length && !chips.length;
  tellColumns(parts, columns, filtering);
  parts.range.hidden = !column || isWords(column);
  parts.values.hidden = !isWords(column);
  if (column && isWords(column)) tellValues(parts, column, chips);
  else if (column) tellRange(parts, column, chips);
  tellChips(parts, chips);
}

/** @param {Parts} parts @param {Column[]} columns @param {string} filtering */
function tellColumns({ filterBy }, columns, filtering) {
  const groups = grouped(columns), key = JSON.stringify(groups.map(([, some]) => some.map(({ name, words }) => [name, words])));
  if (filterBy.dataset.offered !== key) {
    filterBy.replaceChildren(element("option", { value: "" }, "column"), ...groups.map(([label, some]) =>
      element("optgroup", { label }, ...some.map(({ name, words }) => element("option", { value: name }, words)))));
    filterBy.dataset.offered = key;
  }
  filterBy.value = filtering;
}

/** What is being typed stays. @param {Parts} parts @param {Column} column @param {State["chips"]} chips */
function tellRange({ low, high }, { name, low: least, high: most }, chips) {
  const chip = chips.find(({ column }) => column === name);
  const ends = /** @type {[HTMLInputElement, number | null | undefined, number | null][]} */ ([[low, chip?.low, least], [high, chip?.high, most]]);
  for (const [field, asked, end] of ends) {
    field.placeholder = endWords(end);
    if (document.activeElement !== field || field.dataset.of !== name) field.value = asked === null || asked === undefined ? "" : `${asked}`;
    field.dataset.of = name;
  }
}

/** @param {Parts} parts @param {Column} column @param {State["chips"]} chips */
function tellValues({ values }, column, chips) {
  const { name, more } = column, offered = valueWords(column, chips), key = JSON.stringify([name, more, offered]);
  if (values.dataset.offered !== key) {
    values.replaceChildren(element("option", { value: "" }, "value …"), ...offered.map(([value, words]) => element("option", { value }, words)),
      ...(more ? [element("option", { disabled: true }, `and ${more} rarer: session.filter(…)`)] : []));
    values.dataset.offered = key;
  }
  values.selectedIndex = 0;
}

/** @param {Parts} parts @param {State["chips"]} chips */
function tellChips({ chips: row }, chips) {
  const key = JSON.stringify(chips.map(({ column, words, known }) => [column, words, known]));
  if (row.dataset.shown === key) return;
  row.dataset.shown = key;
  const all = chips.length > 1 ? [button("clear", "Take all filters away", { class: "xw-button xw-chip" })] : [];
  row.replaceChildren(...chips.map(({ column, words, known }) => button(`${shortened(words, MOST_LETTERS)} ✕`,
    known ? `${words}: click to take this filter away` : `${words}: this filter does nothing; click to take it away`,
    { class: `xw-button xw-chip${known ? "" : " xw-off"}`, "data-column": column, "aria-label": `Remove the filter ${words}` })), ...all);
}

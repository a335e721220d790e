// Columns by which images are sorted and filtered: what the menus offer, and what a choice in them asks for. No document:
// `node --test` imports this.

/** @typedef {{ name: string, words: string, group: string, low: number | null, high: number | null, values: string[], counts: number[], more: number }} Column */
/** @typedef {{ column: string, words: string, known: boolean, low: number | null, high: number | null, values: string[] }} Chip */
/** @typedef {{ of?: string, values?: ArrayLike<number>, words?: string, numbers?: ArrayLike<number> }} Ranked the places of all images in a column, NaN where there is none, and perhaps its numbers */

/** Headings of the menus, in their order. @type {[string, string][]} */
const GROUPS = [["table", "Table"], ["scores", "Scores"], ["measures", "Measures"], ["agreement", "Agreement"]];

/** Columns under their headings; a group of its own for what has no known one. @param {Column[]} columns @param {string[]} [without] names @returns {[string, Column[]][]} */
export function grouped(columns, without = []) {
  const left = columns.filter(({ name }) => !without.includes(name)), known = GROUPS.map(([group]) => group);
  const found = GROUPS.map(([group, words]) => /** @type {[string, Column[]]} */ ([words, left.filter((one) => one.group === group)]));
  const others = left.filter(({ group }) => !known.includes(group));
  return [...found, /** @type {[string, Column[]]} */ (["More", others])].filter(([, some]) => some.length);
}

/** Whether a column holds words, and not numbers. @param {Column | undefined} column */
export const isWords = (column) => Boolean(column?.values.length);

/** A number as a reader types it; null for none, undefined for what is no number. @param {string} text */
export function typed(text) {
  const plain = text.trim().replace("−", "-").replace(",", ".");
  if (!plain) return null;
  const value = Number(plain);
  return Number.isFinite(value) ? value : undefined;
}

/** What a range of numbers asks for; null where a text is no number. @param {string} column @param {string} low @param {string} high @param {Chip[]} chips */
export function rangeOfColumn(column, low, high, chips) {
  const [least, most] = [typed(low), typed(high)];
  if (least === undefined || most === undefined) return null;
  if (least === null && most === null) return chips.some((chip) => chip.column === column) ? { kind: "unfilter", column } : null;
  const [a, b] = least !== null && most !== null && least > most ? [most, least] : [least, most];
  return { kind: "filter", column, low: a, high: b };
}

/** What a click on a value asks for: it is shown beside the others, or no longer. @param {string} column @param {string} value @param {Chip[]} chips */
export function valueOfColumn(column, value, chips) {
  const before = chips.find((chip) => chip.column === column)?.values ?? [];
  const values = before.includes(value) ? before.filter((one) => one !== value) : [...before, value];
  return values.length ? { kind: "filter", column, values } : { kind: "unfilter", column };
}

/** The values of a column as a menu says them. @param {Column} column @param {Chip[]} chips @returns {[string, string][]} value, words */
export function valueWords({ name, values, counts }, chips) {
  const chosen = chips.find((chip) => chip.column === name)?.values ?? [];
  return values.map((value, i) => [value, `${chosen.includes(value) ? "✓ " : ""}${value || "none"} (${counts[i]})`]);
}

/** A number for a field that says where a column begins or ends. @param {number | null} value */
export const endWords = (value) => (value === null || value === undefined ? "" : `${Number(value.toPrecision(3))}`.replace("-", "−"));

// What is confused with what: labels against predicted classes, as counts. No document: `node --test` imports this.

import { predicted } from "./order.js";

// Classes of each side; rarer ones stand together.
export const MOST_CLASSES = 12;
const OTHERS = "other classes";

/** @typedef {import("./order.js").Images} Images */
/** @typedef {{ rows: string[], columns: string[], members: number[][][] }} Confusion labels, predicted classes, and the images of each pair */

/** The words that stand for themselves, the most frequent first, then the rest in one. @param {string[]} words */
function kept(words) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]).map(([word]) => word);
  return sorted.length > MOST_CLASSES ? [...sorted.slice(0, MOST_CLASSES - 1), OTHERS] : sorted;
}

/**
 * Of the images whose label and predicted class are known. Classes that are only predicted come last; a class stands in
 * the same order on both sides. Labels are compared without their case, as a session does.
 * @param {Images} images
 * @param {number[]} ids
 * @returns {Confusion}
 */
export function confusionOf(images, ids) {
  const names = new Map(images.classes.map((name) => [name.toLowerCase(), name]));
  const some = ids.filter((index) => images.labels[index] && predicted(images, index));
  const labelOf = (/** @type {number} */ index) => names.get(images.labels[index].toLowerCase()) ?? images.labels[index];
  const rows = kept(some.map(labelOf)), said = kept(some.map((index) => predicted(images, index)));
  const columns = [...rows.filter((one) => one !== OTHERS), ...said.filter((one) => one !== OTHERS && !rows.includes(one))].filter((one) => said.includes(one));
  if (some.some((index) => !columns.includes(predicted(images, index)))) columns.push(OTHERS);
  const members = rows.map(() => columns.map(() => /** @type {number[]} */ ([])));
  const place = (/** @type {string[]} */ list, /** @type {string} */ word) => (list.includes(word) ? list.indexOf(word) : list.length - 1);
  for (const index of some) members[place(rows, labelOf(index))][place(columns, predicted(images, index))].push(index);
  return { rows, columns, members };
}

/** One cell in words. @param {Confusion} confusion @param {number} row @param {number} column @param {Set<number>} chosen */
export function cellWords({ rows, columns, members }, row, column, chosen) {
  const some = members[row][column], marked = some.filter((index) => chosen.has(index)).length;
  return `label ${rows[row]}, predicted ${columns[column]}: ${some.length} image${some.length === 1 ? "" : "s"}${marked ? `, ${marked} selected` : ""}`;
}

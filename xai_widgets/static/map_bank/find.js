// Which feature maps a search means. No document: `node --test` imports this.

import { folded } from "../shared/values.js";

/** @typedef {{ names?: Map<number, string>, groups?: [string, number[]][] }} Named */

const NUMBERS = /^(\d+)(?:[-–](\d+))?$/;

/**
 * Keeps the maps that a search means: numbers and ranges such as "3, 8-12", or the words of a name or of a group.
 * @param {string} text
 * @param {Named} named
 * @returns {(i: number) => boolean}
 */
export function finder(text, { names = new Map(), groups = [] }) {
  const wanted = folded(text.trim()), parts = wanted.split(/[\s,;]+/).filter(Boolean);
  if (!parts.length) return () => true;
  const ranges = parts.map((part) => NUMBERS.exec(part));
  if (ranges.every(Boolean)) {
    const ends = ranges.map((found) => [Number(found[1]), Number(found[2] ?? found[1])]);
    return (i) => ends.some(([low, high]) => i >= low && i <= high);
  }
  const within = new Set(groups.filter(([name]) => folded(name).includes(wanted)).flatMap(([, maps]) => maps));
  return (i) => within.has(i) || folded(names.get(i) ?? "").includes(wanted);
}

/** The name of the group that is selected as a whole, and nothing beside it; "" where there is none. @param {[string, number[]][]} groups @param {Set<number>} selected */
export const groupOf = (groups, selected) =>
  groups.find(([, maps]) => maps.length === selected.size && maps.every((map) => selected.has(map)))?.[0] ?? "";

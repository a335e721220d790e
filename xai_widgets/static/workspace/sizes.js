// Widths and heights of the workspace: three columns, or one where it is narrow. No document: `node --test` imports this.

import { clamp } from "../shared/values.js";

export const NARROW = 900; // CSS pixels; below it the views stand in one column
export const BORDER = 9; // CSS pixels of a border that can be dragged
const LEAST = { left: 190, middle: 300, dock: 330 }; // CSS pixels of a column
const LOWEST = 460; // CSS pixels of the whole
const HIGHEST = 1600;
const SHARES = { left: [0.1, 0.4], dock: [0.2, 0.65], contrast: [0.15, 0.8] };

/** @typedef {{ left: number, dock: number, contrast: number | null }} Shares of the width; of the height of the first column, by itself if null */
/** @typedef {{ left: boolean, middle: boolean, dock: boolean }} Present which columns there are */

/** @type {Shares} */
export const AT_FIRST = { left: 0.2, dock: 0.41, contrast: null };

/** The whole fits into the window it is in. @param {number} room CSS pixels */
export const heightIn = (room) => clamp(Math.floor(room), LOWEST, HIGHEST);

/**
 * The columns of a grid, with a border between each two; the middle takes what is left, else the last.
 * @param {number} width CSS pixels
 * @param {Shares} shares
 * @param {Present} present
 */
export function columnsOf(width, { left, dock }, present) {
  const borders = (Number(present.left) + Number(present.middle) + Number(present.dock) - 1) * BORDER, free = Math.max(width - borders, 0);
  const most = (/** @type {"left" | "dock"} */ name) => free - (present.middle ? LEAST.middle : 0)
    - (name === "left" ? (present.dock ? LEAST.dock : 0) : (present.left ? LEAST.left : 0));
  const wide = Math.round(clamp(left * free, LEAST.left, Math.max(most("left"), LEAST.left)));
  const docked = Math.round(clamp(dock * free, LEAST.dock, Math.max(free - (present.middle ? LEAST.middle : 0) - (present.left ? wide : 0), LEAST.dock)));
  if (!present.middle) return [present.left && (present.dock ? `${wide}px` : "minmax(0, 1fr)"), present.dock && "minmax(0, 1fr)"].filter(Boolean);
  return [present.left && `${wide}px`, "minmax(0, 1fr)", present.dock && `${docked}px`].filter(Boolean);
}

/**
 * The shares after one of them is set; what is no number changes nothing.
 * @param {Shares} shares @param {keyof Shares} name @param {number | null} share
 */
export function withShare(shares, name, share) {
  if (share === null) return { ...shares, [name]: AT_FIRST[name] };
  return Number.isFinite(share) ? { ...shares, [name]: clamp(share, SHARES[name][0], SHARES[name][1]) } : shares;
}

/** What was kept, as far as it can be used. @param {string | null} text JSON @returns {Shares} */
export function sharesFrom(text) {
  /** @type {any} */
  let kept;
  let shares = AT_FIRST;
  try {
    kept = JSON.parse(text ?? "null");
  } catch {
    return shares;
  }
  for (const name of /** @type {(keyof Shares)[]} */ (Object.keys(SHARES))) {
    const value = kept?.[name];
    if (typeof value === "number") shares = withShare(shares, name, value);
  }
  return shares;
}

/** Which tab a key leads to; undefined for keys that do not move. @param {string} key @param {number} at @param {number} count */
export function tabAfter(key, at, count) {
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
  return step === undefined || !count ? undefined : (at + step + count) % count;
}

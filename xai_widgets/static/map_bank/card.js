// When the card of a feature map opens and closes, where it stands, and where its mark is. No document: `node --test`
// imports this.

import { placeOf } from "../shared/grid.js";
import { clamp } from "../shared/values.js";

// Milliseconds that the pointer rests on a map before its card opens, and that a card stays when the pointer has left.
export const LINGER = 700;
export const LEAVE = 350;
// Of the mark "?" in a corner of a map, in CSS pixels.
export const MARK = 15;
const MARGIN = 6;

/**
 * @typedef {object} Opened
 * @property {number} index the map whose card is open, or -1
 * @property {boolean} pinned whether it stays until it is closed; one that a resting pointer opened goes when it leaves
 * @property {boolean} [waits] whether the kernel has not heard of it yet, so that what it says is older
 */
/** @typedef {{ x: number, y: number, width: number, height: number }} Box in CSS pixels of the view */

/** @type {Opened} */
export const NO_CARD = { index: -1, pinned: false };

/** What a click or a key on a map leads to: its card, or none where that is open already. @param {Opened} opened @param {number} index @returns {Opened} */
export const asked = (opened, index) => (opened.index === index && opened.pinned ? NO_CARD : { index, pinned: true });

/** What the kernel says. @param {Opened} opened @param {number | undefined} index @returns {Opened} */
export function told(opened, index = -1) {
  if (opened.index === index) return { ...opened, waits: false };
  if (opened.waits) return opened;
  return index < 0 ? NO_CARD : { index, pinned: true };
}

/** The map whose card opens when the pointer stays where it is, or -1. @param {Opened} opened @param {{ under: number, part?: string, busy: boolean }} pointer */
export const lingersOn = (opened, { under, part, busy }) =>
  (busy || opened.pinned || part !== "map" || under === opened.index ? -1 : under);

/** Whether the pointer has left a card that only it holds open. @param {Opened} opened @param {{ under: number, onCard: boolean }} pointer */
export const isLeft = (opened, { under, onCard }) => opened.index >= 0 && !opened.pinned && !onCard && under !== opened.index;

/** Whether a point is on the mark of the map at a place. @param {import("./layout.js").Layout} layout @param {number} place @param {number} x @param {number} y */
export function onMark(layout, place, x, y) {
  const at = placeOf(layout, place), right = at.x + layout.map, bottom = at.y + layout.map;
  return x >= right - MARK && x <= right && y >= bottom - MARK && y <= bottom;
}

/**
 * Where a card stands: right of its map, else left of it, else below or above it; never outside of the view, if it fits.
 * @param {Box} cell of the map
 * @param {{ width: number, height: number }} card
 * @param {{ width: number, height: number }} room
 */
export function cardPlace(cell, card, room) {
  const right = cell.x + cell.width + MARGIN, left = cell.x - card.width - MARGIN;
  const beside = right + card.width <= room.width ? right : left >= 0 ? left : undefined;
  const top = (/** @type {number} */ y) => clamp(y, 0, Math.max(room.height - card.height, 0));
  if (beside !== undefined) return { left: beside, top: top(cell.y) };
  const below = cell.y + cell.height + MARGIN, above = cell.y - card.height - MARGIN;
  const y = below + card.height <= room.height || above < 0 ? below : above;
  return { left: clamp(cell.x, 0, Math.max(room.width - card.width, 0)), top: top(y) };
}

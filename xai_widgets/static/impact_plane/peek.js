// What more is said of the map under the pointer: its picture and what is known of it; after a while its card.

import { element } from "../shared/dom.js";
import { buildCard, CROPS, listenInCard, tellCard } from "../shared/map_card.js";
import { bytes, clamp } from "../shared/values.js";

/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {ReturnType<typeof buildPeek>} PeekParts */
/** @typedef {ReturnType<typeof peekOf>} Peek */

// Milliseconds that a pointer rests on a point before more is said of its map, and before its card opens.
const REST = 120;
const LINGER = 900;
// Milliseconds after which a card that opened by itself goes, when the pointer is neither on its point nor on it.
const LEAVE = 500;

export function buildPeek() {
  const picture = element("img", { alt: "", hidden: true }), words = element("div"), facts = element("div", { class: "xw-caption" });
  const tip = element("div", { class: "xw-tip xw-numbers", "aria-hidden": "true", hidden: true }, picture, element("div", {}, words, facts));
  return { tip, picture, words, facts, card: buildCard() };
}

/** The pixels of a map, from dark to light, as an address. @param {DataView} data @param {number[]} shape */
function addressOf(data, [height, width]) {
  const values = bytes(data), canvas = element("canvas"), context = canvas.getContext("2d");
  [canvas.width, canvas.height] = [Math.max(width, 1), Math.max(height, 1)];
  const image = context.createImageData(canvas.width, canvas.height);
  values.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

/**
 * Closes a card that opened by itself, when the pointer is neither on its point nor on it; returns a look at the pointer.
 * @param {Page} page
 * @param {HTMLElement} node of the card
 * @param {() => boolean} isLeft whether the pointer is on another point, or on none
 * @param {() => void} close
 */
function whenLeft(page, node, isLeft, close) {
  let timer = 0, onCard = false;
  const look = () => {
    clearTimeout(timer);
    if (!onCard && isLeft()) timer = window.setTimeout(() => { if (!onCard && isLeft()) close(); }, LEAVE);
  };
  for (const type of ["pointerenter", "pointerleave"]) {
    page.listen(node, type, () => {
      onCard = type === "pointerenter";
      look();
    });
  }
  page.onClose(() => clearTimeout(timer));
  return look;
}

/**
 * The tip beside a point, and the card of its map.
 * @param {Page} page
 * @param {PeekParts} parts
 * @param {HTMLElement} plot
 */
export function peekOf(page, parts, plot) {
  const { model } = page, { tip, picture, words, facts, card } = parts;
  let told = -1, opened = -1, asking = 0, opening = 0, pinned = false;
  let painted = /** @type {DataView | null} */ (null);
  /** @param {number} index @param {boolean} [stays] until it is closed */
  const open = (index, stays = true) => {
    [opened, pinned] = [index, stays];
    model.send({ kind: "card", index });
  };
  const close = () => {
    if (opened < 0) return;
    opened = -1;
    card.root.hidden = true;
    model.send({ kind: "card", index: null });
  };
  const seen = () => {
    const now = model.get("seen"), there = told >= 0 && now?.index === told;
    picture.hidden = !there;
    if (there && now.picture !== painted) [painted, picture.src] = [now.picture, addressOf(now.picture, now.shape)];
    facts.textContent = there ? now.facts.join(" · ") : "";
  };
  /** Where the tip stands: above its point, else below it. @param {number} x @param {number} y */
  const seat = (x, y) => {
    tip.style.left = `${clamp(x - tip.offsetWidth / 2, 2, Math.max(2, plot.clientWidth - tip.offsetWidth - 2))}px`;
    tip.style.top = `${y > tip.offsetHeight + 16 ? y - tip.offsetHeight - 12 : y + 14}px`;
  };
  const look = whenLeft(page, card.root, () => opened >= 0 && !pinned && told !== opened, close);
  page.listen(card.root, "focusin", () => { pinned = true; }); // the reader is at work in it
  listenInCard(page, card, () => opened);
  page.listen(card.close, "click", close);
  page.onClose(() => [asking, opening].forEach((timer) => clearTimeout(timer)));
  return {
    open, close, seen,
    opened: () => opened,
    /** The map that is pointed at, its words, and where it stands; -1 for none. @param {number} index @param {string} text @param {number} x @param {number} y @param {boolean} rests whether a pointer rests on it */
    show: (index, text, x, y, rests) => {
      if (index !== told) {
        [asking, opening].forEach((timer) => clearTimeout(timer));
        told = index;
        if (index >= 0) asking = window.setTimeout(() => model.send({ kind: "look", index }), REST);
        if (index >= 0 && rests && opened !== index) opening = window.setTimeout(() => open(index, false), LINGER);
        look();
      }
      tip.hidden = index < 0 || opened >= 0;
      if (tip.hidden) return;
      words.textContent = text;
      seen();
      seat(x, y);
    },
    /** The card, on the side where its point is not, within a height. @param {boolean} right @param {number} height */
    read: (right, height) => {
      const now = model.get("card") ?? {};
      card.root.hidden = opened < 0 || now.index !== opened;
      if (card.root.hidden) return;
      tellCard(card, now, (name) => model.get(name));
      card.root.style.maxHeight = `${Math.max(height, 260)}px`;
      card.root.style.right = right ? "8px" : "auto";
      card.root.style.left = right ? "auto" : "8px";
    },
  };
}

export const CARD_TRAITS = ["card", ...CROPS].join(" ");

// Which thumbnails are asked for, and when; and those that came.

import { bytes } from "../shared/values.js";

// Milliseconds between two requests while one scrolls.
export const EVERY = 150;
// Pictures that the page remembers, about 6 kB each.
const KEPT = 2000;
// Milliseconds between two looks at the speed of scrolling, and after which one rests.
const BETWEEN = 30;
const RESTED = 300;
// Milliseconds that an <img> may still be reading an address.
const READING = 1000;

/** @typedef {{ address: string, side: number }} Picture */
/** @typedef {ReturnType<typeof picturesOf>} Pictures */

/** Milliseconds until the next request may leave. @param {number} now @param {number} last */
export const waitFor = (now, last) => Math.max(0, last + EVERY - now);

/** What is still missing of what is near. @param {number[]} near @param {number} side @param {Map<number, Picture>} pictures @param {Map<number, string>} broken */
export const missingOf = (near, side, pictures, broken) =>
  near.filter((index) => !broken.has(index) && !((pictures.get(index)?.side ?? 0) >= side));

/** The pictures to let go, the oldest first, so that `most` stay and all that are shown. @param {Iterable<number>} held @param {number} count @param {(index: number) => boolean} isShown @param {number} [most] */
export function surplusOf(held, count, isShown, most = KEPT) {
  const old = [...held].filter((index) => !isShown(index));
  return old.slice(0, Math.max(0, count - most));
}

/**
 * Asks for what is in sight when a request leaves, not for what was in sight when it was first wanted: a request stands
 * for all that is missing, and the kernel reads nothing else for this view.
 * @param {import("../shared/mount.js").Page} page
 * @param {string} origin
 * @param {() => { indices: number[] } & Record<string, any>} near and what else the request says
 * @param {string} [kind]
 */
export function askerOf({ model, onClose }, origin, near, kind = "need") {
  let timer = 0, last = -Infinity, asked = { indices: new Set(), how: "" };
  const ask = () => {
    timer = 0;
    const { indices, ...more } = near(), how = JSON.stringify(more);
    // What was asked for last is on its way.
    if (!indices.length || how === asked.how && indices.every((index) => asked.indices.has(index))) return;
    last = performance.now();
    asked = { indices: new Set(indices), how };
    model.send({ kind, indices, ...more, origin });
  };
  onClose(() => clearTimeout(timer));
  return {
    /** Ask soon; a request that is due already is not put off. */
    soon: () => { timer ||= window.setTimeout(ask, waitFor(performance.now(), last)); },
    /** What was asked for is asked for again where it is missing. */
    forget: () => { asked = { indices: new Set(), how: "" }; },
  };
}

/** How fast one scrolls: of the place and the time of each paint, the pixels a second, downwards above 0; 0 after a rest. */
export function paceOf() {
  let at = -Infinity, place = 0, speed = 0;
  return (/** @type {number} */ top, /** @type {number} */ now) => {
    const passed = now - at;
    if (passed < BETWEEN) return speed;
    speed = passed > RESTED ? 0 : (speed + 1000 * (top - place) / passed) / 2;
    [at, place] = [now, top];
    return speed;
  };
}

/** The pictures of a page, by image. @param {import("../shared/mount.js").Page} page */
export function picturesOf({ onClose }) {
  /** @type {Map<number, Picture>} */
  const pictures = new Map();
  /** @type {Map<number, string>} */
  const broken = new Map();
  /** @param {number} index */
  const forget = (index) => {
    const picture = pictures.get(index);
    if (picture) setTimeout(() => URL.revokeObjectURL(picture.address), READING);
    pictures.delete(index);
  };
  onClose(() => { for (const { address } of pictures.values()) URL.revokeObjectURL(address); });
  return {
    /** @param {number} index */
    address: (index) => pictures.get(index)?.address ?? "",
    /** Why an image has no picture. @param {number} index */
    fault: (index) => broken.get(index),
    /** @param {number[]} near @param {number} side */
    missing: (near, side) => missingOf(near, side, pictures, broken),
    /** @param {{ side: number, indices: number[], failed: [number, string][] }} content @param {DataView[]} buffers @param {(index: number) => boolean} isShown */
    take: ({ side, indices, failed }, buffers, isShown) => {
      indices.forEach((index, i) => {
        const address = URL.createObjectURL(new Blob([bytes(buffers[i]).slice()], { type: "image/jpeg" }));
        forget(index);
        broken.delete(index);
        pictures.set(index, { address, side });
      });
      for (const [index, sentence] of failed) broken.set(index, sentence);
      surplusOf(pictures.keys(), pictures.size, isShown).forEach(forget);
    },
    /** The files were replaced: what is shown of them is old. @param {number[]} indices */
    drop: (indices) => {
      for (const index of indices) {
        forget(index);
        broken.delete(index);
      }
    },
  };
}

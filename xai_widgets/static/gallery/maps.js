// The maps of images on their thumbnails: asked for when they are seen, and painted over the part of the photo that each
// covers.

import { colourise } from "../shared/palettes.js";
import { bytes } from "../shared/values.js";
import { askerOf } from "./thumbnails.js";

// Maps that the page remembers, about 1 kB each.
const HELD = 2000;

/** @typedef {{ shape: [number, number], box: [number, number, number, number], palette: string, values: Int8Array }} SmallMap */
/** @typedef {{ version: number, palette: string, sign: string, opacity: number, grey: boolean }} Mapping */
/** @typedef {ReturnType<typeof mapsOf>} Maps */

/**
 * Where a part of a photo lies in a square that the photo covers, in shares of its side: left, top, width, height.
 * @param {[number, number, number, number]} box
 * @param {number} width of the photo
 * @param {number} height
 */
export function coverOf([left, top, right, bottom], width, height) {
  const least = Math.min(width, height), across = width / least, down = height / least;
  return [(1 - across) / 2 + left * across, (1 - down) / 2 + top * down, (right - left) * across, (bottom - top) * down];
}

/** @param {HTMLCanvasElement} canvas @param {SmallMap} map @param {Mapping} look */
export function paintSmall(canvas, { shape: [height, width], values, palette }, look) {
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  colourise(new Uint32Array(image.data.buffer), values, 127, { palette: palette || look.palette, sign: look.sign });
  context.putImageData(image, 0, 0);
  canvas.style.opacity = `${look.opacity}`;
}

/** Lay the map over the photo, once that is there. @param {HTMLCanvasElement} canvas @param {HTMLImageElement} photo @param {SmallMap} map */
export function laySmall(canvas, photo, { box }) {
  canvas.hidden = !photo.naturalWidth;
  const [left, top, width, height] = coverOf(box, photo.naturalWidth || 1, photo.naturalHeight || 1);
  Object.assign(canvas.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * width}%`, height: `${100 * height}%` });
}

/**
 * @param {import("../shared/mount.js").Page} page
 * @param {string} origin
 * @param {() => { on: boolean, sight: number[] }} seen whether maps are shown, and the images in sight
 */
export function mapsOf(page, origin, seen) {
  const { model } = page;
  /** @type {Map<number, SmallMap>} */
  const maps = new Map();
  /** @type {Map<number, string>} */
  const faults = new Map();
  const mapping = () => /** @type {Mapping} */ (model.get("mapping"));
  let of = -1;
  const asker = askerOf(page, origin, () => {
    const { on, sight } = seen(), { version } = mapping();
    return { indices: on && version !== undefined ? sight.filter((index) => !maps.has(index) && !faults.has(index)) : [], version };
  }, "maps");
  const forget = () => {
    maps.clear();
    faults.clear();
    asker.forget();
  };
  return {
    mapping, soon: asker.soon,
    /** @param {number} index */
    get: (index) => maps.get(index),
    /** Why an image has no map. @param {number} index */
    fault: (index) => faults.get(index),
    /** What is asked is another question, or looks otherwise. */
    refresh: () => {
      if (mapping().version !== of) forget();
      of = mapping().version;
    },
    /** The files were replaced. @param {number[]} indices */
    drop: (indices) => {
      for (const index of indices) {
        maps.delete(index);
        faults.delete(index);
      }
      asker.forget();
    },
    /** @param {{ version: number, index: number, why: string, shape: [number, number], box: [number, number, number, number], palette: string }} content @param {DataView[]} buffers */
    take: ({ version, index, why, shape, box, palette }, buffers) => {
      if (version !== of) return;
      if (why || !buffers.length) faults.set(index, why);
      else maps.set(index, { shape, box, palette, values: new Int8Array(bytes(buffers[0]).slice().buffer) });
      if (maps.size > HELD) maps.delete(maps.keys().next().value ?? -1);
    },
  };
}

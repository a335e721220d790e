// Painting of the stage: a map, the secondary layer over it, and the legend. Sizes come in; nothing is asked.
import { colourise, cover, upsample } from "../shared/palettes.js";

const FINE = 448; // pixels on the longer side of an up-sampled map; the browser's own scaling does the rest
const GREY = 70; // the full colour of the secondary layer
const STEPS = 511;

/** @typedef {{ palette: string, sign: string, smooth?: boolean }} Painting */

/**
 * Rows and columns in which a map is painted over a box of `across` times `down` CSS pixels.
 * @param {number} h @param {number} w @param {number} across @param {number} down @param {boolean} fine
 * @returns {[number, number]}
 */
export function grain(h, w, across, down, fine) {
  const most = Math.min(FINE, Math.max(across, down)) / Math.max(across, down);
  return fine ? [Math.max(Math.round(down * most), 1), Math.max(Math.round(across * most), 1)] : [h, w];
}

/** @param {HTMLCanvasElement} canvas @param {number} H @param {number} W @returns {[CanvasRenderingContext2D, ImageData]} */
function fit(canvas, H, W) {
  if (canvas.width !== W || canvas.height !== H) [canvas.width, canvas.height] = [W, H];
  const context = canvas.getContext("2d");
  return [context, context.createImageData(W, H)];
}

/**
 * A map of values, and of strengths where it has two dimensions.
 * @param {HTMLCanvasElement} canvas @param {import("./state.js").Layer} layer @param {Painting} look
 * @param {number} across @param {number} down
 */
export function paintMap(canvas, { values, strength, h, w, limit }, look, across, down) {
  const [H, W] = grain(h, w, across, down, look.smooth), [context, image] = fit(canvas, H, W);
  const grown = (/** @type {Float32Array | null} */ some) => (look.smooth && some ? upsample(some, h, w, H, W) : some);
  canvas.style.imageRendering = look.smooth ? "auto" : "pixelated";
  colourise(new Uint32Array(image.data.buffer), grown(values), limit, look, grown(strength));
  context.putImageData(image, 0, 0);
}

/**
 * Grey where values are large.
 * @param {HTMLCanvasElement} canvas @param {import("./state.js").Layer} layer @param {boolean} smooth
 * @param {number} across @param {number} down
 */
export function paintGrey(canvas, { values, h, w, limit }, smooth, across, down) {
  const [H, W] = grain(h, w, across, down, smooth), [context, image] = fit(canvas, H, W);
  const some = smooth ? upsample(values, h, w, H, W) : values, words = new Uint32Array(image.data.buffer);
  canvas.style.imageRendering = smooth ? "auto" : "pixelated";
  const colour = (GREY << 16) | (GREY << 8) | GREY, scale = limit > 0 ? 1 / limit : 0;
  for (let i = 0; i < some.length; i++) words[i] = ((Math.round(cover(Math.max(some[i] * scale, 0)) * 255) << 24) | colour) >>> 0;
  context.putImageData(image, 0, 0);
}

/**
 * The sides of cells between inside and outside of a region (h w), in cells: [x, y, x, y] each.
 * @param {ArrayLike<number>} region @param {number} h @param {number} w
 */
export function borders(region, h, w) {
  const inside = (/** @type {number} */ y, /** @type {number} */ x) => y >= 0 && y < h && x >= 0 && x < w && region[y * w + x] > 0, lines = [];
  for (let y = 0; y <= h; y++) {
    for (let x = 0; x <= w; x++) {
      if (y < h && inside(y, x) !== inside(y, x - 1)) lines.push([x, y, x, y + 1]);
      if (x < w && inside(y, x) !== inside(y - 1, x)) lines.push([x, y, x + 1, y]);
    }
  }
  return lines;
}

/**
 * A line around the cells of a region: dark on white, so that it is seen over any colour.
 * @param {HTMLCanvasElement} canvas @param {import("./state.js").Layer} layer @param {number} across @param {number} down
 */
export function paintOutline(canvas, { outline, h, w }, across, down) {
  const ratio = globalThis.devicePixelRatio || 1, [W, H] = [Math.max(Math.round(across * ratio), 1), Math.max(Math.round(down * ratio), 1)];
  const [context] = fit(canvas, H, W), lines = borders(outline, h, w), sx = W / w, sy = H / h;
  canvas.style.imageRendering = "auto";
  context.clearRect(0, 0, W, H);
  context.lineCap = "square";
  for (const { colour, thick } of [{ colour: "white", thick: 3.5 }, { colour: "#212121", thick: 1.5 }]) {
    [context.strokeStyle, context.lineWidth] = [colour, thick * ratio];
    context.beginPath();
    for (const [x0, y0, x1, y1] of lines) {
      context.moveTo(x0 * sx, y0 * sy);
      context.lineTo(x1 * sx, y1 * sy);
    }
    context.stroke();
  }
}

/**
 * The colours from end to end; of a map with two dimensions from full down to pale.
 * @param {HTMLCanvasElement} canvas @param {Painting} look @param {boolean} positive @param {boolean} deep
 */
export function paintScale(canvas, look, positive, deep) {
  const rows = deep ? 48 : 1, [context, image] = fit(canvas, rows, STEPS);
  const values = new Float32Array(rows * STEPS), strength = deep ? new Float32Array(rows * STEPS) : null;
  for (let y = 0, i = 0; y < rows; y++) {
    for (let x = 0; x < STEPS; x++, i++) {
      values[i] = positive ? x / (STEPS - 1) : (2 * x) / (STEPS - 1) - 1;
      if (deep) strength[i] = 1 - y / (rows - 1);
    }
  }
  colourise(new Uint32Array(image.data.buffer), values, 1, look, strength);
  context.putImageData(image, 0, 0);
}

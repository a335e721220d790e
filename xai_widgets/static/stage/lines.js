// Lines over a photo: around places of a grid, each dark on light, so that they are seen over any colour.

import { borders } from "./paint.js";

/**
 * @typedef {object} Line
 * @property {ArrayLike<number>} inside of a grid (h w)
 * @property {number} h
 * @property {number} w
 * @property {[number, number, number, number]} box what the grid covers of the photo
 * @property {string} colour
 * @property {number} thick CSS pixels
 * @property {number[]} dash CSS pixels
 */

/** @param {Pick<Line, "inside" | "h" | "w" | "box">} places @param {string} colour @param {number} thick @param {number[]} [dash] @returns {Line} */
export const lineAround = ({ inside, h, w, box }, colour, thick, dash = []) => ({ inside, h, w, box, colour, thick, dash });

/**
 * @param {HTMLCanvasElement} canvas over the whole photo @param {Line[]} lines
 * @param {number} across @param {number} down of the photo in CSS pixels @param {number} near how near it is seen
 */
export function paintLines(canvas, lines, across, down, near) {
  canvas.hidden = !lines.length;
  canvas.dataset.lines = `${lines.length}`;
  if (!lines.length) return;
  const ratio = Math.min((globalThis.devicePixelRatio || 1) * near, 4), W = Math.max(Math.round(across * ratio), 1), H = Math.max(Math.round(down * ratio), 1);
  if (canvas.width !== W || canvas.height !== H) [canvas.width, canvas.height] = [W, H];
  const context = canvas.getContext("2d"), pixel = ratio / near;
  context.clearRect(0, 0, W, H);
  context.lineCap = "butt";
  context.lineJoin = "round";
  for (const { inside, h, w, box: [left, top, right, bottom], colour, thick, dash } of lines) {
    const x = (/** @type {number} */ at) => (left + (at / w) * (right - left)) * W, y = (/** @type {number} */ at) => (top + (at / h) * (bottom - top)) * H;
    for (const [ink, width, gaps] of /** @type {[string, number, number[]][]} */ ([["white", thick + 2, []], [colour, thick, dash]])) {
      [context.strokeStyle, context.lineWidth] = [ink, width * pixel];
      context.setLineDash(gaps.map((gap) => gap * pixel));
      context.beginPath();
      for (const [x0, y0, x1, y1] of borders(inside, h, w)) {
        context.moveTo(x(x0), y(y0));
        context.lineTo(x(x1), y(y1));
      }
      context.stroke();
    }
  }
}

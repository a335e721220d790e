// Axes, points, brush and lasso on a canvas. It knows numbers and pixels, not what they mean.

import { tickLabels, ticks } from "./axes.js";

/** @typedef {[number, number]} Point in CSS pixels from the corner of the canvas */
/** @typedef {ArrayLike<number>} Places */
/** @typedef {import("./axes.js").Scale} Scale */

/**
 * The index of the point next to (x, y) within `reach` pixels, or -1; the later of two at one place.
 * @param {Places} xs @param {Places} ys @param {number} x @param {number} y @param {number} [reach]
 */
export function nearest(xs, ys, x, y, reach = 12) {
  let best = -1, least = reach * reach;
  for (let i = 0; i < xs.length; i++) {
    const distance = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
    if (distance <= least) [best, least] = [i, distance];
  }
  return best;
}

/** @param {Places} xs @param {Places} ys @param {Point} from @param {Point} to two corners */
export function insideBox(xs, ys, [x0, y0], [x1, y1]) {
  const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)], [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)];
  /** @type {number[]} */
  const found = [];
  for (let i = 0; i < xs.length; i++) {
    if (xs[i] >= left && xs[i] <= right && ys[i] >= top && ys[i] <= bottom) found.push(i);
  }
  return found;
}

/** Even-odd rule; `corners` close by themselves. @param {Places} xs @param {Places} ys @param {Point[]} corners */
export function insideLasso(xs, ys, corners) {
  /** @type {number[]} */
  const found = [];
  if (corners.length < 3) return found;
  for (let i = 0; i < xs.length; i++) {
    let inside = false;
    for (let a = 0, b = corners.length - 1; a < corners.length; b = a++) {
      const [ax, ay] = corners[a], [bx, by] = corners[b];
      if (ay > ys[i] !== by > ys[i] && xs[i] < ((bx - ax) * (ys[i] - ay)) / (by - ay) + ax) inside = !inside;
    }
    if (inside) found.push(i);
  }
  return found;
}

/** Whether a press has become a drag. @param {Point} from @param {Point} to @param {number} [least] */
export const isDrag = ([x0, y0], [x1, y1], least = 4) => Math.hypot(x1 - x0, y1 - y0) >= least;

/**
 * Follow one press at a time: `hover(at | null)`, `click(at, event)`, `brush(path)` while dragging, `done(path, event)`
 * at its end, `brush(null)` when it is given up by Escape. A path is a list of [x, y] from the press on.
 * @param {HTMLElement} node
 * @param {{ signal: AbortSignal, hover: (at: Point | null) => void, click: (at: Point, event: PointerEvent) => void,
 *   brush: (path: Point[] | null) => void, done: (path: Point[], event: PointerEvent) => void }} actions
 */
export function follow(node, { signal, hover, click, brush, done }) {
  /** @type {Point[] | null} */
  let path = null;
  let dragging = false;
  /** @param {PointerEvent} event @returns {Point} */
  const at = (event) => {
    const box = node.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const stop = () => { [path, dragging] = [null, false]; };
  /** @param {string} type @param {(event: any) => void} action */
  const listen = (type, action) => node.addEventListener(type, action, { signal });
  listen("pointerdown", (event) => {
    if (event.button !== 0) return;
    path = [at(event)];
    node.setPointerCapture(event.pointerId);
  });
  listen("pointermove", (event) => {
    const here = at(event);
    if (!path) return hover(here);
    dragging ||= isDrag(path[0], here);
    if (!dragging) return undefined;
    if (isDrag(path[path.length - 1], here, 2)) path.push(here);
    return brush(path);
  });
  listen("pointerup", (event) => {
    if (!path) return;
    const [whole, was] = [[...path, at(event)], dragging];
    stop();
    if (was) done(whole, event);
    else click(whole[0], event);
  });
  for (const type of ["pointercancel", "lostpointercapture"]) listen(type, () => { if (path) { stop(); brush(null); } });
  listen("pointerleave", () => { if (!path) hover(null); });
  window.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && path) { stop(); brush(null); }
  }, { signal });
}

/**
 * Frame, ticks with labels, and the lines through zero.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./axes.js").Frame} frame
 * @param {Scale} x
 * @param {Scale} y
 * @param {{ ink: string, faint: string, line: string, font: string, xName?: string, yName?: string, most?: { x?: number, y?: number } }} axes
 */
export function paintAxes(context, frame, x, y, { ink, faint, line, font, xName = "", yName = "", most = {} }) {
  const { left, top, right, bottom } = frame;
  context.save();
  [context.lineWidth, context.font, context.textBaseline] = [1, font, "middle"];
  /** @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 @param {string} colour */
  const rule = (x0, y0, x1, y1, colour) => {
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
    context.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
    context.stroke();
  };
  context.fillStyle = faint;
  const across = ticks(x.low, x.high, most.x ?? Math.max(2, Math.floor((right - left) / 70)));
  const up = ticks(y.low, y.high, most.y ?? Math.max(2, Math.floor((bottom - top) / 40)));
  context.textAlign = "center";
  tickLabels(across).forEach((text, i) => {
    const place = x.place(across[i]);
    rule(place, top, place, bottom, line);
    context.fillText(text, place, bottom + 11);
  });
  context.textAlign = "right";
  tickLabels(up).forEach((text, i) => {
    const place = y.place(up[i]);
    rule(left, place, right, place, line);
    context.fillText(text, left - 5, place);
  });
  const [x0, y0] = [x.place(0), y.place(0)];
  if (x0 >= left && x0 <= right) rule(x0, top, x0, bottom, faint);
  if (y0 >= top && y0 <= bottom) rule(left, y0, right, y0, faint);
  context.fillStyle = ink;
  context.textAlign = "center";
  context.fillText(xName, (left + right) / 2, bottom + 28, right - left + 40);
  context.translate(9, (top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(yName, 0, 0, bottom - top + 30);
  context.restore();
}

/**
 * The outline of a point: "up" and "down" are triangles, "dot" a circle.
 * @param {CanvasRenderingContext2D} context
 * @param {"up" | "down" | "dot"} shape
 * @param {number} x
 * @param {number} y
 * @param {number} size
 */
export function trace(context, shape, x, y, size) {
  context.beginPath();
  if (shape === "dot") return context.arc(x, y, size * 0.7, 0, 2 * Math.PI);
  const tip = shape === "up" ? -size : size;
  context.moveTo(x, y + tip);
  context.lineTo(x + size, y - tip * 0.7);
  context.lineTo(x - size, y - tip * 0.7);
  return context.closePath();
}

/**
 * The shape that is being drawn: a box for two corners, or a lasso.
 * @param {CanvasRenderingContext2D} context
 * @param {Point[]} path
 * @param {string} tool
 * @param {string} colour
 */
export function paintBrush(context, path, tool, colour) {
  context.save();
  [context.strokeStyle, context.fillStyle] = [colour, colour];
  context.setLineDash([4, 3]);
  context.beginPath();
  if (tool === "box") {
    const [x0, y0] = path[0], [x1, y1] = path[path.length - 1];
    context.rect(x0, y0, x1 - x0, y1 - y0);
  } else {
    path.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
  }
  context.stroke();
  context.globalAlpha = 0.12;
  context.fill("evenodd");
  context.restore();
}

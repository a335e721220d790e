// Axes, points, brush and lasso on a canvas. It knows numbers and pixels, not what they mean.

import { clamp } from "./dom.js";

/** Round numbers from `low` to `high`, at most about `most` of them. */
export function ticks(low, high, most = 6) {
  if (!Number.isFinite(low) || !Number.isFinite(high) || high <= low) return Number.isFinite(low) ? [low] : [];
  const rough = (high - low) / Math.max(most, 1), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * (1 - 1e-9)) ?? 10 * power;
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step || 0); // no negative zero
}

/** As few decimals as tell the ticks apart; a true minus, as long as the digits. */
export function tickLabels(values) {
  const step = values.length > 1 ? values[1] - values[0] : Math.abs(values[0]) || 1;
  const largest = Math.max(...values.map(Math.abs), step), decimals = clamp(-Math.floor(Math.log10(step) + 1e-9), 0, 100);
  const write = decimals > 5 || largest >= 1e6
    ? (value) => (value === 0 ? "0" : value.toExponential(Math.max(0, Math.floor(Math.log10(largest / step) + 1e-9))))
    : (value) => value.toFixed(decimals);
  return values.map((value) => write(value).replace(/-/g, "−"));
}

/** A range that holds zero and all finite values, with some air; each side of zero gets at least its `share`. */
export function rangeOf(values, air = 0.08, share = 0) {
  let low = 0, high = 0;
  for (const value of values) {
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  if (low === high) return [-1, 1];
  const pad = (high - low) * air, other = share / (1 - share);
  [low, high] = [low && low - pad, high && high + pad];
  return [Math.min(low, -high * other) || 0, Math.max(high, -low * other)];
}

/** The range seen from `factor` times as near, with zero where it was. */
export const nearer = ([low, high], factor) => [low / factor, high / factor];

export function scale([low, high], [from, to]) {
  const slope = (to - from) / (high - low);
  return { low, high, from, to, place: (value) => from + (value - low) * slope, value: (at) => low + (at - from) / slope };
}

/** The box of the plot in a canvas, in CSS pixels. */
export const frameOf = (width, height, margin) => ({
  left: margin.left,
  top: margin.top,
  right: Math.max(width - margin.right, margin.left + 1),
  bottom: Math.max(height - margin.bottom, margin.top + 1),
});

/** The index of the point next to (x, y) within `reach` pixels, or -1; the later of two at one place. */
export function nearest(xs, ys, x, y, reach = 12) {
  let best = -1, least = reach * reach;
  for (let i = 0; i < xs.length; i++) {
    const distance = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
    if (distance <= least) [best, least] = [i, distance];
  }
  return best;
}

export function insideBox(xs, ys, [x0, y0], [x1, y1]) {
  const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)], [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)];
  const found = [];
  for (let i = 0; i < xs.length; i++) {
    if (xs[i] >= left && xs[i] <= right && ys[i] >= top && ys[i] <= bottom) found.push(i);
  }
  return found;
}

/** Even-odd rule; `corners` are [x, y] pairs and close by themselves. */
export function insideLasso(xs, ys, corners) {
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

/** Whether a press has become a drag. */
export const moved = ([x0, y0], [x1, y1], least = 4) => Math.hypot(x1 - x0, y1 - y0) >= least;

/**
 * Follow one press at a time: `hover(at | null)`, `click(at, event)`, `brush(path)` while dragging, `done(path, event)`
 * at its end, `brush(null)` when it is given up by Escape. A path is a list of [x, y] from the press on.
 */
export function follow(node, { signal, hover, click, brush, done }) {
  let path = null, dragging = false;
  const at = (event) => {
    const box = node.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const stop = () => { [path, dragging] = [null, false]; };
  const listen = (type, action) => node.addEventListener(type, action, { signal });
  listen("pointerdown", (event) => {
    if (event.button !== 0) return;
    path = [at(event)];
    node.setPointerCapture(event.pointerId);
  });
  listen("pointermove", (event) => {
    const here = at(event);
    if (!path) return hover(here);
    dragging ||= moved(path[0], here);
    if (!dragging) return undefined;
    if (moved(path.at(-1), here, 2)) path.push(here);
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

/** Frame, ticks with labels, and the lines through zero. `x` and `y` are scales; `axes` says names and colours. */
export function paintAxes(context, frame, x, y, { ink, faint, line, font, xName = "", yName = "", most = {} }) {
  const { left, top, right, bottom } = frame;
  context.save();
  [context.lineWidth, context.font, context.textBaseline] = [1, font, "middle"];
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

/** The outline of a point: "up" and "down" are triangles, "dot" a circle. */
export function trace(context, shape, x, y, size) {
  context.beginPath();
  if (shape === "dot") return context.arc(x, y, size * 0.7, 0, 2 * Math.PI);
  const tip = shape === "up" ? -size : size;
  context.moveTo(x, y + tip);
  context.lineTo(x + size, y - tip * 0.7);
  context.lineTo(x - size, y - tip * 0.7);
  return context.closePath();
}

/** The shape that is being drawn: a box for two corners, or a lasso. */
export function paintBrush(context, path, tool, colour) {
  context.save();
  [context.strokeStyle, context.fillStyle] = [colour, colour];
  context.setLineDash([4, 3]);
  context.beginPath();
  if (tool === "box") {
    const [[x0, y0], [x1, y1]] = [path[0], path.at(-1)];
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

// Painting of the chart: points with their error bars, and bars of residuals. Places and colours come in; nothing is asked.

import { paintAxes, paintBrush } from "../shared/plot.js";
import { BARRED } from "./chart.js";

/** @typedef {Record<"ink" | "paper" | "faint" | "line" | "accent" | "raises" | "lowers", string>} Palette */
/** @typedef {[number, number][]} Path */
/** @typedef {{ chosen: Set<number>, current: number, hovered: number, trained: (index: number) => boolean }} Marks */

/** @param {CanvasRenderingContext2D} context @param {import("../shared/axes.js").Frame} frame */
function clipTo(context, { left, top, right, bottom }) {
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./chart.js").Scatter} layout
 * @param {import("./chart.js").Pairs} pairs
 * @param {Marks} marks
 * @param {Path | null} path
 * @param {Palette} palette
 * @param {string} font
 */
export function paintScatter(context, layout, pairs, marks, path, palette, font) {
  const { frame, x, y } = layout;
  paintAxes(context, frame, x, y, { ...palette, font, xName: "rating", yName: "score" });
  context.save();
  clipTo(context, frame);
  [context.strokeStyle, context.lineWidth] = [palette.faint, 1];
  context.setLineDash([5, 4]);
  context.beginPath();
  context.moveTo(x.place(x.low), y.place(x.low));
  context.lineTo(x.place(x.high), y.place(x.high));
  context.stroke();
  context.setLineDash([]);
  paintSpreads(context, layout, pairs, marks, palette);
  paintDots(context, layout, pairs, marks, palette);
  context.restore();
  if (path) paintBrush(context, path, "box", palette.accent);
}

/** The standard deviation of ratings, all of few images. @param {CanvasRenderingContext2D} context @param {import("./chart.js").Scatter} layout @param {import("./chart.js").Pairs} pairs @param {Marks} marks @param {Palette} palette */
function paintSpreads(context, { x, py }, { indices, ratings, spreads }, { chosen, hovered, current }, palette) {
  const all = indices.length <= BARRED;
  [context.strokeStyle, context.globalAlpha] = [palette.faint, 0.7];
  context.beginPath();
  indices.forEach((index, i) => {
    if (!Number.isFinite(spreads[i]) || !(all || chosen.has(index) || index === hovered || index === current)) return;
    context.moveTo(x.place(ratings[i] - spreads[i]), py[i]);
    context.lineTo(x.place(ratings[i] + spreads[i]), py[i]);
  });
  context.stroke();
  context.globalAlpha = 1;
}

/** Those that were trained on are hollow. @param {CanvasRenderingContext2D} context @param {import("./chart.js").Scatter} layout @param {import("./chart.js").Pairs} pairs @param {Marks} marks @param {Palette} palette */
function paintDots(context, { px, py }, { indices, residuals }, { chosen, hovered, current, trained }, palette) {
  const size = indices.length > 1500 ? 2 : indices.length > 300 ? 2.6 : 3.4;
  /** @param {number} i @param {number} radius */
  const circle = (i, radius) => {
    context.beginPath();
    context.arc(px[i], py[i], radius, 0, 2 * Math.PI);
  };
  context.globalAlpha = chosen.size ? 0.35 : 0.75;
  indices.forEach((index, i) => {
    circle(i, size);
    context.fillStyle = context.strokeStyle = residuals[i] >= 0 ? palette.raises : palette.lowers;
    if (trained(index)) context.stroke();
    else context.fill();
  });
  context.globalAlpha = 1;
  indices.forEach((index, i) => {
    if (!chosen.has(index)) return;
    circle(i, size + 1);
    context.fillStyle = residuals[i] >= 0 ? palette.raises : palette.lowers;
    context.fill();
    [context.strokeStyle, context.lineWidth] = [palette.accent, 1.5];
    circle(i, size + 2.5);
    context.stroke();
  });
  for (const marked of [current, hovered]) {
    const i = indices.indexOf(marked);
    if (i < 0) continue;
    [context.strokeStyle, context.lineWidth] = [palette.ink, 2];
    circle(i, size + 4);
    context.stroke();
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./chart.js").Bars} layout
 * @param {import("./chart.js").Bins} bins
 * @param {Marks & { residual: number, bin: number }} marks the residual of the current image, and the bin that is pointed at
 * @param {Path | null} path
 * @param {Palette} palette
 * @param {string} font
 */
export function paintBars(context, { frame, x, y }, { edges, counts, members }, { chosen, residual, bin }, path, palette, font) {
  paintAxes(context, frame, x, y, { ...palette, font, xName: "residual (score − rating)", yName: "images", most: { y: 2 } });
  context.save();
  clipTo(context, frame);
  counts.forEach((count, i) => {
    const left = x.place(edges[i]) + 0.5, width = Math.max(x.place(edges[i + 1]) - left - 0.5, 1);
    const some = members[i].filter((index) => chosen.has(index)).length;
    context.fillStyle = edges[i] >= 0 ? palette.raises : palette.lowers;
    context.globalAlpha = i === bin ? 0.8 : chosen.size ? 0.3 : 0.55;
    context.fillRect(left, y.place(count), width, frame.bottom - y.place(count));
    context.globalAlpha = 1;
    context.fillStyle = palette.accent;
    if (some) context.fillRect(left, y.place(some), width, frame.bottom - y.place(some));
  });
  if (Number.isFinite(residual)) {
    const at = x.place(residual);
    [context.strokeStyle, context.lineWidth] = [palette.ink, 2];
    context.beginPath();
    context.moveTo(at, frame.top);
    context.lineTo(at, frame.bottom);
    context.stroke();
  }
  context.restore();
  if (!path) return;
  const [[from], [to]] = [path[0], path[path.length - 1]];
  paintBrush(context, [[from, frame.top], [to, frame.bottom]], "box", palette.accent);
}

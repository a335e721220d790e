// Painting of the plane: its corners and its points. Places and colours come in; nothing is asked.

import { paintAxes, paintBrush, trace } from "../shared/plot.js";
import { clamp } from "../shared/values.js";
import { crossed, MOST_NAMED, shapeOf, sizesOf, waysOf } from "./points.js";

/** @typedef {import("./points.js").Impacts} Impacts */
/** @typedef {import("./points.js").Layout} Layout */
/** @typedef {Record<"ink" | "paper" | "faint" | "line" | "accent" | "raises" | "lowers" | "helps" | "harms", string>} Palette */
/** @typedef {"left" | "right"} Side */
/** @typedef {"top" | "bottom"} Edge */

/** @type {[number, Side, Edge][]} role, and where its corner is */
const CORNERS = [[1, "left", "top"], [2, "right", "top"], [3, "left", "bottom"], [4, "right", "bottom"]];

/**
 * Everything: the axes, the corners, the points, and what is being drawn over them.
 * @param {CanvasRenderingContext2D} context
 * @param {Layout} layout
 * @param {Impacts} impacts
 * @param {{ chosen: number[], hovered: number, path: [number, number][] | null, tool: string, sized: boolean }} state
 * @param {Palette} palette
 * @param {string} font
 */
export function paintPlane(context, layout, impacts, { chosen, hovered, path, tool, sized }, palette, font) {
  paintAxes(context, layout.frame, layout.x, layout.y, { ...palette, xName: impacts.across, yName: impacts.up, font });
  context.save();
  [context.font, context.strokeStyle, context.lineWidth, context.lineJoin] = [font, palette.paper, 4, "round"];
  if (layout.byRank) {
    const [below, above] = waysOf(impacts.ways);
    writeCorner(context, layout, `▲ ${below}`, palette.raises, "left", "bottom");
    writeCorner(context, layout, `▼ ${above}`, palette.lowers, "right", "top");
  } else {
    for (const [role, side, edge] of CORNERS) {
      const colour = colourOfCorner(role, impacts, palette);
      fillCorner(context, layout, colour, side, edge);
      const mark = role % 2 ? "▲" : "▼", count = impacts.counts?.length ? ` ${impacts.counts[role]}:` : "";
      writeCorner(context, layout, `${mark}${count} ${impacts.roleWords[role] ?? ""}`, colour, side, edge);
    }
  }
  context.restore();
  paintCrosses(context, layout, impacts, crossed(impacts, chosen, hovered), palette);
  paintPoints(context, layout, impacts, chosen, palette, sizesOf(impacts, sized));
  paintNames(context, layout, impacts, palette, font);
  if (path) paintBrush(context, path, tool, palette.accent);
}

/** By what maps do to the error; of P - Q by which of both they are for: how high they stand says the error. @param {number} role @param {Impacts} impacts @param {Palette} palette */
function colourOfCorner(role, { ways }, { helps, harms, raises, lowers }) {
  if (ways?.length) return role % 2 ? raises : lowers;
  return role < 3 ? helps : harms;
}

/** @param {CanvasRenderingContext2D} context @param {Layout} layout @param {string} colour @param {Side} side @param {Edge} edge */
function fillCorner(context, { frame: { left, right, top, bottom }, x, y }, colour, side, edge) {
  const [x0, y0] = [clamp(x.place(0), left, right), clamp(y.place(0), top, bottom)];
  const [from, to] = side === "left" ? [left, x0] : [x0, right], [high, low] = edge === "top" ? [top, y0] : [y0, bottom];
  context.save();
  [context.globalAlpha, context.fillStyle] = [0.06, colour];
  context.fillRect(from, high, to - from, low - high);
  context.restore();
}

/**
 * The words of a corner; where there is little room they break at commas, or the first part stands alone.
 * @param {CanvasRenderingContext2D} context
 * @param {Layout} layout
 * @param {string} words
 * @param {string} colour
 * @param {Side} side
 * @param {Edge} edge
 */
function writeCorner(context, { frame: { left, right, top, bottom } }, words, colour, side, edge) {
  const [first, ...rest] = words.split(", "), parts = rest.length ? [first, rest.join(", ")] : [first], width = right - left;
  const lines = width > 420 ? [words] : width > 230 ? parts : [parts[0]], at = side === "left" ? left + 6 : right - 6;
  [context.fillStyle, context.textAlign, context.textBaseline] = [colour, side, edge];
  lines.forEach((line, i) => {
    const height = edge === "top" ? top + 5 + 15 * i : bottom - 5 - 15 * (lines.length - 1 - i);
    const text = cutTo(context, line, width / 2 - 10);
    context.strokeText(text, at, height); // a halo, so that grid lines do not cross the letters
    context.fillText(text, at, height);
  });
}

/** As much of a text as there is room for. @param {CanvasRenderingContext2D} context @param {string} text @param {number} room */
function cutTo(context, text, room) {
  const letters = [...text], shown = () => letters.join("") + (letters.length < [...text].length ? "…" : "");
  while (letters.length > 1 && context.measureText(shown()).width > room) letters.pop();
  return shown();
}

/** @param {number} index @param {Impacts} impacts @param {Palette} palette */
function colourOfMap(index, { deltaY, roles, ways }, { faint, helps, harms, raises, lowers }) {
  if (roles.length && !ways?.length) return [faint, helps, helps, harms, harms][roles[index]];
  return [raises, faint, lowers][Math.sign(deltaY[index]) + 1];
}

/** The intervals of medians, thin. @param {CanvasRenderingContext2D} context @param {Layout} layout @param {Impacts} impacts @param {number[]} some @param {Palette} palette */
function paintCrosses(context, { frame, x, y, px, py, byRank }, impacts, some, palette) {
  if (!impacts.ends) return;
  const { left, right, low, high } = impacts.ends, up = byRank ? [left, right] : [low, high];
  context.save();
  context.beginPath();
  context.rect(frame.left, frame.top, frame.right - frame.left, frame.bottom - frame.top);
  context.clip();
  [context.globalAlpha, context.lineWidth] = [0.55, 1];
  for (const index of some) {
    context.strokeStyle = colourOfMap(index, impacts, palette);
    context.beginPath();
    if (!byRank && Number.isFinite(left[index])) {
      context.moveTo(x.place(left[index]), py[index]);
      context.lineTo(x.place(right[index]), py[index]);
    }
    if (Number.isFinite(up[0][index])) {
      context.moveTo(px[index], y.place(up[0][index]));
      context.lineTo(px[index], y.place(up[1][index]));
    }
    context.stroke();
  }
  context.restore();
}

/** @param {CanvasRenderingContext2D} context @param {Layout} layout @param {Impacts} impacts @param {number[]} chosen @param {Palette} palette @param {(index: number) => number} size */
function paintPoints(context, { frame, px, py }, impacts, chosen, palette, size) {
  const { deltaY, exact, muted } = impacts, count = deltaY.length;
  const draw = (/** @type {number} */ index, /** @type {number} */ bigger) => {
    trace(context, shapeOf(deltaY[index]), px[index], py[index], size(index) + bigger);
    context.fillStyle = context.strokeStyle = colourOfMap(index, impacts, palette);
    if (exact[index]) context.fill();
    context.stroke();
    if (muted?.has(index)) cross(context, px[index], py[index], size(index) + 3, palette);
  };
  context.save();
  context.beginPath();
  context.rect(frame.left, frame.top, frame.right - frame.left, frame.bottom - frame.top);
  context.clip();
  [context.globalAlpha, context.lineWidth] = [chosen.length ? 0.45 : 0.8, 1];
  for (let index = 0; index < count; index++) if (Number.isFinite(px[index] + py[index])) draw(index, 0);
  context.globalAlpha = 1;
  for (const index of chosen.filter((one) => one < count && Number.isFinite(px[one] + py[one]))) {
    draw(index, 1);
    [context.strokeStyle, context.lineWidth] = [palette.accent, 2];
    context.beginPath();
    context.arc(px[index], py[index], size(index) + 4, 0, 2 * Math.PI);
    context.stroke();
    context.lineWidth = 1;
  }
  context.restore();
}

/** A muted map is crossed out. @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} size @param {Palette} palette */
function cross(context, x, y, size, { ink }) {
  context.strokeStyle = ink;
  context.beginPath();
  context.moveTo(x - size, y + size);
  context.lineTo(x + size, y - size);
  context.stroke();
}

/** The names that the reader gave, beside their points, on a halo. @param {CanvasRenderingContext2D} context @param {Layout} layout @param {Impacts} impacts @param {Palette} palette @param {string} font */
function paintNames(context, { frame, px, py }, { names = new Map() }, palette, font) {
  context.save();
  [context.font, context.textBaseline, context.lineWidth, context.lineJoin] = [font, "bottom", 4, "round"];
  [context.strokeStyle, context.fillStyle] = [palette.paper, palette.ink];
  for (const [index, name] of [...names].slice(0, MOST_NAMED)) {
    const x = px[index], y = py[index], inside = x >= frame.left && x <= frame.right && y >= frame.top && y <= frame.bottom;
    if (!inside) continue;
    const left = x > (frame.left + frame.right) / 2, at = left ? x - 6 : x + 6, room = left ? at - frame.left : frame.right - at;
    context.textAlign = left ? "right" : "left";
    context.strokeText(name, at, y - 2, room);
    context.fillText(name, at, y - 2, room);
  }
  context.restore();
}

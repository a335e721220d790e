// Painting of the map bank's cells on a canvas: thumbnail, marks, number, gain bar. Shapes say what colours say.

import { MARK } from "./card.js";
import { decimalsFor, helps, short } from "./order.js";
import { placeOf } from "../shared/grid.js";
import { MOST } from "./layout.js";

/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {import("./order.js").Bank} Bank */
/** @typedef {ReturnType<typeof atlasOf>} Atlas */
/** @typedef {Record<string, string>} Ink colours by name, and the font */

/** All maps on one canvas, as many pixels as bytes came. `low` and `high` are [r, g, b] of 0 and 255. @param {Uint8Array} pixels @param {number[]} shape @param {number[]} low @param {number[]} high */
export function atlasOf(pixels, [count, height, width], low, high) {
  const columns = Math.max(1, Math.ceil(Math.sqrt(count))), canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns * Math.max(width, 1), Math.max(Math.ceil(count / columns) * height, 1)];
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  const words = new Uint32Array(image.data.buffer);
  const table = Uint32Array.from({ length: 256 }, (_, i) => {
    const [r, g, b] = low.map((from, channel) => Math.round(from + (i / 255) * (high[channel] - from)));
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
  for (let map = 0, from = 0; map < count; map++) {
    const left = (map % columns) * width, top = Math.floor(map / columns) * height;
    for (let y = 0; y < height; y++) {
      for (let x = 0, to = (top + y) * canvas.width + left; x < width; x++) words[to++] = table[pixels[from++]];
    }
  }
  context.putImageData(image, 0, 0);
  return { canvas, at: (/** @type {number} */ map) => /** @type {[number, number, number, number]} */ ([(map % columns) * width, Math.floor(map / columns) * height, width, height]) };
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} size @param {boolean} up */
function triangle(context, x, y, size, up) {
  const [tip, foot] = up ? [y - size, y + size * 0.75] : [y + size, y - size * 0.75];
  context.beginPath();
  context.moveTo(x, tip);
  context.lineTo(x + size, foot);
  context.lineTo(x - size, foot);
  context.closePath();
}

/** A disc for maps that help, a diamond for maps that harm, by size; ringed, so that it stands out from a thumbnail. @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} role @param {number} share @param {Ink} colours */
function badge(context, x, y, role, share, colours) {
  const size = 2.5 + 2.5 * Math.sqrt(share), tip = size * 1.2;
  context.beginPath();
  if (helps(role)) context.arc(x, y, size, 0, 2 * Math.PI);
  else [[0, -tip], [tip, 0], [0, tip], [-tip, 0]].forEach(([dx, dy]) => context.lineTo(x + dx, y + dy));
  context.closePath();
  [context.strokeStyle, context.lineWidth] = [colours.paper, 3];
  context.stroke();
  context.fillStyle = helps(role) ? colours.helps : colours.harms;
  context.fill();
}

/** @param {CanvasRenderingContext2D} context @param {Atlas} atlas @param {Bank} bank @param {number} i @param {number} x @param {number} y @param {number} size */
function thumbnail(context, atlas, { dead, gains }, i, x, y, size) {
  context.globalAlpha = dead[i] ? 0.35 : gains[i] === 0 ? 0.22 : 1;
  context.drawImage(atlas.canvas, ...atlas.at(i), x, y, size, size);
  context.globalAlpha = 1;
}

/** Where a click opens the card. @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {Ink} colours */
function mark(context, x, y, colours) {
  context.fillStyle = colours.paper;
  context.beginPath();
  context.roundRect(x, y, MARK, MARK, 3);
  context.fill();
  context.fillStyle = colours.accent;
  context.textAlign = "center";
  context.fillText("?", x + MARK / 2, y + MARK / 2 + 0.5);
  context.textAlign = "left";
}

/** The name that the reader gave, at the foot of the map; what is too long is cut. @param {CanvasRenderingContext2D} context @param {string} name @param {number} x @param {number} y @param {number} room @param {Ink} colours */
function nameTag(context, name, x, y, room, colours) {
  const width = Math.min(context.measureText(name).width + 6, room);
  context.save();
  context.beginPath();
  context.rect(x, y - 14, width, 14);
  context.clip();
  context.fillStyle = colours.paper;
  context.fillRect(x, y - 14, width, 14);
  context.fillStyle = colours.ink;
  context.fillText(name, x + 3, y - 6.5);
  context.restore();
}

/** A gain other than 1, in a corner; a muted map is crossed out too. The colour is a bar at its side: as text it would be too pale. @param {CanvasRenderingContext2D} context @param {number} gain @param {number} x @param {number} y @param {number} size @param {Ink} colours */
function tag(context, gain, x, y, size, colours) {
  if (gain === 0) {
    [context.strokeStyle, context.lineWidth] = [colours.faint, 1.5];
    context.beginPath();
    context.moveTo(x + 3, y + size - 3);
    context.lineTo(x + size - 3, y + 3);
    context.stroke();
  }
  const text = `×${gain === 0 ? 0 : gain.toFixed(gain < 0.095 ? 2 : 1)}`, width = context.measureText(text).width + 8;
  context.fillStyle = colours.paper;
  context.fillRect(x, y, width, 14);
  context.fillStyle = gain < 1 ? colours.warm : colours.accent;
  context.fillRect(x, y, 2, 14);
  context.fillStyle = colours.ink;
  context.fillText(text, x + 5, y + 7.5);
}

/** The number of a map at the right end, where it has room beside the figure. @param {CanvasRenderingContext2D} context @param {number} i @param {number} left @param {number} right @param {number} middle @param {Ink} colours */
function numberOf(context, i, left, right, middle, colours) {
  if (left + context.measureText(`${i}`).width + 4 > right) return;
  [context.fillStyle, context.textAlign] = [colours.ink, "right"];
  context.fillText(`${i}`, right, middle);
  context.textAlign = "left";
}

/** Delta y in figures before a bar of its size, and the number of the map. @param {CanvasRenderingContext2D} context @param {Bank} bank @param {number} i @param {number} x @param {number} y @param {Layout} layout @param {Ink} colours */
function caption(context, bank, i, x, y, { map, caption: height, figures }, colours) {
  const change = bank.delta?.[i], middle = y + height / 2 + 0.5;
  const none = bank.dead[i] || !change;
  const figure = !none ? short(change, decimalsFor(bank.most, figures)) : bank.dead[i] ? "dead" : Number.isNaN(change) ? "…" : short(change, 0);
  const left = x + (none ? 2 : 12);
  if (!none) effectBar(context, bank, i, x, y, map, height, colours);
  context.fillStyle = none ? colours.faint : colours.ink; // on the bar, a paler colour would be hard to read
  context.fillText(figure, left, middle);
  numberOf(context, i, left + context.measureText(figure).width, x + map - 1, middle, colours);
}

/** A bar of the size of delta y, and which way it goes; hollow while it is an estimate. @param {CanvasRenderingContext2D} context @param {Bank} bank @param {number} i @param {number} x @param {number} y @param {number} map @param {number} height @param {Ink} colours */
function effectBar(context, bank, i, x, y, map, height, colours) {
  const change = bank.delta[i];
  const colour = change < 0 ? colours.raises : colours.lowers;
  context.globalAlpha = 0.24;
  context.fillStyle = colour;
  context.fillRect(x, y + 1, Math.max((map * Math.abs(change)) / bank.most, 1), height - 2);
  context.globalAlpha = 1;
  triangle(context, x + 5, y + height / 2, 3.5, change < 0);
  [context.strokeStyle, context.lineWidth] = [colour, 1];
  if (bank.exact[i]) context.fill();
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {number} gain @param {number} x @param {number} y @param {Layout} layout @param {boolean} active @param {Ink} colours */
function gainBar(context, gain, x, y, { map, bar }, active, colours) {
  const half = map / MOST, middle = y + bar / 2, knob = Math.min(Math.max(x + half * gain, x + 1.5), x + map - 1.5);
  context.fillStyle = colours.line;
  context.beginPath();
  context.roundRect(x, middle - 2, map, 4, 2);
  context.fill();
  context.fillStyle = gain < 1 ? colours.warm : colours.accent;
  context.fillRect(x + half * Math.min(gain, 1), middle - 2, half * Math.abs(gain - 1), 4);
  context.fillStyle = active || gain !== 1 ? colours.ink : colours.faint;
  context.beginPath();
  context.roundRect(knob - 1.5, middle - (active ? 6 : 5), 3, active ? 12 : 10, 1.5);
  context.fill();
}

/**
 * One cell: `i` the map, `place` where it stands.
 * @param {CanvasRenderingContext2D} context
 * @param {{ bank: Bank, layout: Layout, atlas: Atlas, colours: Ink }} about
 * @param {number} i
 * @param {number} place
 * @param {boolean} active whether the pointer is on it, or holds its bar
 */
export function paintCell(context, { bank, layout, atlas, colours }, i, place, active) {
  const { x, y } = placeOf(layout, place), gain = bank.gains[i], size = layout.map, chosen = bank.selected.has(i);
  if (active || chosen) {
    context.fillStyle = chosen ? colours.chosen : colours.shade;
    context.beginPath();
    context.roundRect(x - 3, y - 3, size + 6, size + layout.caption + layout.bar + 5, 4);
    context.fill();
  }
  if (chosen) {
    [context.strokeStyle, context.lineWidth] = [colours.accent, 1.5];
    context.stroke();
  }
  thumbnail(context, atlas, bank, i, x, y, size);
  if (gain !== 1) tag(context, gain, x, y, size, colours);
  const name = bank.names?.get(i);
  if (name) nameTag(context, name, x, y + size, size - (active ? MARK : 0), colours);
  if (active) mark(context, x + size - MARK, y + size - MARK, colours);
  if (bank.roles?.[i]) badge(context, x + size - 5, y + 5, bank.roles[i], Math.abs(bank.error?.[i] ?? 0) / bank.worst, colours);
  caption(context, bank, i, x, y + size, layout, colours);
  gainBar(context, gain, x, y + size + layout.caption, layout, active, colours);
}

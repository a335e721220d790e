// A small map for each class Q, the one that differs most from "why P?" first; a click asks that Q.

import { button, choice, moveInList, withModifier } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { ramp } from "../shared/palettes.js";
import { bytes, clamp, shortened } from "../shared/values.js";

const LETTERS_OF_TILE = 22;
const AMOUNTS = [12, 24, 48, 96, 200]; // of classes that are compared

/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {ReturnType<typeof buildStrip>} Strip */
/** @typedef {{ most?: number, words?: string, classes?: number[], distances?: (number | null)[], spoken?: string[], maps?: DataView, maps_shape?: number[], note?: string, done?: boolean }} Told scenes.Candidates */

export function buildStrip() {
  const open = button("compare all Q", "A small map for each class Q, the most different one first", { "aria-expanded": "false" });
  const amount = choice("How many classes are compared", AMOUNTS.map((count) => [`${count}`, `${count}`]));
  const much = element("label", { class: "xw-caption", hidden: true }, "likeliest ", amount);
  const note = element("p", { class: "xw-caption", role: "status" }), words = element("p", { class: "xw-caption" });
  const tiles = element("div", { class: "xw-tiles", role: "listbox", "aria-label": "Classes Q by how different the map is" });
  const body = element("div", { hidden: true }, words, note, tiles);
  const node = element("div", { class: "xw-strip" }, element("div", { class: "xw-bar" }, open, much), body);
  return { node, open, amount, much, note, words, tiles, body, current: 0, shown: /** @type {number[]} */ ([]) };
}

/** The numbers of classes that can be asked for. @param {number} count of all classes */
export const amountsOf = (count) => AMOUNTS.filter((amount, i) => i === 0 || AMOUNTS[i - 1] < count);

/** A place of a small map as a colour word; 128 is 0. @param {number} byte */
export const colourWord = (byte) => ramp("blue-red")[clamp(255 + Math.round(((byte - 128) / 127) * 255), 0, 510)];

/** @param {HTMLCanvasElement} canvas @param {Uint8Array} places @param {number} rows @param {number} columns */
function paintTile(canvas, places, rows, columns) {
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  const words = new Uint32Array(image.data.buffer);
  for (let i = 0; i < words.length; i++) words[i] = colourWord(places[i]);
  context.putImageData(image, 0, 0);
}

/** @param {string} label @param {string} far @param {string} spoken @param {boolean} chosen */
function buildTile(label, far, spoken, chosen) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const node = element("div", { class: "xw-tile", role: "option", tabindex: "-1", "aria-selected": `${chosen}`,
    title: `${label}\n${spoken}`, "aria-label": `Q: ${label}, ${spoken}` }, canvas,
  element("span", { class: "xw-tile-name", "aria-hidden": "true" }, shortened(label, LETTERS_OF_TILE)),
  element("span", { class: "xw-caption xw-numbers", "aria-hidden": "true" }, far));
  return { node, canvas };
}

/** @param {Strip} strip @param {Page} page */
function drawStrip(strip, { model }) {
  /** @type {Told} */
  const { most, words = "", classes = [], distances = [], spoken = [], maps, maps_shape: shape = [0, 0, 0], note = "" } = model.get("candidates");
  const open = most !== undefined, names = model.get("names"), contrast = model.get("contrast"), target = model.get("target");
  strip.open.setAttribute("aria-expanded", `${open}`);
  strip.open.setAttribute("aria-pressed", `${open}`);
  strip.body.hidden = !open;
  strip.much.hidden = !open || names.length <= AMOUNTS[0];
  const amounts = amountsOf(names.length);
  [...strip.amount.options].forEach((option) => { option.hidden = option.disabled = !amounts.includes(Number(option.value)); });
  if (open) strip.amount.value = `${most}`;
  [strip.words.textContent, strip.note.textContent] = [words, note];
  const held = strip.tiles.contains(document.activeElement), data = maps ? bytes(maps) : new Uint8Array(0);
  const [, rows, columns] = shape, kept = strip.shown[strip.current];
  const isQ = (/** @type {number} */ index) => (contrast.kind === "class" && contrast.value === index) || (contrast.kind === "confidence" && index === target);
  strip.shown = classes;
  strip.tiles.replaceChildren(...classes.map((index, i) => {
    const label = index === target ? "100 % confidence" : `${names[index]}`;
    const far = Number.isFinite(distances[i]) ? distances[i].toFixed(2).replace("-", "−") : "n/a";
    const { node, canvas } = buildTile(label, far, spoken[i] ?? "", isQ(index));
    paintTile(canvas, data.subarray(i * rows * columns, (i + 1) * rows * columns), rows, columns);
    return node;
  }));
  stand(strip, classes.includes(kept) ? classes.indexOf(kept) : 0);
  if (held) focusTile(strip);
}

/** Make one tile the one that Tab reaches. @param {Strip} strip @param {number} to */
function stand(strip, to) {
  strip.current = clamp(to, 0, Math.max(strip.tiles.children.length - 1, 0));
  [...strip.tiles.children].forEach((node, i) => node.setAttribute("tabindex", i === strip.current ? "0" : "-1"));
}

/** @param {Strip} strip */
function focusTile(strip) {
  const node = strip.tiles.children[strip.current];
  if (node instanceof HTMLElement) node.focus();
}

/** How many tiles stand in a row. @param {Element} tiles */
function perRow(tiles) {
  const nodes = [...tiles.children], first = nodes[0]?.getBoundingClientRect().top;
  const next = nodes.findIndex((node) => node.getBoundingClientRect().top > first + 1);
  return next < 0 ? Math.max(nodes.length, 1) : next;
}

/** Where a key leads among tiles in rows; undefined for keys that do not move. @param {string} key @param {number} current @param {number} count @param {number} row */
export function moveInTiles(key, current, count, row) {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row }[key];
  if (step === undefined) return key === "Home" || key === "End" ? moveInList(key, current, count) : undefined;
  return current + step >= 0 && current + step < count ? current + step : current;
}

/** The strip of all Q. @param {Page} page */
export function mountStrip(page) {
  const strip = buildStrip(), { model, listen } = page;
  const ask = (/** @type {number | null} */ most) => model.send({ kind: "candidates", most });
  const choose = (/** @type {number} */ place) => {
    if (strip.shown[place] !== undefined) model.send({ kind: "choose", slot: "Q", index: strip.shown[place] });
  };
  listen(strip.open, "click", () => ask(model.get("candidates").most === undefined ? Math.min(24, amountsOf(model.get("names").length).at(-1)) : null));
  listen(strip.amount, "change", () => ask(Number(strip.amount.value)));
  listen(strip.tiles, "click", (event) => {
    const at = [...strip.tiles.children].findIndex((node) => node.contains(event.target));
    if (at < 0) return;
    stand(strip, at);
    choose(at);
  });
  listen(strip.tiles, "keydown", (event) => {
    if (withModifier(event)) return;
    const to = moveInTiles(event.key, strip.current, strip.tiles.children.length, perRow(strip.tiles));
    if (to !== undefined) {
      stand(strip, to);
      focusTile(strip);
    } else if (event.key === "Enter" || event.key === " ") choose(strip.current);
    else if (event.key === "Escape") {
      ask(null);
      strip.open.focus();
    } else return;
    event.preventDefault();
  });
  page.watch("candidates names contrast target", () => drawStrip(strip, page));
  return strip.node;
}

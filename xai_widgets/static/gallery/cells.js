// One thumbnail of the gallery and the words under it. Cells are used again for other images when the reader scrolls.

import { element } from "../shared/dom.js";
import { laySmall, paintSmall } from "./maps.js";
import { agreedWords, fixed, isRight, isTrained, predicted, ratedWords, residual, signedFixed, spreadOf, stripOf } from "./order.js";

/** @typedef {import("./order.js").Images} Images */
/** @typedef {ReturnType<typeof buildCell>} Cell */
/** @typedef {{ index: number, current: boolean, chosen: boolean, pinned: boolean, address: string, fault: string | undefined, place: number, count: number }} Standing */

export function buildCell() {
  const image = element("img", { alt: "", draggable: "false" }), mark = element("i", { class: "xw-mark", "aria-hidden": "true" });
  const pin = element("span", { class: "xw-pin", "aria-hidden": "true" });
  const bar = element("i"), tick = element("b"), dot = element("u"), spread = element("s");
  const strip = element("div", { class: "xw-strip" }, spread, bar, tick, dot);
  const map = element("canvas", { class: "xw-map", "aria-hidden": "true", hidden: true });
  const trained = element("span", { class: "xw-trained", title: "Trained on: the table says that it is in the train split", hidden: true }, "train");
  const words = [0, 1, 2, 3].map(() => element("span")), [a, b, c, d] = words;
  const node = element("div", { class: "xw-cell", role: "option", tabindex: "-1" },
    element("div", { class: "xw-thumb" }, image, map, mark, pin, trained), strip,
    element("div", { class: "xw-line xw-numbers" }, a, b), element("div", { class: "xw-line xw-second xw-numbers" }, c, d));
  return { node, image, map, mark, pin, strip, bar, tick, dot, spread, trained, words, state: "",
    /** @type {[import("./maps.js").Mapping, import("./maps.js").SmallMap] | undefined} the look and the map that are painted */
    painted: undefined };
}

/** How a cell stands among the others. @param {Cell} cell @param {Standing} standing */
export function showState({ node, image, mark, pin }, { index, current, chosen, pinned, address, fault, place, count }) {
  node.dataset.index = `${index}`;
  node.classList.toggle("xw-current", current);
  node.classList.toggle("xw-pinned", pinned);
  node.classList.toggle("xw-broken", fault !== undefined);
  const states = { "aria-selected": chosen, "aria-posinset": place + 1, "aria-setsize": count };
  for (const [name, value] of Object.entries(states)) node.setAttribute(name, `${value}`);
  if (current) node.setAttribute("aria-current", "true");
  else node.removeAttribute("aria-current");
  pin.textContent = pinned ? "★" : "☆";
  pin.title = pinned ? "Unpin (P)" : "Pin (P)";
  mark.textContent = fault !== undefined ? "!" : chosen ? "✓" : "";
  if (!address) image.removeAttribute("src");
  else if (image.getAttribute("src") !== address) image.src = address;
}

/** The map of its image, where it is there. @param {Cell} cell @param {import("./maps.js").SmallMap | undefined} map @param {import("./maps.js").Mapping} look */
export function showMap({ node, image, map: canvas }, map, look) {
  canvas.hidden = !map;
  node.classList.toggle("xw-grey", Boolean(map && look.grey));
  image.onload = map ? () => laySmall(canvas, image, map) : null;
  if (!map) return;
  paintSmall(canvas, map, look);
  laySmall(canvas, image, map);
}

/** What is known about its image. @param {Cell} cell @param {Images} images @param {number} index @param {{ digits: number, limits: [number, number], lines: number }} scale */
export function showFacts(cell, images, index, scale) {
  cell.trained.hidden = !isTrained(images, index);
  if (images.regression) showScore(cell, images, index, scale);
  else showClass(cell, images, index);
}

/** @param {Cell} cell @param {Images} images @param {number} index @param {{ digits: number, limits: [number, number], lines: number }} scale */
function showScore({ node, strip, bar, tick, dot, spread, words }, images, index, { digits, limits, lines }) {
  const score = images.scores[index], rating = images.ratings[index], off = residual(images, index);
  const at = stripOf(score, rating, limits), error = spreadOf(rating, images.spreads?.[index] ?? NaN, limits);
  spread.hidden = !error;
  if (error) [spread.style.left, spread.style.width] = [`${error.left}%`, `${error.width}%`];
  strip.hidden = !at;
  if (at) {
    dot.style.left = `${at.score}%`;
    tick.hidden = bar.hidden = at.rating === null;
    tick.style.left = `${at.rating ?? 0}%`;
    [bar.style.left, bar.style.width] = [`${at.left}%`, `${at.width}%`];
  }
  node.dataset.sign = Number.isNaN(off) ? "" : `${Math.sign(off)}`;
  delete node.dataset.right;
  const rated = Number.isNaN(rating) ? "no rating" : `rated ${ratedWords(images, index, digits)}`;
  write(words, fixed(score, digits), Number.isNaN(off) ? "" : signedFixed(off, digits), lines > 1 ? rated : "", "");
}

/** @param {Cell} cell @param {Images} images @param {number} index */
function showClass({ node, strip, words }, images, index) {
  const right = isRight(images, index);
  strip.hidden = true;
  node.dataset.right = `${right ?? ""}`;
  delete node.dataset.sign;
  write(words, predicted(images, index) || "–", "", fixed(images.scores[index], 2),
    right === null ? agreedWords(images, index) : right ? "✓" : `✗ ${images.labels[index]}`);
}

/** @param {HTMLElement[]} nodes @param {string[]} texts */
const write = (nodes, ...texts) => nodes.forEach((node, i) => { node.textContent = texts[i]; });

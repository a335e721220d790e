// One thumbnail of the gallery and the words under it. Cells are used again for other images when the reader scrolls.

import { element } from "./dom.js";
import { fixed, isRight, predicted, residual, signedFixed, stripOf } from "./gallery_order.js";

export function buildCell() {
  const cell = { image: element("img", { alt: "", draggable: "false" }), mark: element("i", { class: "xw-mark", "aria-hidden": "true" }),
    pin: element("span", { class: "xw-pin", "aria-hidden": "true" }), bar: element("i"), tick: element("b"), dot: element("u"),
    words: [0, 1, 2, 3].map(() => element("span")) };
  cell.strip = element("div", { class: "xw-strip" }, cell.bar, cell.tick, cell.dot);
  const [a, b, c, d] = cell.words;
  cell.node = element("div", { class: "xw-cell", role: "option", tabindex: "-1" },
    element("div", { class: "xw-thumb" }, cell.image, cell.mark, cell.pin), cell.strip,
    element("div", { class: "xw-line xw-numbers" }, a, b), element("div", { class: "xw-line xw-second xw-numbers" }, c, d));
  return cell;
}

/** How a cell stands among the others. */
export function showState({ node, image, mark, pin }, { index, current, chosen, pinned, address, fault, place, count }) {
  node.dataset.index = index;
  node.classList.toggle("xw-current", current);
  node.classList.toggle("xw-pinned", pinned);
  node.classList.toggle("xw-broken", fault !== undefined);
  const states = { "aria-selected": chosen, "aria-posinset": place + 1, "aria-setsize": count };
  for (const [name, value] of Object.entries(states)) node.setAttribute(name, value);
  if (current) node.setAttribute("aria-current", "true");
  else node.removeAttribute("aria-current");
  pin.textContent = pinned ? "★" : "☆";
  pin.title = pinned ? "Unpin (P)" : "Pin (P)";
  mark.textContent = fault !== undefined ? "!" : chosen ? "✓" : "";
  if (!address) image.removeAttribute("src");
  else if (image.getAttribute("src") !== address) image.src = address;
}

/** What is known about its image. */
export function showFacts(cell, images, index, digits, limits) {
  if (images.regression) showScore(cell, images, index, digits, limits);
  else showClass(cell, images, index);
}

function showScore({ node, strip, bar, tick, dot, words }, images, index, digits, limits) {
  const score = images.scores[index], rating = images.ratings[index], off = residual(images, index);
  const at = stripOf(score, rating, limits);
  strip.hidden = !at;
  if (at) {
    dot.style.left = `${at.score}%`;
    tick.hidden = bar.hidden = at.rating === null;
    tick.style.left = `${at.rating ?? 0}%`;
    [bar.style.left, bar.style.width] = [`${at.left}%`, `${at.width}%`];
  }
  node.dataset.sign = Number.isNaN(off) ? "" : Math.sign(off);
  delete node.dataset.right;
  write(words, fixed(score, digits), Number.isNaN(off) ? "" : signedFixed(off, digits),
    Number.isNaN(rating) ? "no rating" : `rated ${fixed(rating, digits)}`, "");
}

function showClass({ node, strip, words }, images, index) {
  const right = isRight(images, index);
  strip.hidden = true;
  node.dataset.right = right ?? "";
  delete node.dataset.sign;
  write(words, predicted(images, index) || "–", "", fixed(images.scores[index], 2),
    right === null ? "" : right ? "✓" : `✗ ${images.labels[index]}`);
}

const write = (nodes, ...texts) => nodes.forEach((node, i) => { node.textContent = texts[i]; });

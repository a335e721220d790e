// The axis of a score as it is seen: where the score and the rating stand, and a marker for Q to drag.

import { tickLabels, ticks } from "../shared/axes.js";
import { button, choice, withModifier } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { hasHeard, introduce } from "../shared/moves.js";
import { shortened } from "../shared/values.js";
import { mountWays } from "./ways.js";
import {
  axisOf, decimalsOf, fixedScore, formNote, legendOf, placeOn, scoreAt, scoreQuestion, stepOf, whereIs,
} from "./scores.js";

const LONGEST_NAME = 48; // of a name

/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {import("./scores.js").Range} Range */
/**
 * @typedef {object} Axis What the reader sees and does here.
 * @property {ReturnType<typeof buildScores>} ui
 * @property {Page} page
 * @property {number} q
 * @property {string} word what Q is asked for by, where that is not its number
 * @property {string} form
 * @property {Range} range
 * @property {number} gesture
 * @property {string} origin the name of this view
 * @property {number} step the number of its last move
 * @property {Range | null} dragged the range while Q is dragged on it
 */

function buildScores() {
  const heading = element("h3", { class: "xw-title xw-question xw-numbers", "aria-live": "polite" });
  const which = choice("P, the score that is explained", []);
  which.classList.add("xw-choice");
  const knob = element("div", { class: "xw-knob", role: "slider", tabindex: "0", "aria-label": "Q, the score to contrast with" });
  const y = element("div", { class: "xw-y" }), rating = element("div", { class: "xw-rating" });
  const spread = element("div", { class: "xw-spread" });
  const reach = element("div", { class: "xw-reach" }), track = element("div", { class: "xw-line" }, reach, spread, y, rating, knob);
  const scale = element("div", { class: "xw-ticks xw-numbers", "aria-hidden": "true" });
  const axis = element("div", { class: "xw-axis" }, track, scale);
  const key = element("p", { class: "xw-caption xw-numbers xw-key" });
  const quick = element("span", { class: "xw-group xw-quick", role: "group", "aria-label": "Quick picks of Q" });
  const entry = element("input", { type: "number", step: "any", class: "xw-input xw-entry", "aria-label": "Q as a number",
    placeholder: "Q" });
  const clear = button("clear", "No contrast");
  const bar = element("div", { class: "xw-bar" }, quick, element("span", { class: "xw-bar xw-inner" }, entry, clear));
  const says = element("p", { class: "xw-meaning" }), note = element("p", { class: "xw-caption xw-numbers" });
  return { heading, which, axis, track, reach, knob, y, rating, spread, scale, key, quick, entry, clear, bar, says, note };
}

/** A trait that may not be known yet. @param {Axis} axis @param {string} name @returns {number} */
const known = (axis, name) => axis.page.model.get(name) ?? NaN;

/** @param {Axis} axis */
function readContrast(axis) {
  const contrast = axis.page.model.get("contrast");
  if (axis.dragged || !hasHeard(contrast.heard, axis)) return; // the hand knows better than an older answer
  axis.q = contrast.kind === "score" ? contrast.value : NaN;
  axis.word = contrast.word ?? "";
  if (contrast.form) axis.form = contrast.form;
  drawAxis(axis);
}

/** @param {Axis} axis */
function drawAxis(axis) {
  const { ui, q, form, page: { model } } = axis, score = known(axis, "score"), rating = known(axis, "rating");
  axis.range = axisOf(model.get("axis"), score, rating, q);
  const decimals = decimalsOf(axis.range);
  const name = model.get("names")[model.get("target")];
  ui.heading.replaceChildren(...scoreQuestion(score, q, decimals, name && shortened(name, LONGEST_NAME))
    .map((text, i) => (i % 2 ? element("strong", {}, text) : text)));
  drawMarks(axis, score, rating, known(axis, "rating_sd"));
  drawKnob(axis, score, decimals);
  ui.key.textContent = legendOf(score, rating, q, decimals, known(axis, "rating_sd"), known(axis, "raters"));
  if (document.activeElement !== ui.entry) ui.entry.value = Number.isFinite(q) ? String(Number(q.toFixed(decimals))) : "";
  for (const node of ui.quick.children) node.setAttribute("aria-pressed", `${Number(node.getAttribute("data-value")) === q}`);
  ui.says.textContent = Object.fromEntries(model.get("says"))[whereIs(q, score, form)] ?? "";
  const [method] = model.get("ways")[model.get("way")] ?? ["grad_cam"];
  ui.note.textContent = method === "grad_cam" ? formNote(form, score, q, decimals) : "";
  ui.clear.disabled = !Number.isFinite(q);
}

/** @param {Axis} axis @param {number} score @param {number} rating @param {number} sd of the rating between raters */
function drawMarks({ ui, q, range }, score, rating, sd) {
  ui.spread.hidden = !Number.isFinite(rating) || !Number.isFinite(sd);
  ui.spread.style.left = placeOn(range, rating - sd);
  ui.spread.style.right = `calc(100% - ${placeOn(range, rating + sd)})`;
  ui.y.hidden = !Number.isFinite(score);
  ui.rating.hidden = !Number.isFinite(rating);
  [ui.y.style.left, ui.rating.style.left] = [placeOn(range, score), placeOn(range, rating)];
  ui.reach.hidden = !Number.isFinite(q) || !Number.isFinite(score);
  ui.reach.style.left = placeOn(range, Math.min(q, score));
  ui.reach.style.right = `calc(100% - ${placeOn(range, Math.max(q, score))})`;
  ui.reach.className = `xw-reach ${q > score ? "xw-above" : "xw-under"}`;
  const marks = ticks(...range, 5);
  ui.scale.replaceChildren(...tickLabels(marks)
    .map((text, i) => element("span", { style: `left:${placeOn(range, marks[i])}` }, text)));
}

/** @param {Axis} axis @param {number} score @param {number} decimals */
function drawKnob({ ui: { knob }, q, range }, score, decimals) {
  const resting = Number.isFinite(q) ? q : Number.isFinite(score) ? score : range[0];
  knob.style.left = placeOn(range, resting);
  knob.classList.toggle("xw-unset", !Number.isFinite(q));
  knob.setAttribute("aria-valuemin", `${range[0]}`);
  knob.setAttribute("aria-valuemax", `${range[1]}`);
  knob.setAttribute("aria-valuenow", `${resting}`);
  knob.setAttribute("aria-valuetext", Number.isFinite(q) ? fixedScore(q, decimals) : "not chosen");
}

/** Several scores: which of them is explained. @param {Axis} axis */
function drawWhich({ ui: { which }, page: { model } }) {
  /** @type {string[]} */
  const names = model.get("names");
  which.hidden = names.length < 2;
  which.replaceChildren(...names.map((name, index) => element("option", { value: index, title: name },
    `P: ${shortened(name, LONGEST_NAME)}`)));
  which.value = `${Math.max(model.get("target"), 0)}`;
}

/** @param {Axis} axis */
function drawQuick(axis) {
  const { ui, page } = axis;
  /** @type {[string, number][]} */
  const picks = page.model.get("quick");
  ui.quick.replaceChildren(...picks.map(([label, value]) => {
    const node = button(label, `Q = ${value}`, { "data-value": value, "aria-pressed": "false" });
    node.classList.add("xw-numbers");
    // The rating is asked for by its name: on the next image it is that image's.
    page.listen(node, "click", () => chooseScore(axis, value, label === "rating" ? label : ""));
    return node;
  }));
  drawAxis(axis);
}

/** @param {Axis} axis @param {number} value @param {string} [name] */
function chooseScore(axis, value, name = "") {
  const { model } = axis.page, { form, origin } = axis;
  [axis.q, axis.word] = [value, name];
  if (name) model.send({ kind: "score", value: name, form }); // what it stands for is answered
  else model.send({ kind: "score", value, form, origin, step: axis.step += 1 });
  drawAxis(axis);
}

/** @param {Axis} axis @param {number} value */
function dragScore(axis, value) {
  const { page: { model }, form, origin } = axis;
  [axis.q, axis.word] = [value, ""];
  axis.step += 1;
  // The step grows: the same value twice, with an undo between, is still a change.
  model.set("drag", { kind: "score", value, form, gesture: `${origin} ${axis.gesture}`, origin, step: axis.step });
  model.save_changes(); // one message in flight; ipywidgets keeps only the latest of those that wait
  drawAxis(axis);
}

/** @param {Axis} axis @param {KeyboardEvent} event */
function keyOnKnob(axis, event) {
  const { q, range: [low, high] } = axis, now = Number.isFinite(q) ? q : known(axis, "score"), step = stepOf(event.key);
  if (withModifier(event) || step === undefined || !Number.isFinite(now)) return;
  event.preventDefault();
  axis.gesture += 1;
  dragScore(axis, scoreAt([low, high], (now - low) / (high - low || 1) + step));
}

/** @param {Axis} axis */
function listenToAxis(axis) {
  const { ui, page: { listen } } = axis;
  const shareAt = (/** @type {PointerEvent} */ event) => {
    const box = ui.track.getBoundingClientRect();
    return (event.clientX - box.left) / Math.max(box.width, 1);
  };
  listen(ui.axis, "pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    ui.knob.focus({ preventScroll: true });
    axis.dragged = [...axis.range]; // the axis stays as it is while it is dragged on
    axis.gesture += 1;
    ui.axis.setPointerCapture(event.pointerId);
    dragScore(axis, scoreAt(axis.dragged, shareAt(event)));
  });
  listen(ui.axis, "pointermove", (event) => {
    if (axis.dragged) dragScore(axis, scoreAt(axis.dragged, shareAt(event)));
  });
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
    listen(ui.axis, type, () => {
      axis.dragged = null;
      readContrast(axis);
    });
  }
  listen(ui.knob, "keydown", (event) => keyOnKnob(axis, event));
}

/** Choose Q on the axis of the score. @param {Page} page @param {HTMLElement} root */
export function mountScores(page, root) {
  const ui = buildScores(), { model, listen } = page;
  /** @type {Axis} */
  const axis = { ui, page, q: NaN, word: "", form: "plain", range: [0, 1], gesture: 0, dragged: null, step: 0,
    origin: introduce(model) };
  listenToAxis(axis);
  listen(ui.entry, "change", () => { if (ui.entry.value.trim() !== "") chooseScore(axis, Number(ui.entry.value)); });
  const ways = mountWays(page, (form) => {
    axis.form = form;
    ways.read();
    drawAxis(axis);
  }, () => axis.form);
  root.append(ui.heading, ui.which, ui.axis, ui.key, ui.says, ui.bar, ways.node, ui.note);
  listen(ui.which, "change", () => model.send({ kind: "choose", slot: "P", index: Number(ui.which.value) }));
  listen(ui.clear, "click", () => model.send({ kind: "clear" }));
  page.watch("quick", () => drawQuick(axis));
  page.watch("contrast", () => readContrast(axis));
  page.watch("axis score rating rating_sd raters says way", () => drawAxis(axis));
  page.watch("names target", () => {
    drawWhich(axis);
    drawAxis(axis);
  });
}

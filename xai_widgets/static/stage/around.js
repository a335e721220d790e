// What stands around the panels and is about the active one: its name and score, the legend, options.

import { element } from "../shared/dom.js";
import { signed } from "../shared/values.js";
import { control } from "../shared/options.js";
import { paintScale } from "./paint.js";
import { fullColour } from "./panel.js";

/** What is said of the active panel. @param {import("./view.js").Stage} stage */
export function readHead(stage) {
  const { model, ui } = stage, { head } = ui, several = stage.several(), { cell, parts } = stage.active();
  const { label = "", headline = "", facts = [] } = several ? {} : cell.score ?? {};
  head.name.textContent = (several ? model.get("about") : cell.name) ?? ""; // text, never HTML: it may be a file name
  head.label.textContent = label;
  head.headline.textContent = headline;
  head.facts.replaceChildren(...facts.map((/** @type {string} */ fact) => element("span", { class: "xw-caption" }, fact)));
  ui.said.hidden = several;
  ui.receipt.textContent = cell.receipt ?? "";
  ui.tools.alike.textContent = cell.likeness ?? "";
  ui.root.classList.toggle("xw-waits", Boolean(cell.pending));
  const { photo, node } = ui.plain, [width, height] = cell.size ?? [1, 1];
  if (photo.src !== parts.photo.src) photo.src = parts.photo.src;
  photo.alt = cell.name ?? "";
  photo.hidden = parts.photo.hidden;
  for (const one of [node, ui.reference.node]) one.style.setProperty("--xw-ratio", `${width / Math.max(height, 1)}`);
  const widest = stage.panels.slice(0, model.get("count")).map(({ cell: { size = [1, 1] } }) => size[0] / Math.max(size[1], 1));
  ui.root.style.setProperty("--xw-widest", `${Math.max(...widest)}`);
}

/** @param {import("./view.js").Stage} stage */
export function readWords({ model, ui }) {
  const { head, look } = ui, unheard = model.get("unheard"), missing = model.get("no_secondary");
  head.q.textContent = model.get("contrast");
  head.chip.hidden = !model.get("contrast");
  head.chip.classList.toggle("xw-unheard", Boolean(unheard));
  head.chip.title = unheard;
  ui.check.disabled = !model.get("checkable");
  for (const option of look.harmful.options) option.disabled = option.value !== "off" && Boolean(missing);
  look.harmful.parentElement.title = look.harmful.title = missing;
  ui.lacking.textContent = missing;
}

/** The legend of the active panel. @param {import("./view.js").Stage} stage */
export function showKey(stage) {
  const { ui, palette } = stage, { key, look } = ui, panel = stage.active(), { map, second } = panel;
  key.key.style.visibility = map ? "visible" : "hidden"; // keeps its place while a new map is on its way
  key.key.hidden = Boolean(map?.degenerate);
  key.notes.replaceChildren(...(map?.note ?? "").split("\n").filter(Boolean).map((line) => element("div", {}, line)));
  key.depth.textContent = map?.strength ? `Full colour: ${map.strength_words || "strong"}; pale: little of it.` : "";
  key.second.textContent = second && map && look.harmful.value !== "off" ? second.words : "";
  look.palette.disabled = Boolean(map?.palette);
  look.palette.value = map?.palette || palette;
  if (!map || map.degenerate) return;
  const { limit, words } = fullColour(panel, stage), positive = look.sign.value === "positive" || map.one_sided;
  paintScale(key.scale, { palette: look.palette.value, sign: look.sign.value }, positive, Boolean(map.strength));
  key.scale.parentElement.classList.toggle("xw-deep", Boolean(map.strength));
  [key.words[0].textContent, key.words[1].textContent] = [positive ? "" : map.low, map.high];
  const ends = positive ? ["0", "", signed(limit)] : [signed(-limit), "0", signed(limit)];
  key.numbers.forEach((node, i) => { node.textContent = ends[i]; });
  key.together.textContent = words ? `${words[0].toUpperCase()}${words.slice(1)}.` : "";
}

/** @param {import("./view.js").Stage} stage @param {AbortController} old */
export function readOptions({ model, ui: { options, fold } }, old) {
  const choices = model.get("choices").values ?? [];
  fold.hidden = !choices.length;
  return drawChoices({ model, node: options, choices, kind: "option" }, old);
}

/**
 * Which image of the sample is shown, and which call of the layer, where there are several.
 * @param {import("./view.js").Stage} stage @param {AbortController} old of the controls that were there before
 */
export function readSample({ model, ui: { sample } }, old) {
  const choices = model.get("sample");
  sample.hidden = !choices.length;
  return drawChoices({ model, node: sample, choices, kind: "sample" }, old);
}

/**
 * A control for each choice; the reader goes on where he was.
 * @param {{ model: any, node: HTMLElement, choices: any[], kind: string }} what @param {AbortController} old
 */
function drawChoices({ model, node, choices, kind }, old) {
  old.abort();
  const controls = new AbortController();
  const send = (/** @type {string} */ name) => (/** @type {unknown} */ value) => model.send({ kind, name, value });
  const held = [...node.children].findIndex((one) => one.contains(document.activeElement));
  node.replaceChildren(...choices.map((one) => control(one, send(one.name), controls.signal)));
  const there = /** @type {HTMLElement | null} */ (node.children[held]?.querySelector("input, select") ?? null);
  there?.focus();
  return controls;
}

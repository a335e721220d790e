// One line: device, what runs, undo and redo, model and layer; under it the error and the notice, as text.

import { button, choice } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { openKeys } from "../shared/key_list.js";
import { ASKS_KEYS, isOfThisBar } from "../shared/keys.js";
import { mount } from "../shared/mount.js";
import { clamp, shortened } from "../shared/values.js";

const GONE = "The kernel was restarted or has ended: what is shown stays as it was, and answers no more. Run the cell again.";
const MOST_LETTERS = 40; // of a model's name
const SETTLED = 700; // milliseconds without another score, before it is spoken
const PATIENCE = 250; // milliseconds; shorter work, such as a step of a drag, must not flicker

/** @typedef {{ name: string, maps: number, height?: number, width?: number, cost?: number, note?: string, placed?: boolean | null }} Layer */
/** @typedef {{ device?: string, busy?: string, progress?: number | null, words?: string, can_undo?: boolean, can_redo?: boolean }} Status */
/** @typedef {ReturnType<typeof build>} Parts */

/** @param {number} share from 0 to 1 */
export const percent = (share) => `${Math.round(clamp(share, 0, 1) * 100)} %`;

/**
 * A layer as one line of the picker: its maps, their size if it is the same for every image, and what a removal costs
 * against a full forward; whether it is the default, or has no places.
 * @param {Layer} layer
 */
export function layerLine({ name, maps, height, width, cost, note, placed }) {
  const price = Number.isFinite(cost) ? ` · ${cost < 0.01 ? "< 1 %" : percent(cost)} of a forward` : "";
  const size = height && width ? ` · ${height} × ${width}` : "";
  const which = placed === false ? " · not in the order of the image: removals only" : note?.startsWith("default") ? " · default" : "";
  return `${name} · ${maps} maps${size}${price}${which}`;
}

function build() {
  const labelled = (/** @type {string} */ text, /** @type {string} */ label) => button(text, label, { "aria-label": label });
  const [device, model] = ["device", "model"].map((name) => element("span", { class: `xw-${name}`, title: name }));
  const models = choice("Model", []), run = choice("Training run", []);
  models.classList.add("xw-choice");
  const layer = element("select", { class: "xw-select xw-layer", "aria-label": "Layer whose feature maps are shown" });
  const undo = labelled("↶ undo", "Undo"), redo = labelled("↷ redo", "Redo"), cancel = labelled("✕ cancel", "Cancel what runs");
  const over = labelled("⟲ start over", "Ask what was asked first");
  const keys = labelled("?", "Keys of all views (?)"), spoken = element("div", { class: "xw-spoken", role: "status" });
  const keep = labelled("keep", "Leave a still figure of what the stage shows below, in the notebook");
  const fill = element("div");
  const bar = element("div", { class: "xw-progress", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0",
    "aria-valuemax": "100" }, fill);
  const words = element("span", { class: "xw-words xw-numbers" });
  const busy = element("div", { class: "xw-busy" }, bar, words, cancel, device);
  const error = line("error", "alert", "⚠"), notice = line("notice", "status", "ℹ");
  const note = element("div", { class: "xw-caption xw-note" });
  const gone = element("div", { class: "xw-gone-line", role: "alert", hidden: true }, GONE);
  const root = element("section", { class: "xw xw-status", "aria-label": "Status" },
    element("div", { class: "xw-bar xw-top" }, undo, redo, over, keep, keys, model, models, run, layer, busy),
    spoken, note, gone, error.node, notice.node);
  return { root, device, model, models, run, layer, undo, redo, over, keep, keys, spoken, cancel, bar, fill, words, error, notice, note, gone };
}

/** @param {string} kind @param {string} role @param {string} sign */
function line(kind, role, sign) {
  const text = element("span", { class: "xw-text", role }), dismiss = button("✕", "", { "aria-label": `Dismiss the ${kind}` });
  const node = element("div", { class: `xw-line xw-${kind}`, hidden: true },
    element("span", { "aria-hidden": "true" }, sign), text, dismiss);
  return { node, text, dismiss };
}

/** @param {Parts} ui @param {Status} status */
function showStatus(ui, { device = "", busy = "", progress = null, words = "" }) {
  const share = Number.isFinite(progress) ? progress : null;
  ui.device.textContent = device;
  ui.root.toggleAttribute("data-busy", Boolean(busy));
  ui.words.textContent = ui.words.title = words;
  ui.bar.toggleAttribute("data-open", share === null);
  ui.fill.style.width = share === null ? "" : percent(share).replace(" ", "");
  if (share === null) ui.bar.removeAttribute("aria-valuenow");
  else ui.bar.setAttribute("aria-valuenow", `${Math.round(share * 100)}`);
  ui.bar.setAttribute("aria-valuetext", words);
  ui.cancel.disabled = !busy;
}

/** @param {ReturnType<typeof line>} parts @param {string} text shown as text, never as HTML: it may hold a file name */
function showLine({ node, text: place }, text) {
  place.textContent = place.title = text;
  node.hidden = !text;
}

/** @param {Parts} ui @param {Layer[]} layers @param {string} current */
function showLayers(ui, layers, current) {
  const options = layers.map((layer) => element("option", { value: layer.name }, layerLine(layer)));
  const known = layers.some(({ name }) => name === current);
  if (!known && current) options.unshift(element("option", { value: current }, current));
  ui.layer.replaceChildren(...options);
}

/** @param {Parts} ui @param {Layer[]} layers @param {string} current */
function showLayer(ui, layers, current) {
  const chosen = layers.find(({ name }) => name === current);
  ui.layer.value = current;
  ui.layer.title = chosen ? layerLine(chosen) : current;
  ui.note.textContent = chosen?.note ?? "";
}

/**
 * The model, and which of its training runs: menus where there are several.
 * @param {Parts} ui
 * @param {{ name: string, models: string[], run: number, runs: number }} asked
 */
function showModel(ui, { name, models, run, runs }) {
  ui.model.title = name;
  ui.model.textContent = shortened(name, MOST_LETTERS);
  ui.model.hidden = models.length > 1;
  ui.models.hidden = models.length < 2;
  ui.models.replaceChildren(...models.map((one) => element("option", { value: one, title: one }, shortened(one, MOST_LETTERS))));
  ui.models.value = ui.models.title = name;
  ui.run.hidden = runs < 2;
  ui.run.replaceChildren(...Array.from({ length: runs }, (_, one) => element("option", { value: one }, `run ${one}`)));
  ui.run.value = `${run}`;
}

/** The score is spoken when it has settled, not at each step of a drag. @param {Parts} ui @param {import("../shared/mount.js").Page} page */
function speakScores(ui, page) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let settling;
  page.watch("spoken", () => {
    clearTimeout(settling);
    settling = setTimeout(() => { ui.spoken.textContent = page.model.get("spoken"); }, SETTLED);
  });
  page.onClose(() => clearTimeout(settling));
}

/** @param {import("../shared/mount.js").Context} context */
function render(context) {
  const ui = build(), page = mount(context, ui.root), { model } = page;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  const now = () => {
    clearTimeout(waiting);
    waiting = undefined;
    showStatus(ui, model.get("status"));
  };
  page.watch("status", () => {
    const { busy, can_undo: undo = false, can_redo: redo = false } = model.get("status");
    [ui.undo.disabled, ui.redo.disabled] = [!undo, !redo];
    if (busy && !ui.root.hasAttribute("data-busy")) waiting ??= setTimeout(now, PATIENCE);
    else now();
  });
  page.onClose(() => clearTimeout(waiting));
  speakScores(ui, page);
  page.watch("error", () => showLine(ui.error, model.get("error")));
  page.watch("notice", () => showLine(ui.notice, model.get("notice")));
  page.watch("layers", () => {
    showLayers(ui, model.get("layers"), model.get("layer"));
    showLayer(ui, model.get("layers"), model.get("layer"));
  });
  page.watch("layer", () => showLayer(ui, model.get("layers"), model.get("layer")));
  page.watch("model models run runs", () => showModel(ui, { name: model.get("model"), models: model.get("models"),
    run: model.get("run"), runs: model.get("runs") }));
  page.watch("can_keep", () => { ui.keep.hidden = !model.get("can_keep"); });
  page.onGone(() => { ui.gone.hidden = false; });
  page.listen(ui.undo, "click", () => model.send({ kind: "undo" }));
  page.listen(ui.redo, "click", () => model.send({ kind: "redo" }));
  page.listen(ui.over, "click", () => model.send({ kind: "start_over" }));
  page.listen(ui.keys, "click", () => openKeys(ui.root));
  page.listen(document, ASKS_KEYS, (event) => {
    if (!isOfThisBar(ui.root, event.target)) return;
    event.preventDefault();
    openKeys(ui.root);
  });
  page.listen(ui.keep, "click", () => model.send({ kind: "keep" }));
  page.listen(ui.models, "change", () => model.send({ kind: "model", name: ui.models.value }));
  page.listen(ui.run, "change", () => model.send({ kind: "run", number: Number(ui.run.value) }));
  page.listen(ui.cancel, "click", () => model.send({ kind: "cancel" }));
  page.listen(ui.error.dismiss, "click", () => model.send({ kind: "dismiss", what: "error" }));
  page.listen(ui.notice.dismiss, "click", () => model.send({ kind: "dismiss", what: "notice" }));
  page.listen(ui.layer, "change", () => model.send({ kind: "layer", name: ui.layer.value }));
  page.readAll();
  return page.close;
}

export default { render };

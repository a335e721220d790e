// The radar with its dot plot, the same numbers as text, and what the chosen one is made of.

import { button, choice } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { mount } from "../shared/mount.js";
import { shortened } from "../shared/values.js";

const MOST_LETTERS = 48; // of the name of a series
export const NARROW = 500; // CSS pixels; below it the two plots stand one above the other
/** @type {("of" | "side" | "rule")[]} */
const CHOICES = ["of", "side", "rule"]; // what is measured, a menu each

/** @typedef {{ head: string[], rows: string[][] }} Table */
/** @typedef {{ label?: string, text?: string, meaning?: string, note?: string, tables?: Table[], pull?: string, pulled?: boolean }} Detail */
/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {ReturnType<typeof build>} Parts */

/**
 * Whether the arrangement changes at this width; null where it stays.
 * @param {number} width
 * @param {boolean} narrow
 */
export function rearranged(width, narrow) {
  const now = width < NARROW;
  return width > 0 && now !== narrow ? now : null;
}

/** @param {Table} table */
export function tableOf({ head, rows }) {
  const cells = (/** @type {string[]} */ row, /** @type {"td" | "th"} */ tag) =>
    element("tr", {}, ...row.map((cell) => element(tag, tag === "th" ? { scope: "col" } : {}, cell)));
  return element("table", { class: "xw-numbers" }, ...(head.length ? [element("thead", {}, cells(head, "th"))] : []),
    element("tbody", {}, ...rows.map((row) => cells(row, "td"))));
}

/** @param {Record<string, string>} sides the parts of a signed map, in words */
function build(sides) {
  const measure = button("↻ measure", "Measure this photo again");
  const of = choice("Which map is measured", [["standard", "Grad-CAM"], ["shown", "the map on the stage"]]);
  const side = choice("Part of a signed map", Object.entries(sides));
  const rule = choice("Target of changed photos", [["fixed", "target of the clean photo"],
    ["repredicted", "target predicted again"]]);
  const stale = element("p", { class: "xw-caption", role: "status" });
  const unmeasured = element("p", { class: "xw-caption" });
  const keep = button("keep", "Keep these measures to compare others with them");
  const relative = button("relative", "Each axis as a share of the best that is shown", { "aria-pressed": "false" });
  const plot = element("div", { class: "xw-figure", "aria-hidden": "true" }); // the buttons below say the same as text
  const axes = element("div", { class: "xw-axes", role: "group", "aria-label": "Measures" });
  const others = element("div", { class: "xw-bar xw-others" });
  const detail = element("div", { class: "xw-detail", role: "status" });
  const pull = button("", "Filter the gallery: the quarter of its images that are lowest here", { "aria-pressed": "false" });
  const note = element("p", { class: "xw-caption xw-numbers" });
  const root = element("section", { class: "xw xw-radar", "aria-label": "Saliency measures" },
    element("div", { class: "xw-bar" }, element("h3", { class: "xw-title" }, "Saliency measures"),
      element("span", { class: "xw-space" }), relative, keep, measure),
    element("div", { class: "xw-bar" }, of, side, rule), unmeasured, stale, plot, axes, note, others, detail,
    element("div", { class: "xw-bar xw-pull" }, pull));
  return { root, measure, keep, relative, of, side, rule, stale, unmeasured, plot, axes, others, detail, pull, note };
}

/** A button for each axis; made once, so that the one with the focus stays. @param {Parts} ui @param {Page} page */
function showAxes(ui, { model, listen }) {
  const open = model.get("axis");
  /** @type {{ name: string, label: string, text: string }[]} */
  const axes = model.get("axes");
  while (ui.axes.children.length < axes.length) {
    const node = element("button", { type: "button", class: "xw-button xw-axis" }, element("span", {}),
      element("b", { class: "xw-numbers" }));
    listen(node, "click", () => model.send({ kind: "axis", name: node.dataset.name }));
    ui.axes.append(node);
  }
  axes.forEach(({ name, label, text }, i) => {
    const node = /** @type {HTMLElement} */ (ui.axes.children[i]);
    node.dataset.name = name;
    [node.children[0].textContent, node.children[1].textContent] = [label, text];
    node.setAttribute("aria-expanded", `${name === open}`);
    node.setAttribute("aria-pressed", `${name === open}`);
  });
}

/** @param {Parts} ui @param {Page} page */
function showOthers(ui, { model, listen }) {
  /** @type {string[]} */
  const names = model.get("others");
  ui.others.replaceChildren(...names.map((name) => {
    const node = button(`${shortened(name, MOST_LETTERS)} ✕`, name, { "aria-label": `Remove ${name}` });
    listen(node, "click", () => model.send({ kind: "remove", name }));
    return node;
  }));
  ui.others.hidden = ui.relative.hidden = !names.length;
}

/** @param {Parts} ui @param {Page} page */
function showWords(ui, { model }) {
  ui.relative.setAttribute("aria-pressed", model.get("relative"));
  ui.keep.disabled = !model.get("can_keep");
  ui.note.textContent = model.get("note");
  ui.stale.textContent = model.get("stale");
  ui.unmeasured.textContent = model.get("unmeasured");
  for (const name of CHOICES) ui[name].value = model.get(name);
  for (const option of ui.side.options) option.disabled = option.value === "negative" && model.get("one_sided");
  ui.plot.classList.toggle("xw-stale", Boolean(model.get("stale")));
  for (const words of [ui.stale, ui.unmeasured]) words.hidden = !words.textContent;
}

/** @param {Parts} ui @param {Detail} detail */
function showDetail(ui, { label, text, meaning, note, tables = [], pull = "", pulled = false }) {
  ui.detail.hidden = !label;
  ui.pull.parentElement.hidden = !pull;
  ui.pull.textContent = pull;
  ui.pull.setAttribute("aria-pressed", `${pulled}`);
  const heading = element("p", {}, element("b", {}, `${label} ${text}`), ` ${meaning}`);
  ui.detail.replaceChildren(...(label ? [heading, ...tables.map(tableOf), element("p", { class: "xw-caption" }, note ?? "")] : []));
}

/**
 * Plotly would zoom, and without a mode bar there is no way back: a press that moves stays a click.
 * @param {HTMLElement} plot
 * @param {Page} page
 */
function keepFromZooming(plot, { listen }) {
  let pressed = false;
  listen(plot, "mousedown", () => { pressed = true; });
  listen(window, "mousemove", (event) => { if (pressed) event.stopImmediatePropagation(); }, { capture: true });
  listen(window, "mouseup", () => { pressed = false; }, { capture: true });
}

/**
 * The figure of plotly, in its place, and as wide as that.
 * @param {HTMLElement} plot
 * @param {Page} page
 * @param {NonNullable<import("../shared/mount.js").Context["host"]>} host
 */
async function embed(plot, { model, signal, onSize }, host) {
  const widget = await host.getWidget(model.get("figure"));
  if (signal.aborted) return;
  await widget.render({ el: plot, signal });
  if (signal.aborted) return;
  let narrow = false, width = 0;
  onSize(plot, () => {
    if (!plot.clientWidth || plot.clientWidth === width) return;
    width = plot.clientWidth;
    const change = rearranged(width, narrow);
    if (change !== null) {
      narrow = change;
      plot.toggleAttribute("data-narrow", narrow);
      model.send({ kind: "narrow", on: narrow });
    }
    window.dispatchEvent(new Event("resize")); // plotly listens to the window only
  });
}

/** @param {import("../shared/mount.js").Context} context */
function render(context) {
  const ui = build(context.model.get("sides")), page = mount(context, ui.root), { model } = page;
  page.watch("axes axis", () => showAxes(ui, page));
  page.watch("others", () => showOthers(ui, page));
  page.watch("relative can_keep note stale of side one_sided rule unmeasured", () => showWords(ui, page));
  page.watch("detail", () => showDetail(ui, model.get("detail")));
  page.listen(ui.measure, "click", () => model.send({ kind: "measure" }));
  for (const name of CHOICES) page.listen(ui[name], "change", () => model.send({ kind: "measure", [name]: ui[name].value }));
  page.listen(ui.pull, "click", () =>
    model.send({ kind: "pull", name: model.get("axis"), on: ui.pull.getAttribute("aria-pressed") !== "true" }));
  page.listen(ui.keep, "click", () => model.send({ kind: "keep" }));
  page.listen(ui.relative, "click", () => model.send({ kind: "relative", on: !model.get("relative") }));
  keepFromZooming(ui.plot, page);
  page.readAll();
  if (context.host) embed(ui.plot, page, context.host).catch((error) => { if (!page.signal.aborted) throw error; });
  return page.close;
}

export default { render };

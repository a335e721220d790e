// Feature maps by what their removal does to the score and to the error: point at one, select some by click, box, lasso.

import { button, press, withModifier } from "../shared/controls.js";
import { colours, element, fitCanvas } from "../shared/dom.js";
import { buildEffects, listenToEffects, tellEffects } from "../shared/effect_on.js";
import { mount } from "../shared/mount.js";
import { follow, insideBox, insideLasso, nearest } from "../shared/plot.js";
import { clamp } from "../shared/values.js";
import { paintPlane } from "./paint.js";
import { buildPeek, CARD_TRAITS, peekOf } from "./peek.js";
import { countWords, messageFor, noImpacts, placeOf, ranked, readImpacts, selection, sentence, stepTo } from "./points.js";

/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {[number, number]} Point */
/**
 * @typedef {object} Plane What the reader sees and does here.
 * @property {ReturnType<typeof build>} ui
 * @property {Page} page
 * @property {() => void} later asks for a repaint
 * @property {import("./points.js").Impacts} impacts
 * @property {import("./points.js").Layout | null} layout null before the first painting
 * @property {number[]} order maps from the largest effect on
 * @property {number[]} chosen
 * @property {string} tool
 * @property {number} zoom
 * @property {number} current the place in the order on which the keyboard stands
 * @property {number} hovered the map under the pointer, or -1
 * @property {import("./peek.js").Peek} peek
 * @property {boolean} sized whether marks are sized by activation
 * @property {Point[] | null} path the box or lasso that is being drawn
 */

const COLOURS = ["ink", "paper", "faint", "line", "accent", "raises", "lowers", "helps", "harms"];

function buildTools() {
  const labelled = (/** @type {string} */ text, /** @type {string} */ label) => button(text, label, { "aria-label": label });
  const tools = { box: labelled("▭ box", "Select with a box"), lasso: labelled("⌾ lasso", "Select with a lasso") };
  const zooms = { out: labelled("−", "Zoom out"), fit: labelled("fit", "Show all maps"), in: labelled("+", "Zoom in to zero") };
  const sides = { image: labelled("this image", "What removals do on the image that is explained"),
    selected: labelled("selected", "Of the selected images: medians of what removals do"),
    set: labelled("the set", "Medians of what removals do over the set") };
  const acts = { mute: button("Mute", "Mute the selected maps, or restore them when all of them are muted (m)", { "aria-keyshortcuts": "m" }),
    solo: button("Solo", "Keep the selected maps, mute all others (s)", { "aria-keyshortcuts": "s" }) };
  const sized = button("size: activation", "Marks as large as the maps are active", { "aria-pressed": "false" });
  return { tools, zooms, sides, acts, sized, clear: labelled("clear", "Select nothing") };
}

function build() {
  const { tools, zooms, sides, clear, acts, sized } = buildTools(), peek = buildPeek(), on = buildEffects(), canvas = element("canvas", { "aria-hidden": "true" });
  const cursor = element("div", { role: "option", tabindex: "0", class: "xw-cursor" });
  const plot = element("div", { class: "xw-plot", role: "listbox", "aria-multiselectable": "true",
    "aria-label": "Feature maps by the effect of their removal",
    "aria-description": "Arrow keys go through the maps from the largest effect on; Space selects, Escape clears, m mutes, s solos, ? opens the card of a map." },
  canvas, cursor, peek.tip);
  const heading = element("h3", { class: "xw-title" });
  const count = element("span", { class: "xw-caption xw-numbers", role: "status" });
  const why = element("span", { class: "xw-caption" }), offers = element("span", { class: "xw-group xw-offers" });
  const facts = element("p", { class: "xw-facts xw-numbers" }), note = element("p", { class: "xw-caption" });
  const root = element("section", { class: "xw xw-impact", "aria-label": "Impact plane" },
    element("div", { class: "xw-bar" }, heading,
      element("span", { class: "xw-group", role: "group", "aria-label": "Selection tool" }, tools.box, tools.lasso)),
    element("div", { class: "xw-bar xw-of" }, element("span", { class: "xw-group", role: "group", "aria-label": "Of what" }, sides.image, sides.selected, sides.set),
      on.root, sized, why, offers),
    plot, element("div", { class: "xw-bar xw-below" }, count, acts.mute, acts.solo, clear,
      element("span", { class: "xw-group", role: "group", "aria-label": "Zoom" }, zooms.out, zooms.fit, zooms.in)), facts, note, peek.card.root);
  return { root, heading, plot, canvas, cursor, peek, acts, sized, offers, count, clear, facts, note, tools, zooms, sides, why, on };
}

/** Maps inside a box or lasso. @param {Plane} plane @param {Point[]} path */
function within({ layout, tool }, path) {
  if (!layout) return [];
  const { px, py } = layout, [first] = path, last = path[path.length - 1];
  return tool === "box" ? insideBox(px, py, first, last) : insideLasso(px, py, path);
}

/** The map at a place, or -1. @param {Plane} plane @param {Point | null} at */
const mapAt = ({ layout }, at) => (layout && at ? nearest(layout.px, layout.py, ...at) : -1);

/** @param {Plane} plane */
function paint(plane) {
  const { ui, impacts, path, tool, hovered } = plane, width = ui.plot.clientWidth, height = ui.plot.clientHeight;
  if (!width || !height) return;
  const values = colours(ui.root, ...COLOURS.map((name) => `--xw-${name}`));
  const palette = /** @type {import("./paint.js").Palette} */ (Object.fromEntries(COLOURS.map((name, i) => [name, values[i]])));
  const font = `11px ${getComputedStyle(ui.root).fontFamily}`, context = fitCanvas(ui.canvas, width, height);
  plane.layout = placeOf(impacts, width, height, plane.zoom);
  context.clearRect(0, 0, width, height);
  const chosen = path ? within(plane, path) : plane.chosen;
  paintPlane(context, plane.layout, impacts, { chosen, hovered, path, tool, sized: plane.sized }, palette, font);
  moveCursor(plane, plane.layout);
  ui.canvas.dataset.painted = `${impacts.deltaY.length}`;
}

/**
 * The one focusable element stands on the current map and says what it holds.
 * @param {Plane} plane
 * @param {import("./points.js").Layout} layout
 */
function moveCursor({ ui, order, current, hovered, chosen, impacts, path, peek }, layout) {
  const { cursor } = ui, index = order[current], { left, right, top, bottom } = layout.frame;
  cursor.hidden = index === undefined || !Number.isFinite(layout.px[index] + layout.py[index]);
  if (cursor.hidden) return;
  const [x, y] = [clamp(layout.px[index], left, right), clamp(layout.py[index], top, bottom)];
  cursor.style.transform = `translate(${x - 9}px, ${y - 9}px)`;
  cursor.setAttribute("aria-label", sentence(index, impacts));
  cursor.setAttribute("aria-selected", `${chosen.includes(index)}`);
  cursor.setAttribute("aria-posinset", `${current + 1}`);
  cursor.setAttribute("aria-setsize", `${order.length}`);
  const told = path ? -1 : hovered >= 0 ? hovered : document.activeElement === cursor ? index : -1;
  peek.show(told, told < 0 ? "" : sentence(told, impacts), layout.px[told], layout.py[told], hovered >= 0);
}

/** @param {Plane} plane */
function tell(plane) {
  const { ui, impacts, page: { model } } = plane;
  plane.chosen = model.get("selected");
  ui.heading.textContent = ui.heading.title = model.get("title");
  ui.facts.textContent = model.get("facts");
  ui.note.textContent = model.get("note");
  ui.count.textContent = countWords(impacts, plane.chosen.length);
  ui.clear.disabled = ui.acts.mute.disabled = ui.acts.solo.disabled = !plane.chosen.length;
  tellSides(plane);
  const { effects = [], no_difference: lacks } = model.get("against");
  tellEffects(ui.on, effects, Boolean(impacts.ways?.length), lacks);
  plane.later();
}

/** Of what the plane is, and why it cannot be of the set. @param {Plane} plane */
function tellSides({ ui: { sides, why, offers, sized }, page: { model } }) {
  const { no_selected: few = "", offers: some = [], activation } = model.get("more"), reason = model.get("no_set");
  press(Object.entries(sides), model.get("shown"));
  for (const [name, lacks, of] of [["set", reason, "The set"], ["selected", few, "The plane of selected images"]]) {
    const side = sides[/** @type {"set" | "selected"} */ (name)];
    side.disabled = Boolean(lacks);
    side.title = lacks ? `${of} ${lacks}` : side.getAttribute("aria-label") ?? "";
  }
  why.textContent = reason;
  sized.disabled = !activation?.byteLength;
  const told = JSON.stringify(some);
  if (offers.dataset.told === told) return;
  offers.dataset.told = told;
  offers.replaceChildren(...some.map((/** @type {[string, string]} */ [name, words]) => button(words,
    "In the background; the status bar says how far it is", { "data-name": name })));
}

/** @param {Plane} plane */
function read(plane) {
  plane.impacts = readImpacts(plane.page.model);
  plane.order = ranked(plane.impacts.deltaY);
  plane.current = clamp(plane.current, 0, Math.max(plane.order.length - 1, 0));
  if (plane.hovered >= plane.order.length) plane.hovered = -1;
  tell(plane);
}

/** @param {Plane} plane @param {number[]} found @param {boolean} [add] */
const select = ({ page: { model }, chosen }, found, add = false) =>
  model.send({ kind: "select", indices: selection(chosen, found, add) });

/** @param {Plane} plane @param {string} kind */
const act = ({ page: { model }, chosen, order, current, impacts }, kind) => model.send(messageFor(kind, chosen, order[current], impacts.muted));

/** @param {Plane} plane */
function readCard({ peek, layout, ui }) {
  peek.read(Boolean(layout && layout.px[peek.opened()] < ui.plot.clientWidth / 2), ui.root.clientHeight - 68);
}

/** @param {Plane} plane @param {boolean} sized */
function setSized(plane, sized) {
  plane.sized = sized;
  plane.ui.sized.setAttribute("aria-pressed", `${sized}`);
  plane.later();
}

/** @param {Plane} plane */
function listenToButtons(plane) {
  const { ui, page } = plane, { model } = page;
  for (const [name, node] of Object.entries(ui.sides)) page.listen(node, "click", () => model.send({ kind: "of", name }));
  for (const [name, node] of Object.entries(ui.tools)) page.listen(node, "click", () => setTool(plane, name));
  for (const [kind, node] of Object.entries(ui.acts)) page.listen(node, "click", () => act(plane, kind));
  listenToEffects(page, ui.on);
  page.listen(ui.offers, "click", (event) => {
    const name = event.target.closest("[data-name]")?.dataset.name;
    if (name) model.send({ kind: "compute", name });
  });
  page.listen(ui.sized, "click", () => {
    setSized(plane, !plane.sized);
    model.set("sized", plane.sized);
    model.save_changes();
  });
  page.listen(ui.zooms.in, "click", () => zoomTo(plane, plane.zoom * 2));
  page.listen(ui.zooms.out, "click", () => zoomTo(plane, plane.zoom / 2));
  page.listen(ui.zooms.fit, "click", () => zoomTo(plane, 1));
  page.listen(ui.clear, "click", () => select(plane, []));
}

/** @param {Plane} plane @param {number} value */
function zoomTo(plane, value) {
  plane.zoom = clamp(value, 1, 4096);
  plane.ui.zooms.out.disabled = plane.ui.zooms.fit.disabled = plane.zoom === 1;
  plane.later();
}

/** @param {Plane} plane @param {string} name */
function setTool(plane, name) {
  plane.tool = name;
  press(Object.entries(plane.ui.tools), name);
}

/** @param {Plane} plane @param {KeyboardEvent} event */
function keyOnPlane(plane, event) {
  const { order, current, zoom } = plane, { key } = event;
  if (withModifier(event) || !order.length) return;
  const to = stepTo(key, current, order.length);
  if (to !== undefined) [plane.current, plane.hovered] = [to, -1];
  else if (key === " ") select(plane, [order[current]], true);
  else if (key === "Enter") select(plane, [order[current]], event.shiftKey);
  else if (key === "Escape" && plane.peek.opened() >= 0) plane.peek.close();
  else if (key === "Escape") select(plane, []);
  else if (key === "m" || key === "s") act(plane, key === "m" ? "mute" : "solo");
  else if (key === "?") plane.peek.open(order[current]);
  else if (key === "+" || key === "=") zoomTo(plane, zoom * 2);
  else if (key === "-") zoomTo(plane, zoom / 2);
  else return;
  event.preventDefault();
  plane.later();
}

/** @param {Plane} plane */
function followPointer(plane) {
  const { ui, page: { signal }, later } = plane;
  const adds = (/** @type {MouseEvent} */ event) => event.shiftKey || event.ctrlKey || event.metaKey;
  follow(ui.canvas, {
    signal,
    hover: (at) => {
      plane.hovered = mapAt(plane, at);
      later();
    },
    click: (at, event) => {
      const index = mapAt(plane, at);
      if (index >= 0) plane.current = plane.order.indexOf(index);
      ui.cursor.focus({ preventScroll: true });
      if (index >= 0 || !adds(event)) select(plane, index < 0 ? [] : [index], adds(event));
      later();
    },
    brush: (path) => {
      [plane.path, plane.hovered] = [path, -1];
      later();
    },
    done: (path, event) => {
      plane.path = null;
      select(plane, within(plane, path), adds(event));
      later();
    },
  });
}

/** @param {import("../shared/mount.js").Context} context */
function render(context) {
  const ui = build(), page = mount(context, ui.root);
  /** @type {Plane} */
  const plane = { ui, page, later: page.oncePerFrame(() => paint(plane)), impacts: noImpacts(), layout: null, order: [], chosen: [],
    tool: "box", zoom: 1, current: 0, hovered: -1, path: null, sized: false, peek: peekOf(page, ui.peek, ui.plot) };
  page.watch("delta_y delta_error exact roles across up shown counts delta_y_low delta_y_high delta_error_low delta_error_high more against",
    () => read(plane));
  page.watch(CARD_TRAITS, () => readCard(plane));
  page.watch("seen", plane.later);
  page.watch("sized", () => setSized(plane, page.model.get("sized")));
  page.watch("selected title facts note no_set", () => tell(plane));
  page.listen(ui.plot, "keydown", (event) => keyOnPlane(plane, event));
  page.listen(ui.peek.card.root, "keydown", (event) => {
    if (event.key !== "Escape") return;
    plane.peek.close();
    ui.cursor.focus({ preventScroll: true });
  });
  for (const type of ["focus", "blur"]) page.listen(ui.cursor, type, plane.later);
  listenToButtons(plane);
  followPointer(plane);
  page.onSize(ui.plot, plane.later);
  page.onTheme(plane.later);
  setTool(plane, "box");
  zoomTo(plane, 1);
  page.readAll();
  return page.close;
}

export default { render };

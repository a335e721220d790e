// What removing each feature map does: change of the score against change of the error, or by rank without a rating.
import {
  bytes, clamp, colours, element, fitCanvas, floats, onTheme, oncePerFrame, signed, suppressShortcuts,
} from "./dom.js";
import {
  follow, frameOf, insideBox, insideLasso, nearer, nearest, paintAxes, paintBrush, rangeOf, scale, trace,
} from "./plot.js";

const MARGIN = { left: 62, right: 12, top: 8, bottom: 38 };
const CORNERS = [ // of the plane: role, horizontal side, vertical side
  [1, "left", "top"], [2, "right", "top"], [3, "left", "bottom"], [4, "right", "bottom"],
];

/** What a removal says about a map: a score that falls without it was raised by it. */
export const effect = (deltaY) => (deltaY < 0 ? "raises the score" : deltaY > 0 ? "lowers the score" : "changes nothing");
export const shapeOf = (deltaY) => (deltaY < 0 ? "up" : deltaY > 0 ? "down" : "dot");

/** Indices by |delta y|, largest first; equal ones by index. */
export function ranked(deltaY) {
  return Array.from(deltaY.keys()).sort((a, b) => Math.abs(deltaY[b]) - Math.abs(deltaY[a]) || a - b);
}

/** The points in data units: against the error where it is known, else by rank from what raises to what lowers. */
export function pointsOf({ deltaY, deltaError }) {
  if (deltaError.length === deltaY.length) return { xs: deltaY, ys: deltaError, byRank: false };
  const xs = new Float32Array(deltaY.length);
  Array.from(deltaY.keys()).sort((a, b) => deltaY[a] - deltaY[b] || a - b).forEach((index, rank) => { xs[index] = rank + 1; });
  return { xs, ys: deltaY, byRank: true };
}

/** What is said about one map, in words and both numbers. */
export function sentence(index, { deltaY, deltaError, roles, roleWords, exact, error: name = "error" }) {
  const error = deltaError.length === deltaY.length ? ` · Δ ${name} ${signed(deltaError[index])}` : "";
  const role = roles.length ? roleWords[roles[index]] : effect(deltaY[index]);
  return `map ${index}: Δ score ${signed(deltaY[index])}${error} · ${role}${exact[index] ? "" : " (first estimate)"}`;
}

/** The selection after a click or brush on `found`; with `add`, one map is turned on or off, several are added. */
export function selection(selected, found, add) {
  if (!add) return found;
  if (found.length === 1 && selected.includes(found[0])) return selected.filter((index) => index !== found[0]);
  return [...new Set([...selected, ...found])];
}

const empty = { deltaY: new Float32Array(0), deltaError: new Float32Array(0), roles: new Int8Array(0), exact: new Uint8Array(0),
  roleWords: [], across: "", up: "" };

function readImpacts(model) {
  const raw = (name) => bytes(model.get(name)).slice();
  const impacts = { deltaY: floats(model.get("delta_y")), deltaError: floats(model.get("delta_error")),
    roles: new Int8Array(raw("roles").buffer), exact: raw("exact"), error: model.get("error") || "error",
    roleWords: model.get("role_words"), across: model.get("across"), up: model.get("up") };
  return impacts.exact.length === impacts.deltaY.length ? impacts : empty;
}

/** Where each point stands, in CSS pixels. */
function place(impacts, width, height, zoom) {
  const frame = frameOf(width, height, MARGIN), { xs, ys, byRank } = pointsOf(impacts);
  const x = scale(byRank ? [0, xs.length + 1] : nearer(rangeOf(xs, 0.08, 0.25), zoom), [frame.left, frame.right]);
  const y = scale(nearer(rangeOf(ys, 0.16, byRank ? 0.15 : 0.25), zoom), [frame.bottom, frame.top]);
  return { frame, x, y, byRank, px: Float32Array.from(xs, x.place), py: Float32Array.from(ys, y.place) };
}

function paintCorners(context, { frame, byRank, x, y }, { roleWords }, palette, font) {
  const { left, right, top, bottom } = frame, width = right - left;
  context.save();
  [context.font, context.strokeStyle, context.lineWidth, context.lineJoin] = [font, palette.paper, 4, "round"];
  const write = (words, colour, side, edge) => {
    const parts = words.split(", "), lines = width > 420 ? [words] : width > 230 ? parts : [parts[0]];
    [context.fillStyle, context.textAlign, context.textBaseline] = [colour, side, edge];
    const at = side === "left" ? left + 6 : right - 6;
    lines.forEach((line, i) => {
      const height = edge === "top" ? top + 5 + 15 * i : bottom - 5 - 15 * (lines.length - 1 - i);
      context.strokeText(line, at, height); // a halo, so that grid lines do not cross the letters
      context.fillText(line, at, height);
    });
  };
  if (byRank) {
    write("▲ raises the score", palette.raises, "left", "bottom");
    write("▼ lowers the score", palette.lowers, "right", "top");
  } else {
    for (const [role, side, edge] of CORNERS) {
      const colour = role < 3 ? palette.helps : palette.harms;
      context.save();
      context.globalAlpha = 0.06;
      context.fillStyle = colour;
      const [x0, y0] = [clamp(x.place(0), left, right), clamp(y.place(0), top, bottom)];
      const [from, to] = side === "left" ? [left, x0] : [x0, right], [high, low] = edge === "top" ? [top, y0] : [y0, bottom];
      context.fillRect(from, high, to - from, low - high);
      context.restore();
      write(`${role % 2 ? "▲" : "▼"} ${roleWords[role] ?? ""}`, colour, side, edge);
    }
  }
  context.restore();
}

function paintPoints(context, { frame, px, py }, impacts, chosen, palette) {
  const { deltaY, roles, exact } = impacts, count = deltaY.length;
  const size = count > 1500 ? 3.2 : count > 400 ? 4 : 5;
  const colour = (index) => (roles.length
    ? [palette.faint, palette.helps, palette.helps, palette.harms, palette.harms][roles[index]]
    : [palette.raises, palette.faint, palette.lowers][Math.sign(deltaY[index]) + 1]);
  const draw = (index, bigger) => {
    trace(context, shapeOf(deltaY[index]), px[index], py[index], size + bigger);
    [context.fillStyle, context.strokeStyle] = [colour(index), colour(index)];
    if (exact[index]) context.fill();
    context.stroke();
  };
  context.save();
  context.beginPath();
  context.rect(frame.left, frame.top, frame.right - frame.left, frame.bottom - frame.top);
  context.clip();
  [context.globalAlpha, context.lineWidth] = [chosen.length ? 0.45 : 0.8, 1];
  for (let index = 0; index < count; index++) draw(index, 0);
  context.globalAlpha = 1;
  for (const index of chosen) {
    if (index >= count) continue;
    draw(index, 1);
    [context.strokeStyle, context.lineWidth] = [palette.accent, 2];
    context.beginPath();
    context.arc(px[index], py[index], size + 4, 0, 2 * Math.PI);
    context.stroke();
    context.lineWidth = 1;
  }
  context.restore();
}

function controls() {
  const button = (text, label, pressed) => element("button",
    { type: "button", class: "xw-button", "aria-label": label, title: label, "aria-pressed": pressed }, text);
  const tools = { box: button("▭ box", "Select with a box", "true"),
    lasso: button("⌾ lasso", "Select with a lasso", "false") };
  const zooms = { out: button("−", "Zoom out"), fit: button("fit", "Show all maps"), in: button("+", "Zoom in to zero") };
  const clear = button("clear", "Select nothing");
  return { tools, zooms, clear };
}

function parts() {
  const { tools, zooms, clear } = controls();
  const canvas = element("canvas", { "aria-hidden": "true" });
  const cursor = element("div", { role: "option", tabindex: "0", class: "xw-cursor" });
  const tip = element("div", { class: "xw-tip xw-numbers", "aria-hidden": "true", hidden: true });
  const plot = element("div", { class: "xw-plot", role: "listbox", "aria-multiselectable": "true",
    "aria-label": "Feature maps by the effect of their removal",
    "aria-description": "Arrow keys go through the maps from the largest effect on; Space selects, Escape clears." },
  canvas, cursor, tip);
  const heading = element("h3", { class: "xw-title" });
  const count = element("span", { class: "xw-caption xw-numbers", role: "status" });
  const [facts, note] = [element("p", { class: "xw-facts xw-numbers" }), element("p", { class: "xw-caption" })];
  const root = element("section", { class: "xw xw-impact", "aria-label": "Impact plane" },
    element("div", { class: "xw-bar" }, heading,
      element("span", { class: "xw-group", role: "group", "aria-label": "Selection tool" }, tools.box, tools.lasso)),
    plot, element("div", { class: "xw-bar xw-below" }, count, clear,
      element("span", { class: "xw-group", role: "group", "aria-label": "Zoom" }, zooms.out, zooms.fit, zooms.in)), facts, note);
  return { root, heading, plot, canvas, cursor, tip, count, clear, facts, note, tools, zooms };
}

function render({ model, el, signal }) {
  const ui = parts();
  el.replaceChildren(ui.root);
  let impacts = empty, layout = null, order = [], rankOf = new Map(), chosen = [];
  let [tool, zoom, current, hovered, path] = ["box", 1, 0, -1, null];
  const [later, never] = oncePerFrame(paint);

  function paint() {
    const [width, height] = [ui.plot.clientWidth, ui.plot.clientHeight];
    if (!width || !height) return;
    const names = ["ink", "paper", "faint", "line", "accent", "raises", "lowers", "helps", "harms"];
    const values = colours(ui.root, ...names.map((name) => `--xw-${name}`));
    const palette = Object.fromEntries(names.map((name, i) => [name, values[i]]));
    const family = getComputedStyle(ui.root).fontFamily, context = fitCanvas(ui.canvas, width, height);
    layout = place(impacts, width, height, zoom);
    context.clearRect(0, 0, width, height);
    const words = { xName: impacts.across, yName: impacts.up };
    paintAxes(context, layout.frame, layout.x, layout.y, { ...palette, ...words, font: `11px ${family}` });
    paintCorners(context, layout, impacts, palette, `11px ${family}`);
    paintPoints(context, layout, impacts, path ? [] : chosen, palette);
    if (path) {
      paintPoints(context, layout, impacts, within(path), palette);
      paintBrush(context, path, tool, palette.accent);
    }
    moveCursor();
    ui.canvas.dataset.painted = impacts.deltaY.length;
  }

  const within = (corners) => (tool === "box"
    ? insideBox(layout.px, layout.py, corners[0], corners.at(-1))
    : insideLasso(layout.px, layout.py, corners));

  /** The one focusable element stands on the current map and says what it holds. */
  function moveCursor() {
    const index = order[current], { left, right, top, bottom } = layout.frame;
    ui.cursor.hidden = index === undefined;
    if (ui.cursor.hidden) return;
    const [x, y] = [clamp(layout.px[index], left, right), clamp(layout.py[index], top, bottom)];
    ui.cursor.style.transform = `translate(${x - 9}px, ${y - 9}px)`;
    ui.cursor.setAttribute("aria-label", sentence(index, impacts));
    ui.cursor.setAttribute("aria-selected", chosen.includes(index));
    ui.cursor.setAttribute("aria-posinset", current + 1);
    ui.cursor.setAttribute("aria-setsize", order.length);
    const told = hovered >= 0 ? hovered : document.activeElement === ui.cursor ? index : -1;
    showTip(told);
  }

  function showTip(index) {
    ui.tip.hidden = index < 0 || path !== null;
    if (ui.tip.hidden) return;
    ui.tip.textContent = sentence(index, impacts);
    const [x, y] = [layout.px[index], layout.py[index]], wide = ui.plot.clientWidth;
    ui.tip.style.left = `${clamp(x - ui.tip.offsetWidth / 2, 2, Math.max(2, wide - ui.tip.offsetWidth - 2))}px`;
    ui.tip.style.top = `${y > ui.tip.offsetHeight + 16 ? y - ui.tip.offsetHeight - 12 : y + 14}px`;
  }

  function read() {
    impacts = readImpacts(model);
    order = ranked(impacts.deltaY);
    rankOf = new Map(order.map((index, rank) => [index, rank]));
    current = clamp(current, 0, Math.max(order.length - 1, 0));
    if (hovered >= impacts.deltaY.length) hovered = -1;
    tell();
  }

  function tell() {
    chosen = model.get("selected");
    const total = impacts.deltaY.length, exact = impacts.exact.reduce((sum, one) => sum + one, 0);
    ui.heading.textContent = ui.heading.title = model.get("title");
    ui.facts.textContent = model.get("facts");
    ui.note.textContent = model.get("note");
    const progress = exact < total ? `${exact} of ${total} maps exact` : `${total} maps`;
    ui.count.textContent = total ? `${progress} · ${chosen.length} selected` : "no maps yet";
    ui.clear.disabled = !chosen.length;
    later();
  }

  const select = (indices) => model.send({ kind: "select", indices });
  const zoomTo = (value) => {
    zoom = clamp(value, 1, 4096);
    ui.zooms.out.disabled = ui.zooms.fit.disabled = zoom === 1;
    later();
  };
  const setTool = (name) => {
    tool = name;
    for (const [key, node] of Object.entries(ui.tools)) node.setAttribute("aria-pressed", key === name);
  };
  const adds = (event) => event.shiftKey || event.ctrlKey || event.metaKey;

  follow(ui.canvas, { signal,
    hover: (at) => { hovered = at && layout ? nearest(layout.px, layout.py, ...at) : -1; later(); },
    click: (at, event) => {
      const index = layout ? nearest(layout.px, layout.py, ...at) : -1;
      if (index >= 0) current = rankOf.get(index);
      ui.cursor.focus({ preventScroll: true });
      if (index >= 0 || !adds(event)) select(selection(chosen, index < 0 ? [] : [index], adds(event)));
      later();
    },
    brush: (corners) => { [path, hovered] = [corners, -1]; later(); },
    done: (corners, event) => { path = null; select(selection(chosen, within(corners), adds(event))); later(); } });

  suppressShortcuts(ui.root, signal);
  const listen = (node, type, action) => node.addEventListener(type, action, { signal });
  listen(ui.plot, "keydown", (event) => {
    const moves = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10,
      Home: -current, End: order.length };
    if (event.ctrlKey || event.metaKey || event.altKey || !order.length) return;
    if (event.key in moves) { current = clamp(current + moves[event.key], 0, order.length - 1); hovered = -1; }
    else if (event.key === " ") select(selection(chosen, [order[current]], true));
    else if (event.key === "Enter") select(selection(chosen, [order[current]], event.shiftKey));
    else if (event.key === "Escape") select([]);
    else if (event.key === "+" || event.key === "=") zoomTo(zoom * 2);
    else if (event.key === "-") zoomTo(zoom / 2);
    else return;
    event.preventDefault();
    later();
  });
  for (const type of ["focus", "blur"]) listen(ui.cursor, type, later);
  listen(ui.tools.box, "click", () => setTool("box"));
  listen(ui.tools.lasso, "click", () => setTool("lasso"));
  listen(ui.zooms.in, "click", () => zoomTo(zoom * 2));
  listen(ui.zooms.out, "click", () => zoomTo(zoom / 2));
  listen(ui.zooms.fit, "click", () => zoomTo(1));
  listen(ui.clear, "click", () => select([]));

  model.on("change:delta_y change:delta_error change:exact change:roles change:across change:up", read);
  model.on("change:selected change:title change:facts change:note", tell);
  const size = new ResizeObserver(later);
  size.observe(ui.plot);
  onTheme(later, signal);
  zoomTo(1);
  read();
  return () => {
    size.disconnect();
    never();
    model.off("change:delta_y change:delta_error change:exact change:roles change:across change:up", read);
    model.off("change:selected change:title change:facts change:note", tell);
    el.replaceChildren(); // JupyterLab keeps `el` of a closed widget; it need not keep what was in it
  };
}

export default { render };

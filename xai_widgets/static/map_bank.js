// Hundreds to thousands of feature maps, each with a gain bar. One canvas the size of the window; only visible cells
// are painted, and one focusable element, moved to the current cell, speaks for it to keyboards and screen readers.

import { bytes, clamp, colours, element, fitCanvas, floats, onTheme, oncePerFrame, suppressShortcuts } from "./dom.js";
import { atlasOf, paintCell } from "./map_cells.js";
import { cellAt, gainAt, layoutOf, MOST, moved, placeOf, SIZES, visible } from "./map_layout.js";
import { arrange, countsOf, describe, FILTERS, largest, NEEDS_RATING } from "./map_order.js";
import { ACTIONS, build } from "./map_parts.js";

const ALWAYS = new Set(["all", "raises", "lowers"]); // other filters are offered where they would keep something
const COLOURS = ["ink", "faint", "paper", "shade", "line", "accent", "warm", "raises", "lowers", "helps", "harms", "chosen"];
const rgb = (text) => text.match(/\d+(\.\d+)?/g).slice(0, 3).map(Number);

function render({ model, el, signal }) {
  const parts = build(), { view, sheet, canvas, knob } = parts;
  el.replaceChildren(parts.root);
  const bank = { gains: new Float32Array(0), dead: new Uint8Array(0), selected: new Set(), most: 0 };
  let ids = [], places = new Int32Array(0), layout = layoutOf(1, 0), ink = {}, sortedFor = "";
  let filter = model.get("show"), current = 0, anchor = 0, under = -1, dragged = [], gesture = 0, step = 0;
  let hovering = false, typing = false, stale = false;
  const [later, cancel] = oncePerFrame(paint);

  function readMaps() {
    const { thumbs_shape: [count, h, w] = [0, 0, 0], dead, title } = model.get("maps");
    bank.dead = dead ? bytes(dead) : new Uint8Array(0);
    if (bank.gains.length !== count) {
      bank.gains = new Float32Array(count).fill(1);
      [under, dragged, ids] = [-1, [], []];
    }
    readColours();
    current = clamp(current, 0, Math.max(count - 1, 0));
    parts.title.textContent = "Feature maps";
    parts.count.textContent = count ? `${title}, ${h} × ${w}` : "on their way";
    readImpacts();
  }

  function readColours() {
    if (!parts.root.isConnected) return; // JupyterLab puts `el` into the page later; the observer of sizes calls then
    ink = Object.fromEntries(colours(parts.root, ...COLOURS.map((name) => `--xw-${name}`)).map((c, i) => [COLOURS[i], c]));
    ink.font = getComputedStyle(parts.root).fontFamily;
    const [low, high] = colours(parts.root, "--xw-map-low", "--xw-map-high").map(rgb);
    const { thumbs, thumbs_shape: shape = [0, 0, 0] } = model.get("maps");
    bank.atlas = atlasOf(thumbs ? bytes(thumbs) : new Uint8Array(0), shape, low, high);
    later();
  }

  function readImpacts() {
    const impacts = model.get("impacts"), count = bank.gains.length;
    const known = impacts.delta_y?.byteLength === 4 * count && count > 0;
    bank.delta = known ? floats(impacts.delta_y) : null;
    bank.exact = known ? bytes(impacts.exact) : new Uint8Array(count);
    bank.error = known && impacts.delta_error?.byteLength ? floats(impacts.delta_error) : null;
    bank.roles = known && impacts.roles?.byteLength ? bytes(impacts.roles) : null;
    bank.roleWords = model.get("role_words");
    bank.value = impacts.value ?? NaN;
    bank.most = largest(bank.delta);
    bank.worst = largest(bank.error);
    bank.errorName = impacts.error || "error";
    for (const option of parts.order.options) option.hidden = NEEDS_RATING.has(option.value) && !bank.roles;
    const subject = model.get("subject"), moves = subject === "the score" ? subject : `the logit of ${subject}`;
    parts.legend.textContent = `The figure under a map is Δy: how far ${moves} would move without it (▲ the map raises it, ▼ lowers it). `
      + "Drag its bar to the left for less of the map, to the right for more."
      + `${bank.roles ? ` Without a map that helps ● ${bank.errorName === "error" ? "the error against the rating" : `the ${bank.errorName} with the label`} would grow.` : ""}`;
    parts.note.textContent = impacts.note ?? "";
    readJoint();
    tellProgress(impacts);
    refresh();
  }

  function readJoint() { parts.joint.textContent = model.get("joint"); }

  function tellProgress({ done }) {
    const count = bank.gains.length, exact = bank.exact.reduce((sum, one) => sum + one, 0);
    const busy = bank.delta && !done && exact < count;
    parts.known.textContent = busy ? `measured ${exact} / ${count} · hollow marks are estimates` : "";
    [parts.progress.max, parts.progress.value] = [count || 1, exact];
    parts.progress.style.visibility = busy ? "visible" : "hidden";
  }

  function readGains() {
    const values = model.get("gains").values;
    if (values?.byteLength !== 4 * bank.gains.length) return;
    const mine = dragged.map((i) => bank.gains[i]);
    bank.gains = floats(values);
    dragged.forEach((i, at) => { bank.gains[i] = mine[at]; }); // the finger knows better than an older answer
    refresh();
  }

  function readDrag() { // of this view, or of another one of the same widget
    const { indices, value } = model.get("drag");
    for (const i of indices) bank.gains[i] = value;
    refresh();
  }

  function readSelected() {
    bank.selected = new Set(model.get("selected").values ?? []);
    refresh();
  }

  /** Sort anew, unless the reader is at work here: then maps stay where they are, and a button offers it. */
  function refresh() {
    if (dragged.length) return tell();
    const about = `${model.get("maps").key}|${Boolean(bank.delta)}`;
    if (sortedFor !== about) {
      sort();
      current = anchor = ids[0] ?? 0;
    } else if (hovering || typing) {
      const next = arrange(bank, parts.order.value, filter);
      stale = next.length !== ids.length || next.some((id, at) => id !== ids[at]);
      parts.again.hidden = !stale;
    } else sort();
    sortedFor = about;
    tellFilters();
    tell();
  }

  function sort() {
    ids = arrange(bank, parts.order.value, filter);
    places = new Int32Array(bank.gains.length).fill(-1);
    ids.forEach((id, place) => { places[id] = place; });
    if (!(places[current] >= 0)) current = anchor = ids[0] ?? 0; // the keyboard stands on a map that is shown
    stale = false;
    parts.again.hidden = true;
    resize();
  }

  function resize() {
    layout = layoutOf(view.clientWidth, ids.length, SIZES[parts.size.value]);
    sheet.style.height = `${layout.height}px`;
    view.style.maxHeight = `${Math.max(layout.height + 2, 56)}px`;
    view.setAttribute("aria-rowcount", layout.rows);
    view.setAttribute("aria-colcount", layout.columns);
    parts.empty.textContent = ids.length || !bank.gains.length ? "" : "No map is like that.";
    [knob.style.width, knob.style.height] = [`${layout.map + 8}px`, `${layout.map + layout.caption + layout.bar + 7}px`];
    tell();
  }

  function paint() {
    const width = view.clientWidth, height = view.clientHeight, top = view.scrollTop;
    if (!bank.atlas || !width) return;
    const context = fitCanvas(canvas, width, height);
    context.clearRect(0, 0, width, height);
    context.translate(0, -top);
    context.font = `${layout.font}px ${ink.font}`;
    context.textBaseline = "middle";
    context.imageSmoothingQuality = "medium";
    const [first, last] = visible(layout, top, height);
    for (let place = first; place < last; place++) {
      paintCell(context, bank, layout, ids[place], place, ids[place] === under || dragged.includes(ids[place]), ink);
    }
    canvas.dataset.painted = last - first;
  }

  /** Put the one focusable cell where the reader is, and say what it holds. */
  function tell() {
    const place = places[current] ?? -1, shown = dragged[0] ?? (under >= 0 ? under : place >= 0 ? current : -1);
    parts.row.hidden = place < 0;
    if (place >= 0) {
      const { x, y } = placeOf(layout, place), [line, more] = describe(bank, current, model.get("subject"));
      parts.row.style.transform = `translate(${x - 4}px, ${y - 4}px)`;
      parts.row.setAttribute("aria-rowindex", Math.floor(place / layout.columns) + 1);
      parts.cell.setAttribute("aria-colindex", (place % layout.columns) + 1);
      parts.cell.setAttribute("aria-selected", bank.selected.has(current));
      knob.setAttribute("aria-label", `Gain of feature map ${current}`);
      knob.setAttribute("aria-valuenow", bank.gains[current]);
      knob.setAttribute("aria-valuetext", `${bank.gains[current].toFixed(2)}. ${line.split(" · ").slice(2).join(", ")}. ${more}`);
    }
    const words = shown < 0 ? ["", ""] : describe(bank, shown, model.get("subject"));
    parts.detail.children[0].textContent = words[0];
    parts.detail.children[1].textContent = words[1];
    const chosen = bank.selected.size;
    for (const [kind, , , , needs] of ACTIONS) parts.buttons[kind].disabled = needs === "some" && !chosen;
    parts.all.textContent = chosen ? `${chosen} selected · clear` : "Select shown";
    parts.undo.disabled = !model.get("can_undo");
    later();
  }

  function tellFilters() {
    const counts = countsOf(bank), subject = model.get("subject");
    for (const [name, chip] of Object.entries(parts.filters)) {
      const [mark, words] = FILTERS[name];
      chip.replaceChildren(...(mark ? [element("b", { class: `xw-${name}`, "aria-hidden": "true" }, mark)] : []),
        words.replace("%", subject), element("span", { class: "xw-numbers" }, `${counts[name]}`));
      chip.setAttribute("aria-pressed", name === filter);
      chip.hidden = name !== filter && !ALWAYS.has(name) && !counts[name];
    }
  }

  function go(place) {
    current = ids[clamp(place, 0, ids.length - 1)];
    const { y } = placeOf(layout, places[current]), below = y + layout.pitchY - view.clientHeight;
    view.scrollTop = clamp(view.scrollTop, below, y - layout.gap);
    tell();
  }

  /** Move a bar; with it those of all selected maps, if it is one of them. */
  function setGain(index, value) {
    const indices = bank.selected.has(index) ? [...bank.selected] : [index];
    if (dragged.length) dragged = [index, ...indices.filter((i) => i !== index)];
    // `step` grows: the same value twice, with an undo between, is still a change.
    model.set("drag", { kind: "gain", indices, value: clamp(value, 0, MOST), gesture, step: ++step });
    readDrag();
    model.save_changes(); // one message in flight; ipywidgets keeps only the latest of those that wait
  }

  function choose(indices) {
    bank.selected = new Set(indices);
    model.send({ kind: "select", indices: [...bank.selected] });
    refresh();
  }

  /** What a click or the space bar selects: one, one more (ctrl), or all from the last one on (shift). */
  function pick(index, { shift, more }) {
    current = index;
    const [from, to] = [places[anchor], places[index]].sort((a, b) => a - b);
    const range = shift && from >= 0 ? ids.slice(from, to + 1) : [index];
    if (!shift) anchor = index;
    if (!more) return choose(bank.selected.size === 1 && bank.selected.has(index) && !shift ? [] : range);
    const next = new Set(bank.selected);
    for (const i of range) if (shift || !next.delete(i)) next.add(i);
    choose(next);
  }

  function act(kind) {
    const indices = bank.selected.size ? [...bank.selected] : [current];
    const muted = kind === "mute" && indices.every((i) => bank.gains[i] === 0);
    model.send(kind === "mute" || kind === "solo" ? { kind: muted ? "restore" : kind, indices } : { kind });
  }

  const local = (event) => {
    const box = sheet.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const listen = (target, type, action, options = {}) => target.addEventListener(type, action, { signal, ...options });
  const remember = (name, value) => {
    model.set(name, value);
    readChoices();
    model.save_changes();
    view.scrollTop = 0;
  };
  for (const name of ["order", "size"]) listen(parts[name], "change", () => remember(name, parts[name].value));
  for (const [name, chip] of Object.entries(parts.filters)) listen(chip, "click", () => remember("show", name));
  for (const [kind] of ACTIONS) listen(parts.buttons[kind], "click", () => act(kind));
  listen(parts.undo, "click", () => act("undo"));
  listen(parts.all, "click", () => choose(bank.selected.size ? [] : ids));
  listen(parts.again, "click", sort);
  const solo = () => model.send({ kind: "solo", indices: ids.slice(0, Math.max(1, Math.round(Number(parts.most.value) || 1))) });
  listen(parts.top, "click", solo);
  listen(parts.most, "keydown", (event) => { if (event.key === "Enter") solo(); });
  listen(view, "scroll", later);

  listen(sheet, "pointerdown", (event) => {
    const hit = event.button === 0 && cellAt(layout, ...local(event));
    if (!hit) return;
    event.preventDefault();
    knob.focus({ preventScroll: true });
    current = ids[hit.place];
    if (hit.part === "map") return pick(current, { shift: event.shiftKey, more: event.ctrlKey || event.metaKey });
    gesture = Date.now();
    dragged = [current];
    sheet.setPointerCapture(event.pointerId); // the drag goes on outside the grid
    // A finger may be about to scroll; it sets a gain when it moves sideways.
    if (event.pointerType !== "touch") setGain(current, gainAt(layout, hit.place, local(event)[0]));
  });
  listen(sheet, "pointermove", (event) => {
    if (dragged.length) return setGain(current, gainAt(layout, places[current], local(event)[0]));
    const hit = cellAt(layout, ...local(event));
    sheet.style.cursor = hit?.part === "bar" ? "ew-resize" : hit ? "pointer" : "";
    if (under !== (under = hit ? ids[hit.place] : -1)) tell();
  });
  const release = () => { if (dragged.length) { dragged = []; refresh(); } };
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) listen(sheet, type, release);
  listen(sheet, "dblclick", (event) => {
    const hit = cellAt(layout, ...local(event));
    if (!hit || hit.part !== "bar") return;
    gesture = Date.now();
    setGain(ids[hit.place], 1);
  });
  listen(view, "pointerenter", () => { hovering = true; });
  listen(view, "pointerleave", () => {
    [hovering, under] = [false, -1];
    tell();
    setTimeout(() => { if (stale && !hovering && !typing && !dragged.length && !signal?.aborted) sort(); }, 500);
  });
  listen(knob, "blur", () => {
    typing = false;
    if (stale && !hovering) sort();
  });
  for (const node of [knob, parts.order, parts.size, parts.most, ...parts.root.querySelectorAll("button")]) {
    suppressShortcuts(node, signal);
  }
  listen(view, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !ids.length || places[current] < 0) return;
    const to = moved(layout, places[current], event.key, view.clientHeight), gain = bank.gains[current];
    const value = { "+": gain + 0.1, "=": gain + 0.1, "-": gain - 0.1, 0: 0, 1: 1 }[event.key];
    const action = [...ACTIONS, ["undo", "u"]].find(([, key]) => key === event.key)?.[0];
    typing = true;
    if (to !== undefined) {
      go(to);
      if (event.shiftKey) pick(current, { shift: true, more: false });
      else anchor = current;
    } else if (value !== undefined) {
      gesture = Date.now();
      setGain(current, Math.round(value * 1000) / 1000);
    } else if (event.key === " ") pick(current, { shift: event.shiftKey, more: true });
    else if (event.key === "Escape") choose([]);
    else if (event.key === "a") choose(ids);
    else if (action) act(action);
    else return;
    event.preventDefault();
  });

  const watched = [["change:maps", readMaps], ["change:impacts change:subject", readImpacts],
    ["change:gains", readGains], ["change:drag", readDrag], ["change:selected", readSelected], ["change:joint", readJoint], ["change:can_undo", tell],
    ["change:height", readHeight], ["change:pending", readPending], ["change:order change:show change:size", readChoices]];
  function readPending() { parts.root.classList.toggle("xw-pending", model.get("pending")); }
  function readHeight() { view.style.height = `${model.get("height")}px`; }
  function readChoices() {
    [parts.order.value, filter, parts.size.value] = ["order", "show", "size"].map((name) => model.get(name));
    sort();
    tellFilters();
  }
  for (const [events, action] of watched) model.on(events, action);
  const size = new ResizeObserver(() => {
    if (!bank.atlas) readColours();
    resize();
  });
  [parts.order.value, parts.size.value] = [model.get("order"), model.get("size")];
  readHeight();
  readPending();
  readMaps();
  readGains();
  readSelected();
  size.observe(view);
  onTheme(readColours, signal);
  return () => {
    for (const [events, action] of watched) model.off(events, action);
    size.disconnect();
    cancel();
    el.replaceChildren(); // JupyterLab keeps `el` of a closed widget; it need not keep what was in it
  };
}

export default { render };

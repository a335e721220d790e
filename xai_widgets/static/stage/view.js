// Panels: photos, and a coarse map over what the network saw of each. Opacity, colours, sign, up-sampling, zoom and the
// scale never wait for the kernel: they redraw here, and the look is sent once when the gesture ends.

import { element } from "../shared/dom.js";
import { mount } from "../shared/mount.js";
import { hasHeard, introduce } from "../shared/moves.js";
import { bytes, shortened, signed } from "../shared/values.js";
import { readHead, readOptions, readSample, readWords, showKey } from "./around.js";
import { mountCompare } from "./compare.js";
import { mountDegrade } from "./degrade.js";
import { followKeys, followPointer } from "./gestures.js";
import { paintLines } from "./lines.js";
import { mountMenu } from "./menu.js";
import { linesOf } from "./outlines.js";
import { mountOver, otherOf } from "./over.js";
import { fade, fullColour, lookAt, makePanel, markAt, markProbe, nameOf, probePanel, readCell, readLayers } from "./panel.js";
import { buildStage } from "./parts.js";
import { mountReference } from "./reference.js";
import { makeBrush, mountRegion } from "./region.js";
import { ALL_OF_IT, fullOf, heightOf, MOST_PANELS, transformOf } from "./state.js";
import { buildTools } from "./tools.js";

const LETTER_OF_HEADING = 7; // CSS pixels

/** @typedef {ReturnType<typeof stageOf>} Stage */

/** Addresses of the photos in their slots, each made when its bytes are others. @param {import("../shared/mount.js").Page} page */
function addressesOf(page) {
  const made = new Map();
  page.onClose(() => made.forEach(([, address]) => URL.revokeObjectURL(address)));
  return (/** @type {number} */ slot) => {
    const view = slot < 0 ? null : page.model.get(`photo_${slot}`), [known, before] = made.get(slot) ?? [null, ""];
    if (known === view) return before;
    if (before) URL.revokeObjectURL(before);
    const data = view ? bytes(view) : new Uint8Array(0), type = data[0] === 0x89 ? "image/png" : "image/jpeg";
    const address = data.length ? URL.createObjectURL(new Blob([data.slice()], { type })) : "";
    made.set(slot, [view, address]);
    return address;
  };
}

/** @param {import("../shared/mount.js").Page} page @param {import("./parts.js").Parts} ui */
function stageOf(page, ui) {
  const { model } = page, address = addressesOf(page), { look } = ui;
  const stage = {
    page, ui, model, address,
    panels: /** @type {import("./panel.js").Panel[]} */ ([]),
    sight: ALL_OF_IT,
    point: /** @type {[number, number] | null} */ (null),
    palette: "blue-red", // that the reader chose
    fading: false, // the pointer holds the opacity
    holding: false, // it holds the divider
    laid: { over: "off", other: -1, divider: 0.5 }, // what is laid over the active panel
    brush: /** @type {import("./region.js").Brush} */ (null),
    send: () => {}, // the look, when a gesture has ended
    redraw: () => {},
    name: () => nameAll(stage),
    beside: /** @type {ReturnType<typeof mountOver>} */ (null),
    limitOf: (/** @type {import("./panel.js").Panel} */ panel) => fullOf(panel.own, (model.get("common") ?? [])[panel.place], look.scale.value).limit,
    mark: { origin: introduce(model), step: 0 }, // of what this view changed of the look, see moves.js
    arranged: "",
    several: () => model.get("count") > 1,
    active: () => stage.panels[model.get("active")] ?? stage.panels[0],
    look: () => ({ opacity: Number(look.opacity.value), palette: stage.palette, sign: look.sign.value,
      smooth: look.smooth.value === "smooth", grey: look.grey.checked, secondary: look.harmful.value, scale: look.scale.value,
      reference: look.reference.checked, top: Number(ui.tools.top.value), ...stage.laid }),
  };
  stage.brush = makeBrush(stage);
  return stage;
}

// ---------------------------------------------------------------- rows and columns

/** @param {Stage} stage @param {import("./gestures.js").Acts} acts */
function arrange(stage, acts) {
  const { model, ui, panels } = stage, count = model.get("count"), columns = model.get("columns"), several = stage.several();
  for (let place = panels.length; place < count; place++) panels.push(addPanel(stage, place, acts));
  const rows = Math.ceil(count / columns), [across, down] = [model.get("across"), model.get("down")];
  const heads = several && across.some(Boolean), sides = several && down.some(Boolean);
  const key = JSON.stringify([count, columns, heads, sides]);
  ui.root.classList.toggle("xw-several", several);
  ui.grid.style.setProperty("--xw-columns", `${columns}`);
  ui.root.style.setProperty("--xw-tall", `${heightOf(several ? rows : 1, model.get("height"))}`);
  if (key !== stage.arranged) {
    const held = panels.findIndex(({ parts }) => parts.frame === document.activeElement);
    ui.grid.classList.toggle("xw-with-sides", sides);
    ui.grid.replaceChildren(...(several ? cellsOf(panels.slice(0, count), columns, heads, sides) : [ui.plain.node, panels[0].parts.node]));
    if (held >= 0 && held < count) panels[held].parts.frame.focus();
    stage.arranged = key;
    for (const panel of panels.slice(0, count)) {
      readCell(panel, stage);
      readLayers(panel, stage);
    }
  }
  nameAll(stage);
  markActive(stage);
}

/** @param {import("./panel.js").Panel[]} panels @param {number} columns @param {boolean} heads @param {boolean} sides */
function cellsOf(panels, columns, heads, sides) {
  const nodes = [], corner = () => (sides ? [element("span")] : []);
  if (heads) nodes.push(...corner(), ...Array.from({ length: columns }, () => element("div", { class: "xw-across" })));
  panels.forEach(({ parts }, place) => {
    if (sides && place % columns === 0) nodes.push(element("div", { class: "xw-down" }, element("span")));
    nodes.push(parts.node);
  });
  return nodes;
}

/** @param {Stage} stage @param {number} place @param {import("./gestures.js").Acts} acts */
function addPanel(stage, place, acts) {
  const { page, model } = stage, panel = makePanel(place, stage, (painted) => {
    const mine = painted === stage.active(), { clientWidth, clientHeight } = painted.parts.frame;
    paintLines(painted.parts.lines, linesOf(painted, stage, mine ? otherOf(stage) : null), clientWidth, clientHeight, stage.sight.zoom);
    if (!mine) return;
    stage.beside.paint();
    showKey(stage);
  });
  followPointer(panel.parts.frame, stage, acts, panel);
  followKeys(panel, stage, acts);
  page.listen(panel.parts.remove, "click", () => model.send({ kind: "remove", place }));
  fade(panel, stage);
  lookAt(panel, stage);
  return panel;
}

/** Words of headings and titles, as long as there is room. @param {Stage} stage */
function nameAll({ model, ui, panels }) {
  if (!ui.grid.clientWidth) return; // not laid out, as while a theme is changed: there is no room to judge by
  const columns = model.get("columns"), [across, down, titles] = ["across", "down", "titles"].map((name) => model.get(name));
  const write = (/** @type {Element} */ node, /** @type {string} */ text, /** @type {number} */ room) => {
    node.textContent = shortened(text, Math.max(Math.floor(room / LETTER_OF_HEADING), 6));
    node.setAttribute("title", text);
  };
  ui.grid.querySelectorAll(":scope > .xw-across").forEach((node, i) => write(node, across[i] ?? "", 2 * node.clientWidth));
  ui.grid.querySelectorAll(":scope > .xw-down > span").forEach((node, i) => {
    const frame = panels[i * columns]?.parts.frame;
    write(node, down[i] ?? "", frame?.clientHeight ?? 0);
  });
  panels.slice(0, model.get("count")).forEach((panel, place) => {
    const heads = [down[Math.floor(place / columns)], across[place % columns]].filter(Boolean).join(", ");
    nameOf(panel, titles[place] ?? "", heads);
  });
}

/** @param {Stage} stage */
function markActive(stage) {
  const several = stage.several(), active = stage.active();
  for (const { parts, place } of stage.panels) {
    const mine = several && place === active.place;
    parts.node.classList.toggle("xw-active", mine);
    if (mine) parts.frame.setAttribute("aria-current", "true");
    else parts.frame.removeAttribute("aria-current");
    if (!several) parts.frame.setAttribute("aria-label", "Photo and map; arrow keys read the map cell by cell");
    parts.frame.tabIndex = several && !mine ? -1 : 0;
  }
  readHead(stage);
  stage.beside.show();
  showKey(stage);
}

// ---------------------------------------------------------------- reading, zoom

/** Say the value at a place of the photos, both from 0 to 1, and mark it in all of them. @param {Stage} stage @param {any} panel that is pointed at */
function probeAll(stage, panel) {
  const { ui, point, sight, model } = stage, asked = panel ?? stage.active(), key = ui.key;
  let said = "Point at a picture to read its values.", share = NaN;
  for (const one of stage.panels.slice(0, model.get("count"))) {
    const found = probePanel(one, stage);
    if (one !== asked || !point) continue;
    const [width, height] = one.cell.size ?? [1, 1], at = `x ${Math.floor(point[0] * width)}, y ${Math.floor(point[1] * height)}`;
    said = one.map ? `${at} · outside what the network saw` : at;
    if (!found) continue;
    const depth = found.strength === null ? "" : ` · saturation ${Math.round(100 * found.strength)} %`;
    said = `${at} · ${signed(found.value)} · cell ${found.cell[0]}, ${found.cell[1]} of ${one.map.h} × ${one.map.w}${depth}`;
    if (one === stage.active()) share = found.value / fullColour(one, stage).limit;
  }
  for (const { probe } of [ui.plain, ui.reference]) markProbe(probe, point, sight);
  ui.reading.textContent = said;
  key.marker.hidden = !Number.isFinite(share);
  key.marker.style.left = `${100 * markAt(share, ui.look.sign.value === "positive" || Boolean(stage.active().map?.one_sided))}%`;
}

/** @param {Stage} stage @returns {import("./gestures.js").Acts} */
function actsOf(stage) {
  const { model } = stage;
  /** @type {any} */
  let pointed = null;
  return {
    probe: (point, panel = pointed) => {
      [stage.point, pointed] = [point, panel];
      probeAll(stage, panel);
    },
    look: (sight) => {
      stage.sight = sight;
      stage.panels.forEach((panel) => lookAt(panel, stage));
      for (const { view } of [stage.ui.plain, stage.ui.reference]) view.style.transform = transformOf(sight);
      stage.ui.root.classList.toggle("xw-near", sight.zoom > 1);
      stage.beside.place();
      stage.active()?.later(); // lines stay thin
      probeAll(stage, pointed);
    },
    activate: (place) => {
      if (place !== model.get("active")) model.send({ kind: "activate", place });
    },
    focus: (place) => stage.panels[place]?.parts.frame.focus(),
  };
}

// ---------------------------------------------------------------- the look

/** @param {Stage} stage */
function readLook(stage) {
  const look = stage.model.get("look"), { opacity, sign, smooth, grey, harmful, scale, reference } = stage.ui.look;
  if (!hasHeard(look.heard, stage.mark)) return; // the hand knows better than an older answer
  if (!stage.fading) opacity.value = look.opacity;
  [sign.value, smooth.value, harmful.value, scale.value] = [look.sign, look.smooth ? "smooth" : "cells", look.secondary, look.scale ?? "each"];
  [grey.checked, reference.checked] = [look.grey, Boolean(look.reference)];
  stage.palette = look.palette;
  stage.ui.tools.top.value = `${look.top ?? 0}`;
  if (!stage.holding) Object.assign(stage.laid, { over: look.over ?? "off", other: look.other ?? -1, divider: look.divider ?? 0.5 });
}

/** @param {Stage} stage @param {import("./gestures.js").Acts} acts */
function showLook(stage, acts) {
  stage.beside.show();
  for (const panel of stage.panels) {
    fade(panel, stage);
    panel.later();
  }
  showKey(stage);
  if (stage.point) acts.probe(stage.point);
}

/** @param {Stage} stage @param {import("./gestures.js").Acts} acts */
function followLook(stage, acts) {
  const { page, model, ui: { look } } = stage;
  const send = () => {
    const { palette, ...rest } = stage.look();
    stage.mark.step += 1;
    model.send({ kind: "look", ...rest, ...(look.palette.disabled ? {} : { palette }), ...stage.mark });
  };
  stage.send = send;
  stage.redraw = () => showLook(stage, acts);
  page.listen(look.opacity, "input", () => {
    stage.fading = true;
    stage.panels.forEach((panel) => fade(panel, stage));
    stage.beside.paint();
  });
  page.listen(look.opacity, "change", () => {
    stage.fading = false;
    send();
  });
  page.listen(look.palette, "change", () => { stage.palette = look.palette.value; });
  for (const node of [look.palette, look.sign, look.smooth, look.grey, look.harmful, look.scale, look.reference, stage.ui.tools.top]) {
    page.listen(node, "change", () => {
      showLook(stage, acts);
      send();
    });
  }
}

// ---------------------------------------------------------------- all of it

/** One panel is read when its own slot changed, and no other. @param {Stage} stage @param {import("./gestures.js").Acts} acts */
function watchPanels(stage, acts) {
  const { page } = stage, mine = (/** @type {number} */ place) => (place < stage.model.get("count") ? stage.panels[place] : undefined);
  const again = () => { if (stage.point) acts.probe(stage.point); }; // under a pointer that rests
  const words = (/** @type {any} */ panel) => {
    readCell(panel, stage);
    if (panel === stage.active()) readHead(stage);
  };
  for (let place = 0; place < MOST_PANELS; place++) {
    page.watch(`cell_${place}`, () => { if (mine(place)) words(mine(place)); });
    page.watch(`map_${place} over_${place}`, () => {
      if (!mine(place)) return;
      readLayers(mine(place), stage);
      stage.beside.show();
      if (mine(place) === stage.active()) showKey(stage);
      again();
    });
    page.watch(`photo_${place}`, () => {
      for (const panel of stage.panels) if (mine(panel.place) && panel.cell.photo === place) words(panel);
    });
  }
}

/** @param {import("../shared/mount.js").Context} context */
function render(context) {
  const ui = buildStage(buildTools()), page = mount(context, ui.root), { model } = page, stage = stageOf(page, ui), acts = actsOf(stage);
  stage.beside = mountOver(stage);
  const inside = mountRegion(stage), menu = mountMenu(page), compare = mountCompare(page), beside = mountReference(page, ui);
  let controls = new AbortController(), places = new AbortController();
  ui.ask.prepend(menu.node);
  ui.ask.append(compare.node);
  readLook(stage);
  page.watch("look", () => {
    readLook(stage);
    showLook(stage, acts);
  });
  page.watch("reference no_reference look", beside);
  page.watch("count columns across down titles active height", () => arrange(stage, acts));
  watchPanels(stage, acts);
  page.watch("region acts", inside);
  page.watch("degrading", mountDegrade(stage));
  page.watch("common", () => {
    if (stage.look().scale === "all") showLook(stage, acts);
  });
  page.watch("about", () => readHead(stage));
  page.watch("contrast unheard no_secondary checkable", () => readWords(stage));
  page.watch("choices", () => { controls = readOptions(stage, controls); });
  page.watch("sample", () => { places = readSample(stage, places); });
  page.watch("methods reasons method", menu.read);
  page.watch("compare count", () => {
    compare.read();
    [compare.add.disabled, compare.single.hidden] = [model.get("count") >= MOST_PANELS, !stage.several()];
    ui.look.scaleLabel.hidden = !stage.several();
  });
  page.listen(ui.head.clear, "click", () => model.send({ kind: "clear" }));
  page.listen(ui.check, "click", () => model.send({ kind: "check" }));
  for (const { frame } of [ui.plain, ui.reference]) followPointer(frame, stage, acts, null);
  page.listen(ui.look.reference, "change", beside);
  followLook(stage, acts);
  page.onSize(ui.grid, page.oncePerFrame(() => nameAll(stage)));
  page.onTheme(() => stage.panels.forEach((panel) => panel.later()));
  page.onClose(() => {
    controls.abort();
    places.abort();
  });
  arrange(stage, acts);
  page.readAll();
  acts.probe(null);
  return page.close;
}

export default { render };

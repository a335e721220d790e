// One panel, or the photo alone, laid over the active panel: at a divider that can be dragged, as the difference of both
// maps, as contours. All of it happens here; the look is sent once when a gesture ends.

import { element } from "../shared/dom.js";
import { clamp, shortened } from "../shared/values.js";
import { pairOf } from "./outlines.js";
import { paintMap } from "./paint.js";
import { box } from "./parts.js";
import { placeIn } from "./state.js";
import { correlation, differenceOf, likeness, risks } from "./two.js";

const BY_KEY = 0.02; // of the divider, by a key
const LETTERS = 32;

/** The panel that is laid over the active one; null where it is the photo or nothing. @param {any} stage */
export function otherOf(stage) {
  const { over, other } = stage.laid, active = stage.active();
  return over === "off" || other === active?.place || other >= stage.model.get("count") ? null : (stage.panels[other] ?? null);
}

/** The map that a panel shows: its own, or what sets it apart from another. @param {any} panel @param {any} stage */
export function shownMap(panel, stage) {
  const { own } = panel;
  if (!own || stage.laid.over !== "difference" || panel !== stage.active()) return own;
  const b = otherOf(stage)?.own;
  if (!b) return own;
  const names = namesOf(stage, panel, otherOf(stage)), key = names.join("\n");
  if (panel.minus?.a !== own || panel.minus?.b !== b || panel.minus.key !== key) panel.minus = { a: own, b, key, map: { ...differenceOf(own, b, names), minus: names[1] } };
  return panel.minus.map;
}

/** Both panels by name; by number where they have one name. @param {any} stage @param {any} a @param {any} b */
function namesOf(stage, a, b) {
  const names = [a, b].map(({ place }) => shortened(nameOfPanel(stage, place), LETTERS));
  return names[0] === names[1] ? [a, b].map(({ place }) => `panel ${place + 1}`) : names;
}

/** @param {any} stage @param {number} place */
function nameOfPanel({ model }, place) {
  const columns = model.get("columns"), heads = [model.get("down")[Math.floor(place / columns)], model.get("across")[place % columns]];
  return [model.get("titles")[place], ...heads].filter(Boolean).join(", ").replace(/\?$/, "") || `panel ${place + 1}`;
}

/** How alike both maps are, in words. @param {any} stage */
function say(stage) {
  const { model, ui: { tools }, laid: { over } } = stage, other = otherOf(stage), mine = stage.active()?.own, its = other?.own;
  tools.pair.textContent = "";
  if (!mine || !its || mine.degenerate || its.degenerate) return;
  const pair = pairOf(mine, its), name = shortened(nameOfPanel(stage, other.place), LETTERS);
  const words = [likeness(correlation(pair), name, Boolean(model.get("contrast")))];
  if (over === "contours") words.push(risks(pair, name), "Solid: the active map; dashed: the other; the thickest line is the top 5 %.");
  tools.pair.textContent = words.join(" ");
}

/** The panels that can be laid over the active one. @param {any} stage */
function fill(stage) {
  const { model, ui: { tools } } = stage, active = model.get("active"), { over, other } = stage.laid, count = model.get("count");
  const panels = Array.from({ length: count }, (_, i) => i).filter((i) => i !== active);
  const offers = [["", "nothing"], ["-1", "the photo"], ...panels.map((i) => [`${i}`, shortened(`${i + 1}: ${nameOfPanel(stage, i)}`, LETTERS)])];
  if (tools.other.dataset.offers !== `${offers}`) { // a list that is open stays as it is
    tools.other.replaceChildren(...offers.map(([value, words]) => element("option", { value }, words)));
    tools.other.dataset.offers = `${offers}`;
  }
  const chosen = panels.includes(other) ? `${other}` : over === "divider" && other < 0 ? "-1" : "";
  tools.other.value = over === "off" ? "" : chosen;
  tools.over.value = over === "off" ? "divider" : over;
  tools.overLabel.hidden = !panels.includes(other) || over === "off";
}

/** @param {any} stage */
export function mountOver(stage) {
  const { page, ui: { tools } } = stage;
  const photo = element("img", { draggable: "false", alt: "" }), canvas = element("canvas", { "aria-hidden": "true" });
  const beside = box("xw-beside", photo, canvas);
  const handle = element("div", { class: "xw-divider", role: "slider", tabindex: "0", "aria-label": "Divider", "aria-valuemin": "0", "aria-valuemax": "100",
    title: "Left: the active panel. Drag, or use the arrow keys." });
  const place = () => {
    const { divider } = stage.laid, [u] = placeIn(stage.sight, divider, 0.5);
    beside.style.clipPath = `inset(0 0 0 ${100 * clamp(u, 0, 1)}%)`;
    handle.style.left = `${100 * divider}%`;
    handle.setAttribute("aria-valuenow", `${Math.round(100 * divider)}`);
  };
  const paint = () => {
    const divides = stage.laid.over === "divider" && stage.laid.other !== stage.active()?.place, other = otherOf(stage), { parts } = stage.active();
    beside.hidden = handle.hidden = !divides;
    if (!divides) return;
    if (beside.parentElement !== parts.view) parts.view.insertBefore(beside, parts.lines);
    if (handle.parentElement !== parts.frame) parts.frame.append(handle);
    photo.src = (other ?? stage.active()).parts.photo.src;
    const look = stage.look(), map = other?.own;
    photo.classList.toggle("xw-grey", Boolean(other) && look.grey);
    canvas.hidden = !map || Boolean(map.degenerate);
    place();
    if (canvas.hidden) return;
    const [left, top, right, bottom] = map.box, percent = (/** @type {number} */ share) => `${share * 100}%`;
    Object.assign(canvas.style, { left: percent(left), top: percent(top), width: percent(right - left), height: percent(bottom - top), opacity: `${look.opacity}` });
    paintMap(canvas, { ...map, limit: stage.limitOf(other) }, { palette: map.palette || look.palette, sign: look.sign, smooth: look.smooth },
      canvas.clientWidth || map.w, canvas.clientHeight || map.h);
  };
  const show = () => {
    for (const panel of stage.panels) panel.map = shownMap(panel, stage);
    stage.name();
    fill(stage);
    say(stage);
    stage.active()?.later();
  };
  followDivider(stage, handle, place);
  const chosen = () => {
    const other = tools.other.value;
    Object.assign(stage.laid, { over: other === "" ? "off" : Number(other) < 0 ? "divider" : tools.over.value, other: other === "" ? -1 : Number(other) });
    show();
    stage.redraw();
    stage.send();
  };
  for (const node of [tools.other, tools.over]) page.listen(node, "change", chosen);
  return { show, paint, place };
}

/** @param {any} stage @param {HTMLElement} handle @param {() => void} place */
function followDivider(stage, handle, place) {
  const { page, laid } = stage;
  let held = false;
  const move = (/** @type {number} */ to) => {
    laid.divider = clamp(to, 0, 1);
    place();
  };
  page.listen(handle, "pointerdown", (/** @type {any} */ event) => {
    if (event.button) return;
    event.stopPropagation(); // the picture below is not moved
    held = stage.holding = true;
    handle.setPointerCapture?.(event.pointerId);
  });
  page.listen(handle, "pointermove", (/** @type {any} */ event) => {
    if (!held) return;
    const at = handle.parentElement.getBoundingClientRect();
    move((event.clientX - at.left) / at.width);
  });
  const end = () => {
    if (held) stage.send();
    held = stage.holding = false;
  };
  for (const name of ["pointerup", "pointercancel"]) page.listen(handle, name, end);
  page.listen(handle, "keydown", (/** @type {any} */ event) => {
    const step = { ArrowLeft: -BY_KEY, ArrowDown: -BY_KEY, ArrowRight: BY_KEY, ArrowUp: BY_KEY, PageUp: 0.2, PageDown: -0.2, Home: -1, End: 1 }[/** @type {string} */ (event.key)];
    if (step === undefined) return;
    event.preventDefault();
    move(laid.divider + step);
    stage.send();
  });
}

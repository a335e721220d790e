// What pointer and keys do in the frames: read values, zoom and move all photos together, go from panel to panel.

import { withModifier } from "../shared/controls.js";
import { clamp } from "../shared/values.js";
import { ALL_OF_IT, middleOf, moved, nearer, panelAfter, placeIn, readAt } from "./state.js";

const STEP = 1.4; // of zoom, by a key
const FAR = 4; // CSS pixels that a click may move

/**
 * @typedef {object} Acts
 * @property {(point: [number, number] | null, panel?: any) => void} probe
 * @property {(sight: import("./state.js").Sight) => void} look
 * @property {(place: number) => void} activate
 * @property {(place: number) => void} focus
 */

/** Place of an event in a frame, both from 0 to 1. @param {HTMLElement} frame @param {{ clientX: number, clientY: number }} event */
function shareOf(frame, { clientX, clientY }) {
  const at = frame.getBoundingClientRect();
  return [clamp((clientX - at.left) / at.width, 0, 1), clamp((clientY - at.top) / at.height, 0, 1)];
}

/**
 * @param {HTMLElement} frame @param {import("./panel.js").Shared} shared @param {Acts} acts
 * @param {import("./panel.js").Panel | null} panel null for the photo alone
 */
export function followPointer(frame, shared, acts, panel) {
  const { page } = shared;
  /** @type {{ x: number, y: number, sight: import("./state.js").Sight, far: boolean } | null} */
  let held = null;
  const read = (/** @type {any} */ event) => {
    const [a, b] = shareOf(frame, event), [u, v] = placeIn(shared.sight, a, b);
    acts.probe([u, v], panel);
  };
  page.listen(frame, "pointermove", (event) => {
    if (shared.brush.from && event.buttons) {
      const [a, b] = shareOf(frame, event);
      shared.brush.drag(placeIn(shared.sight, a, b));
    }
    if (held && event.buttons) {
      const { width, height } = frame.getBoundingClientRect(), [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
      held.far ||= Math.hypot(dx, dy) > FAR;
      if (held.far && held.sight.zoom > 1) acts.look(moved(held.sight, dx / width, dy / height));
    }
    read(event);
  });
  page.listen(frame, "pointerdown", (event) => {
    if (event.button || event.target.closest("button, .xw-divider")) return;
    if (panel && shared.brush.on) {
      const [a, b] = shareOf(frame, event);
      shared.brush.begin(panel, placeIn(shared.sight, a, b));
      frame.setPointerCapture?.(event.pointerId);
      return;
    }
    held = { x: event.clientX, y: event.clientY, sight: shared.sight, far: false };
    if (shared.sight.zoom > 1) frame.setPointerCapture?.(event.pointerId);
  });
  page.listen(frame, "pointerup", () => {
    if (shared.brush.from) shared.brush.end();
    const clicked = held && !held.far;
    held = null;
    if (clicked && panel && shared.several()) acts.activate(panel.place);
  });
  page.listen(frame, "pointercancel", () => {
    held = null;
    if (shared.brush.from) shared.brush.drop();
  });
  page.listen(frame, "pointerleave", () => { if (!held) acts.probe(null); });
  page.listen(frame, "dblclick", () => acts.look(ALL_OF_IT));
  page.listen(frame, "wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    const [a, b] = shareOf(frame, event);
    acts.look(nearer(shared.sight, 2 ** (-clamp(event.deltaY, -200, 200) / 200), a, b));
    read(event);
  }, { passive: false });
}

/** @param {string} key @param {import("./state.js").Sight} sight */
function zoomBy(key, sight) {
  if (key === "+" || key === "=") return nearer(sight, STEP);
  if (key === "-") return nearer(sight, 1 / STEP);
  return key === "0" ? ALL_OF_IT : null;
}

/**
 * @param {import("./panel.js").Panel} panel @param {import("./panel.js").Shared} shared @param {Acts} acts
 */
export function followKeys(panel, shared, acts) {
  const { page } = shared, { frame } = panel.parts;
  page.listen(frame, "blur", () => acts.probe(null));
  page.listen(frame, "keydown", (event) => {
    if (withModifier(event) || event.target !== frame) return;
    const { key } = event, { model } = page, sight = zoomBy(key, shared.sight);
    const cells = !shared.several() || event.shiftKey || shared.brush.on;
    const to = cells ? undefined : panelAfter(key, panel.place, model.get("columns"), model.get("count"));
    if (shared.brush.key(key, panel)) event.preventDefault();
    else if (sight) acts.look(sight);
    else if (to !== undefined) acts.focus(to);
    else if (shared.several() && (key === "Enter" || key === " ")) acts.activate(panel.place);
    else if (shared.several() && key === "Delete") model.send({ kind: "remove", place: panel.place });
    else if (!cells || !stepCell(key, panel, shared, acts)) return;
    event.preventDefault();
  });
}

/** Read the next cell; false for keys that do not step. @param {string} key @param {import("./panel.js").Panel} panel @param {import("./panel.js").Shared} shared @param {Acts} acts */
function stepCell(key, panel, shared, acts) {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key], { map } = panel;
  if (!step || !map) return false;
  const at = shared.point ? readAt(map, shared.point[0], shared.point[1], true) : null;
  const [row, column] = at ? [clamp(at.cell[0] + step[0], 0, map.h - 1), clamp(at.cell[1] + step[1], 0, map.w - 1)] : [0, 0];
  const [u, v] = middleOf(map, row, column);
  acts.probe([u, v], panel);
  shared.brush.extend();
  return true;
}

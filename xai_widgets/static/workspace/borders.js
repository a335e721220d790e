// Borders between parts of the workspace, moved by the pointer or by arrow keys; a double click takes a border back.

import { element } from "../shared/dom.js";

const STEP = 0.02; // of the whole, a press on an arrow key

/**
 * @param {import("../shared/mount.js").Page} page
 * @param {{ label: string, upright: boolean, shareAt: (event: PointerEvent) => number, share: () => number, grows: 1 | -1,
 *   set: (share: number | null) => void, keep: () => void }} about `shareAt` a pointer and `share` now, of what the border bounds
 */
export function borderOf(page, { label, upright, shareAt, share, grows, set, keep }) {
  const node = element("div", { class: `xw-border ${upright ? "xw-upright" : "xw-level"}`, role: "separator", tabindex: "0", "aria-label": label,
    "aria-orientation": upright ? "vertical" : "horizontal", "aria-valuemin": "0", "aria-valuemax": "100", title: `${label}: drag, arrow keys; double click: as at first` });
  const tell = () => node.setAttribute("aria-valuenow", `${Math.round(100 * share())}`);
  const to = (/** @type {number | null} */ wanted) => {
    set(wanted);
    tell();
  };
  page.listen(node, "pointerdown", (event) => {
    if (event.button !== 0) return;
    node.setPointerCapture(event.pointerId);
    event.preventDefault();
    node.focus();
  });
  page.listen(node, "pointermove", (event) => { if (node.hasPointerCapture(event.pointerId)) to(shareAt(event)); });
  for (const type of ["pointerup", "pointercancel"]) page.listen(node, type, keep);
  page.listen(node, "dblclick", () => {
    to(null);
    keep();
  });
  page.listen(node, "keydown", (event) => {
    const step = { [upright ? "ArrowRight" : "ArrowDown"]: 1, [upright ? "ArrowLeft" : "ArrowUp"]: -1 }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || (step === undefined && event.key !== "Home")) return;
    event.preventDefault();
    to(step === undefined ? null : share() + grows * step * STEP);
    keep();
  });
  return { node, tell };
}

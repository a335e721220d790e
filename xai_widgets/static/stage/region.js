// A region of the photo: drawn with the pointer or by keys, sent once when it is done.

import { readAt } from "./state.js";

/** @typedef {[number, number, number, number]} Box left, top, right, bottom, as shares of the photo */
/** @typedef {ReturnType<typeof makeBrush>} Brush */

/** The rectangle between two places, within the photo. @param {number[]} from @param {number[]} to @returns {Box} */
export function boxBetween([u, v], [x, y]) {
  const [left, right] = [Math.min(u, x), Math.max(u, x)], [top, bottom] = [Math.min(v, y), Math.max(v, y)];
  const cut = (/** @type {number} */ at) => Math.min(Math.max(at, 0), 1);
  return [cut(left), cut(top), cut(right), cut(bottom)];
}

/** All cells of a map from one to another, as a part of the photo. @param {import("./state.js").Layer} map @param {number[]} from row and column @param {number[]} to @returns {Box} */
export function boxOfCells({ h, w, box: [left, top, right, bottom] }, from, to) {
  const rows = [Math.min(from[0], to[0]), Math.max(from[0], to[0]) + 1], columns = [Math.min(from[1], to[1]), Math.max(from[1], to[1]) + 1];
  const x = columns.map((at) => left + (at / w) * (right - left)), y = rows.map((at) => top + (at / h) * (bottom - top));
  return [x[0], y[0], x[1], y[1]];
}

/** A box that has a width and a height: that of a click is widened a little, and the cell there is meant. @param {Box} box @returns {Box} */
export function widened([left, top, right, bottom]) {
  const least = 1e-3, across = Math.max(right - left, least), down = Math.max(bottom - top, least);
  const [x, y] = [Math.min(left, 1 - across), Math.min(top, 1 - down)];
  return [x, y, x + across, y + down];
}

/** @param {any} stage */
export function makeBrush(stage) {
  const brush = {
    on: false,
    box: /** @type {Box | null} */ (null), // while it is drawn
    panel: /** @type {any} */ (null),
    from: /** @type {number[] | null} */ (null), // a place of the photo, by the pointer
    cell: /** @type {number[] | null} */ (null), // row and column, by keys
    /** @param {boolean} on */
    turn(on) {
      brush.on = on;
      brush.drop();
      const { region } = stage.ui.tools;
      region.setAttribute("aria-pressed", `${on}`);
      region.textContent = on ? "▭ Drag over the photo" : "▭ Region";
      stage.ui.root.classList.toggle("xw-brushing", on);
    },
    drop() {
      const { panel } = brush;
      [brush.from, brush.cell, brush.box, brush.panel] = [null, null, null, null];
      panel?.later();
    },
    /** @param {any} panel @param {number[]} at */
    begin(panel, at) {
      [brush.panel, brush.from, brush.cell, brush.box] = [panel, at, null, boxBetween(at, at)];
      panel.later();
    },
    /** @param {number[]} at */
    drag(at) {
      brush.box = boxBetween(brush.from, at);
      brush.panel.later();
    },
    end() {
      const { panel, box, cell } = brush, asked = cell ? box : widened(box);
      brush.drop();
      if (panel.place !== stage.model.get("active")) stage.model.send({ kind: "activate", place: panel.place });
      stage.model.send({ kind: "region", box: asked });
    },
    /** What a key does on a frame; false where it means something else. @param {string} key @param {any} panel */
    key(key, panel) {
      if (key === "Escape" && (brush.box || brush.on)) {
        if (brush.box) brush.drop();
        else brush.turn(false);
        return true;
      }
      if (!brush.on || !panel.map || (key !== "Enter" && key !== " ")) return false;
      if (brush.cell) brush.end();
      else {
        const [u, v] = stage.point ?? [0.5, 0.5];
        [brush.panel, brush.cell] = [panel, readAt(panel.map, u, v, true)?.cell ?? [0, 0]];
        brush.extend();
      }
      return true;
    },
    /** To the cell that is read now. */
    extend() {
      const { panel, cell } = brush;
      if (!cell) return;
      const at = stage.point ? readAt(panel.map, stage.point[0], stage.point[1], true) : null;
      brush.box = boxOfCells(panel.map, cell, at?.cell ?? cell);
      panel.later();
    },
  };
  return brush;
}

/** @param {any} stage */
export function mountRegion(stage) {
  const { page, model, ui: { tools }, brush } = stage;
  page.listen(tools.region, "click", () => brush.turn(!brush.on));
  page.listen(tools.half, "change", () => {
    if (tools.half.value) model.send({ kind: "region", box: tools.half.value.split(" ").map(Number) });
  });
  page.listen(tools.clear, "click", () => {
    model.send({ kind: "region", box: null });
    tools.region.focus(); // the button that was pressed goes
  });
  return () => {
    const { words = "", box, drawn = [] } = model.get("region") ?? {};
    tools.said.textContent = words;
    tools.half.value = [...tools.half.options].find(({ value }) => value && value === drawn.join(" "))?.value ?? "";
    tools.said.parentElement.hidden = !box;
    tools.acts.textContent = model.get("acts")?.words ?? "";
    stage.active()?.later();
  };
}

// The menu "Compare": rows of panels that are often wanted, and any two things as rows and columns.

import { button } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { box } from "./parts.js";
import { sheetUnder } from "./sheet.js";
import { tooMany } from "./state.js";

/** @typedef {{ name: string, words: string, reason: string, count: number, preset: boolean }} Offer */

function buildCompare() {
  const opener = button("Compare ▾", "", { class: "xw-button xw-compare", "aria-haspopup": "dialog", "aria-expanded": "false" });
  const add = button("+ panel", "A further panel, a copy of the active one: what is changed next sets both apart", {}), single = button("only this panel", "", {});
  const presets = box("xw-presets"), why = element("div", { class: "xw-caption xw-why", role: "status" });
  const [rows, columns] = ["Rows", "Columns"].map((label) => element("select", { class: "xw-select", "aria-label": label }));
  const show = button("show", "", { class: "xw-button xw-show" });
  const axes = box("xw-axes", element("label", { class: "xw-caption" }, "Rows ", rows), element("label", { class: "xw-caption" }, "Columns ", columns), show);
  const sheet = element("div", { class: "xw-sheet", role: "dialog", "aria-label": "Compare", hidden: true }, presets, axes, why);
  const node = box("xw-chooser", opener, sheet);
  return { opener, add, single, presets, why, rows, columns, show, sheet, node, bar: box("xw-bar xw-compares", node, add, single) };
}

/** @param {Offer} offer @param {() => void} act */
function presetOf({ words, reason, count }, act) {
  const node = button("", reason, { class: "xw-preset", "aria-disabled": reason ? "true" : null });
  node.append(element("span", { class: "xw-words" }, words), element("span", { class: "xw-caption" }, reason || `${count} panels`));
  node.addEventListener("click", () => { if (!reason) act(); });
  return node;
}

/** @param {HTMLSelectElement} select @param {Offer[]} offers */
function fillSelect(select, offers) {
  const before = select.value;
  select.replaceChildren(element("option", { value: "" }, "one"), ...offers.map(({ name, words, reason, count }) =>
    element("option", { value: name, disabled: Boolean(reason), title: reason }, reason ? `${words}: ${reason}` : `${words} (${count})`)));
  if ([...select.options].some(({ value, disabled }) => value === before && !disabled)) select.value = before;
}

/** @param {import("../shared/mount.js").Page} page */
export function mountCompare(page) {
  const { model } = page, ui = buildCompare(), { rows, columns } = ui;
  const offers = () => /** @type {Offer[]} */ (model.get("compare") ?? []);
  /** Two names of one thing stand once in a list. */
  const axes = () => offers().filter(({ name, preset }) => !preset || !["runs", "layers"].includes(name));
  // What can be asked depends on what is chosen elsewhere, so it is asked for when the sheet opens.
  const { close } = sheetUnder(page, ui, () => model.send({ kind: "compare" }));
  const send = (/** @type {Record<string, unknown>} */ asked) => {
    close(true);
    model.send({ kind: "grid", ...asked });
  };
  const check = () => {
    const [down, across] = [rows, columns].map(({ value }) => axes().find(({ name }) => name === value));
    ui.why.textContent = down && down === across ? "Rows and columns are the same." : tooMany(down, across);
    ui.show.disabled = Boolean(ui.why.textContent) || !(down || across);
  };
  const read = () => {
    ui.presets.replaceChildren(...offers().filter(({ preset }) => preset).map((offer) => presetOf(offer, () => send({ columns: offer.name }))));
    fillSelect(rows, axes());
    fillSelect(columns, axes());
    check();
  };
  for (const select of [rows, columns]) page.listen(select, "change", check);
  page.listen(ui.show, "click", () => send({ rows: rows.value || null, columns: columns.value || null }));
  page.listen(ui.add, "click", () => model.send({ kind: "add" }));
  page.listen(ui.single, "click", () => model.send({ kind: "single" }));
  return { node: ui.bar, read, add: ui.add, single: ui.single };
}

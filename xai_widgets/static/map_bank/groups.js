// Groups of feature maps with names: a chip selects the maps of one, a line of text names those that are selected.

import { button } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { groupOf } from "./find.js";

/** @typedef {ReturnType<typeof buildGroups>} GroupParts */

export function buildGroups() {
  const chips = element("span", { class: "xw-bar xw-chips", role: "group", "aria-label": "Groups of maps" });
  const open = button("Group…", "Give the selected maps a name together", { "aria-expanded": "false" });
  const input = element("input", { class: "xw-input", maxlength: "60", placeholder: "name of the group", "aria-label": "Name of the group" });
  const keep = button("Keep", "Name the selected maps (Enter)"), apart = button("Take apart", "The maps stay as they are");
  const form = element("span", { class: "xw-bar xw-form", hidden: true }, input, keep, apart);
  return { chips, open, form, input, keep, apart };
}

/** @param {GroupParts} parts @param {import("./order.js").Bank} bank */
export function tellGroups({ chips, open, form, apart }, { groups = [], selected }) {
  const pressed = groupOf(groups, selected), told = JSON.stringify([groups, pressed]);
  apart.hidden = !pressed;
  if (!selected.size && !form.hidden) showForm({ open, form }, false);
  open.hidden = !selected.size;
  if (chips.dataset.told === told) return;
  chips.dataset.told = told;
  const within = chips.contains(document.activeElement) ? document.activeElement.textContent : "";
  chips.replaceChildren(...groups.map(([name, maps]) => element("button", { type: "button", class: "xw-chip",
    "data-group": name, "aria-pressed": `${name === pressed}`, title: `Select the maps of ${name}` }, name,
  element("span", { class: "xw-numbers" }, `${maps.length}`))));
  if (within) chips.querySelectorAll("button").forEach((chip) => { if (chip.textContent === within) chip.focus(); });
}

/** @param {Pick<GroupParts, "open" | "form">} parts @param {boolean} shown */
function showForm({ open, form }, shown) {
  form.hidden = !shown;
  open.setAttribute("aria-expanded", `${shown}`);
}

/** @param {import("../shared/mount.js").Page} page @param {GroupParts} parts @param {import("./state.js").State} state @param {import("./actions.js").Actions} actions */
export function listenToGroups(page, parts, state, actions) {
  const { chips, open, form, input, keep, apart } = parts, groups = () => state.bank.groups ?? [];
  const done = () => {
    showForm(parts, false);
    open.focus({ preventScroll: true });
  };
  const name = () => {
    if (!input.value.trim()) return;
    page.model.send({ kind: "group", words: input.value, indices: [...state.bank.selected] });
    done();
  };
  page.listen(chips, "click", (event) => {
    const wanted = event.target.closest("[data-group]")?.dataset.group, found = groups().find(([one]) => one === wanted);
    if (found) actions.choose(groupOf(groups(), state.bank.selected) === wanted ? [] : found[1]);
  });
  page.listen(open, "click", () => {
    showForm(parts, Boolean(form.hidden));
    if (form.hidden) return;
    input.value = groupOf(groups(), state.bank.selected);
    input.focus();
    input.select();
  });
  page.listen(keep, "click", name);
  page.listen(apart, "click", () => {
    page.model.send({ kind: "group", words: groupOf(groups(), state.bank.selected), indices: [] });
    done();
  });
  page.listen(form, "keydown", (event) => {
    if (event.key === "Enter" && event.target === input) name();
    else if (event.key === "Escape") done();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

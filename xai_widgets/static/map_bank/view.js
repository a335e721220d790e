// Hundreds to thousands of feature maps, each with a gain bar. One canvas the size of the window; only visible cells
// are painted, and one focusable element, moved to the current cell, speaks for it to keyboards and screen readers.

import { CROPS } from "../shared/map_card.js";
import { listenToEffects, tellEffects } from "../shared/effect_on.js";
import { mount } from "../shared/mount.js";
import { hasHeard, introduce } from "../shared/moves.js";
import { bytes, floats } from "../shared/values.js";
import { actionsOf, showingOf } from "./actions.js";
import { cardOf, listenToCard } from "./card_view.js";
import { listenToKeys, listenToPointer, listenToPresence, listenToTools } from "./gestures.js";
import { paint, paperOf } from "./paint.js";
import { build } from "./parts.js";
import { newState, withAsked, withDrag, withGains, withImpacts, withMaps, withNamed, withSelected, withSet } from "./state.js";
import { tellFilters, tellImpacts, tellMaps, tellSet } from "./words.js";

/** @param {import("../shared/mount.js").Context["model"]} model @returns {[any, any, any]} */
const comparedIn = (model) => [model.get("alike"), model.get("region"), model.get("against")];

/** What is known over the set, and the card. @param {import("../shared/mount.js").Page} page @param {import("./parts.js").Parts} parts @param {import("./state.js").State} state @param {import("./actions.js").Actions} actions @param {() => void} readCard */
function followSet(page, parts, state, actions, readCard) {
  const { model } = page;
  page.watch("of_set", () => {
    const known = model.get("of_set");
    Object.assign(state, withSet(state, known));
    tellSet(parts, known);
    actions.news({});
  });
  page.watch("named", () => actions.news(withNamed(state, model.get("named"))));
  page.watch("alike region against", () => {
    actions.news(withAsked(state, ...comparedIn(model)));
    parts.margin.textContent = model.get("against").margin_words ?? "";
  });
  page.watch("impacts against", () => tellEffects(parts.on, model.get("against").effects ?? [], Boolean(state.bank.ways?.length)));
  listenToEffects(page, parts.on);
  page.watch(["card", ...CROPS].join(" "), readCard);
  page.watch("joint", () => { parts.joint.textContent = model.get("joint"); });
}

/** Gains and selected maps, which both sides move. @param {import("../shared/mount.js").Page} page @param {import("./state.js").State} state @param {import("./actions.js").Actions} actions */
function followMoves(page, state, actions) {
  const { model } = page;
  page.watch("gains", () => actions.news(withGains(state, model.get("gains"))));
  page.watch("selected", () => actions.news(withSelected(state, model.get("selected"))));
  // Of another view of the same widget on this page.
  page.watch("drag", () => {
    const drag = model.get("drag"), foreign = drag?.origin && drag.origin !== state.origin;
    if (foreign && !hasHeard(model.get("gains").heard, drag)) actions.news(withDrag(state, drag));
  });
}

/** @param {import("../shared/mount.js").Context} context */
function render(context) {
  const parts = build(), page = mount(context, parts.root), { model } = page, state = newState(introduce(model));
  /** @type {import("./paint.js").Paper | null} */
  let paper = null;
  const card = cardOf(page, parts, state);
  const repaint = page.oncePerFrame(() => {
    paint(parts, state, paper);
    card.seat();
  });
  const actions = actionsOf(page, parts, state, showingOf(page, parts, state, repaint), card);
  const readPaper = () => {
    paper = paperOf(parts.root, model.get("maps"));
    repaint();
  };
  const readImpacts = () => {
    const impacts = model.get("impacts");
    Object.assign(state, withImpacts(state, impacts, model.get("subject"), model.get("role_words")));
    tellImpacts(parts, state, impacts);
    actions.news({});
  };
  const readChoices = () => {
    const [order, filter, size] = ["order", "show", "size"].map((name) => model.get(name));
    [parts.order.value, parts.size.value] = [order, size];
    Object.assign(state, { order, filter, size, find: model.get("find") });
    if (document.activeElement !== parts.find) parts.find.value = state.find;
    actions.sort();
    tellFilters(parts, state);
  };

  page.watch("order show size find", readChoices);
  page.watch("height", () => { parts.view.style.height = `${model.get("height")}px`; });
  page.watch("pending", () => { parts.root.classList.toggle("xw-pending", model.get("pending")); });
  page.watch("maps", () => {
    const maps = model.get("maps"), [count] = maps.thumbs_shape ?? [0];
    tellMaps(parts, maps);
    Object.assign(state, withMaps(state, count, maps.dead ? bytes(maps.dead) : new Uint8Array(0), maps.activation ? floats(maps.activation) : null));
    // They may have come before their maps.
    Object.assign(state, withGains(state, model.get("gains")), withAsked(state, ...comparedIn(model)));
    readPaper();
    readImpacts();
  });
  page.watch("impacts subject role_words", readImpacts);
  followSet(page, parts, state, actions, () => {
    card.read();
    repaint();
  });
  followMoves(page, state, actions);
  page.watch("can_undo", () => actions.change({}));
  listenToPointer(page, parts, state, actions);
  listenToPresence(page, parts, state, actions);
  listenToKeys(page, parts, state, actions);
  listenToCard(page, parts, state, card);
  listenToTools(page, parts, state, actions);
  page.listen(parts.view, "scroll", repaint);
  page.onTheme(readPaper);
  page.onSize(parts.view, () => {
    // JupyterLab puts the view into the page later.
    if (!paper) readPaper();
    actions.resize();
  });
  page.readAll();
  return page.close;
}

export default { render };

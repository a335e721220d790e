// Thousands of thumbnails with what is known about each. Only cells in sight exist, and only their pictures are asked for;
// sorting, searching and filtering happen here. The current cell holds the focus (roving), also while it is out of sight.

import { mount } from "../shared/mount.js";
import { introduce } from "../shared/moves.js";
import { bytes, floats } from "../shared/values.js";
import { chartOf } from "./chart_view.js";
import { listenToOptions, tellOptions } from "./options.js";
import { actionsOf, showingOf } from "./actions.js";
import { listenToKeys, listenToPointer, listenToTools } from "./gestures.js";
import { tellFilters } from "./filter_row.js";
import { mapsOf } from "./maps.js";
import { ranksOf } from "./order.js";
import { cellsOf, tellProblems, tellSet } from "./paint.js";
import { build } from "./parts.js";
import { referenceOf } from "./reference.js";
import { inWindow, nearWindow, newState, NO_GROUPS, withCurrent, withFilters, withImages, withMarked } from "./state.js";
import { askerOf, paceOf, picturesOf } from "./thumbnails.js";

/** What may stream in. @param {import("../shared/mount.js").Model} model */
const scored = (model) => ({ score: model.get("score_name"), classes: model.get("classes"), comparable: model.get("comparable"), regression: model.get("task") === "regression",
  ofLabels: model.get("of_labels"), agreed: new Int32Array(bytes(model.get("agreed")).slice().buffer),
  scores: floats(model.get("scores")), predicted: new Int32Array(bytes(model.get("predicted")).slice().buffer) });

/** @param {import("../shared/mount.js").Model} model */
const named = (model) => ({ names: model.get("names"), labels: model.get("labels"), notes: model.get("notes"),
  ratings: floats(model.get("ratings")), spreads: floats(model.get("spreads")), splits: model.get("splits"),
  raters: new Int32Array(bytes(model.get("raters")).slice().buffer), ranks: ranksOf(model.get("names")) });

/** @param {import("./state.js").State} state @param {import("../shared/mount.js").Model} model */
const filtered = (state, model) => withFilters(state, model.get("columns"), model.get("chips"), bytes(model.get("kept")).slice());

/** The places in the column that is sorted by. @param {import("../shared/mount.js").Model} model */
function rankedOf(model) {
  const { of, values, words, numbers } = model.get("ranked");
  return of ? { of, values: floats(values), ...(numbers ? { words, numbers: floats(numbers) } : {}) } : {};
}

/** The groups, and the places in the columns of further orders. @param {import("../shared/mount.js").Model} model */
function arrangedOf(model) {
  const { of, words, heads, values } = model.get("grouping"), further = /** @type {any[]} */ (model.get("further"));
  return { grouping: of ? { of, words, heads, values: new Int32Array(bytes(values).slice().buffer) } : NO_GROUPS,
    further: further.map((one) => (one.of ? { ...one, values: floats(one.values) } : {})) };
}

/**
 * What is sorted and filtered by.
 * @param {import("../shared/mount.js").Page} page
 * @param {import("./parts.js").Parts} parts
 * @param {import("./state.js").State} state
 * @param {import("./actions.js").Actions} actions
 * @param {() => boolean} isOpened
 */
function watchColumns({ watch, model }, parts, state, actions, isOpened) {
  watch("columns chips kept", () => {
    if (isOpened()) actions.readFilters(filtered(state, model));
    else {
      Object.assign(state, filtered(state, model));
      tellFilters(parts, state);
    }
  });
  watch("ranked", () => {
    if (isOpened()) actions.readRanked(rankedOf(model));
    else state.ranked = rankedOf(model);
  });
  watch("grouping further", () => {
    if (isOpened()) actions.readGroups(arrangedOf(model));
    else Object.assign(state, arrangedOf(model));
  });
  watch("size", () => {
    state.size = model.get("size");
    if (isOpened()) actions.refit();
  });
  watch("maps", () => {
    state.maps = model.get("maps");
    if (isOpened()) actions.refit();
  });
  watch("slices performance", () => tellSet(parts, model.get("slices").length, model.get("performance")));
  watch("problems problem_lists problem_count",
    () => tellProblems(parts, model.get("problems"), model.get("problem_lists"), model.get("problem_count")));
  watch("maps explained", () => {
    const words = model.get("maps") ? model.get("explained") : "";
    [parts.explained.textContent, parts.explained.title, parts.explained.hidden] = [words, words, !words];
  });
  watch("some", () => { [parts.some.textContent, parts.some.title, parts.some.hidden] = [model.get("some"), model.get("some"), !model.get("some")]; });
  const tellAll = () => tellOptions(parts, state, { group: model.get("group"), named: model.get("named") });
  watch("then group named columns task comparable size maps ratings labels", tellAll);
}

/**
 * What comes with a message: pictures, maps, and that files were replaced.
 * @param {import("./thumbnails.js").Pictures} pictures
 * @param {import("./maps.js").Maps} maps
 * @param {ReturnType<typeof referenceOf>} reference
 * @param {ReturnType<typeof askerOf>} asker
 * @param {ReturnType<typeof cellsOf>} cells
 * @param {() => void} repaint
 */
function takerOf(pictures, maps, reference, asker, cells, repaint) {
  return (/** @type {any} */ content, /** @type {DataView[]} */ buffers) => {
    if (content?.kind === "thumbs") pictures.take(content, buffers, cells.has);
    else if (content?.kind === "map") maps.take(content, buffers);
    else if (content?.kind === "reference") reference.take(content, buffers);
    else if (content?.kind === "replaced") {
      pictures.drop(content.indices);
      maps.drop(content.indices);
      asker.forget();
    } else return;
    repaint();
  };
}

/** @param {import("../shared/mount.js").Context} context */
function render(context) {
  const parts = build(), page = mount(context, parts.root), { model } = page, state = newState(introduce(model)), { view } = parts;
  const maps = mapsOf(page, state.origin, () => ({ on: state.maps, sight: inWindow(state, view.scrollTop, view.clientHeight).sight }));
  const pictures = picturesOf(page), cells = cellsOf(page, parts, state, pictures, maps);
  const pace = paceOf();
  const near = () => (view.clientHeight ? nearWindow(state, view.scrollTop, view.clientHeight, pace(view.scrollTop, performance.now())) : []);
  const asker = askerOf(page, state.origin, () => ({ indices: pictures.missing(near(), state.side), side: state.side }));
  const paint = () => {
    cells.paint();
    pace(view.scrollTop, performance.now());
    reference.show();
    chart?.soon();
    asker.soon();
    if (state.maps) maps.soon();
  };
  const repaint = page.oncePerFrame(paint), reference = referenceOf(page, parts, pictures, state.origin);
  const actions = actionsOf(page, parts, state, showingOf(page, parts, state, { repaint, cells, pictures }));
  let chart = /** @type {{ soon: () => void } | null} */ (null);
  const readScores = () => {
    Object.assign(state, withImages(state, scored(model), model.get("limits")));
    actions.readOrder();
  };
  const scoresSoon = page.oncePerFrame(readScores);
  let opened = false;

  watchColumns(page, parts, state, actions, () => opened);
  page.watch("pinned", () => {
    actions.change({ pins: new Set(model.get("pinned")) });
    if (state.only) actions.sort();
  });
  page.watch("current", () => {
    // What was picked here stays under the pointer.
    const index = model.get("current"), here = index === state.picked;
    actions.change(withCurrent(state, index));
    if (!here) actions.showCurrent();
  });
  page.watch("marked", () => actions.change(withMarked(state, model.get("marked"))));
  reference.watch(page);
  page.watch("names labels notes ratings spreads raters splits", () => {
    Object.assign(state, withImages(state, { ...named(model), ...scored(model) }, model.get("limits")));
    actions.readOrder();
  });
  page.watch("scores predicted classes task limits comparable score_name agreed of_labels", () => { if (opened) scoresSoon(); });
  page.watch("order descending then", () => { if (opened) actions.readOrder(); });
  page.watch("mapping", () => {
    maps.refresh();
    if (opened) repaint();
  });
  page.watch("height", () => { if (opened) actions.refit(); });
  page.onMessage(takerOf(pictures, maps, reference, asker, cells, repaint));
  for (const listen of [listenToPointer, listenToKeys, listenToTools, listenToOptions]) listen(page, parts, state, actions);
  chart = chartOf(page, parts, state, actions);
  page.listen(view, "scroll", repaint);
  page.onSize(view, actions.resize);
  page.onTheme(repaint);
  page.readAll();
  opened = true;
  return page.close;
}

export default { render };

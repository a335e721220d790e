// What the reader can do in the gallery: each action changes the state, shows it, and tells the kernel.

import { scrollFor } from "./layout.js";
import { tell, tellOrder } from "./paint.js";
import { tellFilters } from "./filter_row.js";
import { isKnown } from "./order.js";
import { chose, extended, heightOf, laidOut, mustStay, NO_GROUPS, ofGroup, pinOf, placeAt, sorted, toggled, topOf, withOrder } from "./state.js";

// Width of the gallery below which the chart stands in the place of the list, in CSS pixels.
const NARROW = 560;

/** @typedef {import("./state.js").Changes} Changes */
/** @typedef {import("./order.js").Order} Order */
/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {import("./parts.js").Parts} Parts */
/** @typedef {import("./state.js").State} State */
/** @typedef {ReturnType<typeof showingOf>} Showing */
/** @typedef {ReturnType<typeof actionsOf>} Actions */
/** @typedef {{ repaint: () => void, cells: ReturnType<typeof import("./paint.js").cellsOf>, pictures: import("./thumbnails.js").Pictures }} Painter */

/**
 * What the kernel says of order and filters.
 * @param {Page["model"]} model
 * @param {Parts} parts
 * @param {State} state
 * @param {{ change: (changes: Changes) => void, sort: () => void }} showing
 */
function newsOf(model, parts, state, { change, sort }) {
  const readOrder = () => {
    Object.assign(state, withOrder(state, model.get("order"), model.get("descending"), model.get("then")));
    tellOrder(parts, state);
    if (mustStay(state)) change({ stale: true });
    else sort();
  };
  /** The places in the column that is sorted by have come. @param {import("./filters.js").Ranked} ranked */
  const readRanked = (ranked) => {
    const here = state.awaited;
    Object.assign(state, { ranked, awaited: false });
    if (!here && mustStay(state)) change({ stale: true });
    else sort();
  };
  /** The groups, or the places in columns of further orders, are others. @param {Changes} changes */
  const readGroups = (changes) => {
    const before = state.grouping.of, here = state.arranged;
    Object.assign(state, changes, { arranged: false });
    if (!here && before === state.grouping.of && mustStay(state)) change({ stale: true });
    else sort();
  };
  /** The columns, or the filters, are others. @param {Changes} changes */
  const readFilters = (changes) => {
    const same = JSON.stringify(changes.chips) === JSON.stringify(state.chips);
    Object.assign(state, changes);
    tellFilters(parts, state);
    Object.assign(state, withOrder(state, model.get("order"), model.get("descending"), model.get("then")));
    tellOrder(parts, state);
    if (same && mustStay(state)) change({ stale: true });
    else sort();
  };
  return { readOrder, readRanked, readGroups, readFilters };
}

/** How changes come to be seen. @param {Page} page @param {Parts} parts @param {State} state @param {Painter} painter */
export function showingOf({ model }, parts, state, { repaint, cells, pictures }) {
  const { view } = parts;
  let fitted = "", seen = false;
  const show = () => {
    tell(parts, state, pictures);
    repaint();
  };
  /** What the reader dragged stays. */
  const fit = () => {
    if (fitted && view.style.height !== fitted) return;
    view.style.height = fitted = `${heightOf(state, view.clientWidth, model.get("height"))}px`;
  };
  /** @param {number} place */
  const scroll = (place) => {
    if (place >= 0) view.scrollTop = scrollFor(state.layout, place, view.scrollTop, view.clientHeight);
  };
  const showCurrent = () => scroll(state.places[state.current] ?? -1);
  const resize = () => {
    if (!view.clientWidth) return;
    parts.frame.classList.toggle("xw-narrow", parts.frame.clientWidth < NARROW);
    Object.assign(state, laidOut(state, view.clientWidth, devicePixelRatio || 1));
    parts.sheet.style.height = `${state.layout.height}px`;
    parts.root.style.setProperty("--xw-thumb", `${state.layout.thumb}px`);
    parts.root.classList.toggle("xw-one-line", state.lines === 1);
    fit();
    // The element may join the page later.
    if (!seen && view.clientHeight) {
      seen = true;
      showCurrent();
    }
    show();
  };
  /** Take over changes, and show them. @param {Changes} changes */
  const change = (changes) => {
    Object.assign(state, changes);
    if (changes.ids) resize();
    else show();
  };
  const sort = () => change(sorted(state));
  const news = newsOf(model, parts, state, { change, sort });
  return {
    ...news, change, resize, sort, showCurrent,
    /** @param {number} place */
    go: (place) => {
      Object.assign(state, { focus: state.ids[place] });
      scroll(place);
      cells.paint();
      cells.focus(state.focus);
      show();
    },
    /** @param {number} index */
    showImage: (index) => scroll(state.places[index] ?? -1),
    refit: () => {
      fitted = "";
      resize();
    },
    sortIfFree: () => { if (state.stale && !state.hovering && !state.typing) sort(); },
  };
}

/** How images stand: orders, groups, size. @param {Page["model"]} model @param {HTMLElement} view @param {State} state @param {Showing} showing */
function arrangingOf(model, view, state, showing) {
  const { change, readOrder } = showing;
  return {
    /** @param {Order} order @param {boolean} descending */
    sortBy: (order, descending) => {
      model.set("order", order);
      model.set("descending", descending);
      model.save_changes();
      view.scrollTop = 0;
      Object.assign(state, { hovering: false, awaited: !isKnown(order) && state.ranked.of !== order });
      readOrder();
    },
    /** Sort images that are equal so far; without an order, no longer. @param {number} place @param {Order} order @param {boolean} descending */
    sortThen: (place, order, descending) => {
      const then = order ? [...state.then.slice(0, place), [order, descending], ...state.then.slice(place + 1)] : state.then.slice(0, place);
      model.set("then", then);
      model.save_changes();
      Object.assign(state, { hovering: false, arranged: true });
      readOrder();
    },
    /** @param {string} name of a column, or nothing */
    groupBy: (name) => {
      model.set("group", name);
      model.save_changes();
      view.scrollTop = 0;
      state.arranged = true;
      if (!name) showing.readGroups({ grouping: NO_GROUPS });
    },
    /** @param {number} size @param {boolean} done whether the gesture has ended */
    resizeTo: (size, done) => {
      const top = state.ids[placeAt(state, view.scrollTop)];
      state.size = size;
      showing.refit();
      if (top !== undefined) view.scrollTop = topOf(state, top);
      if (!done) return;
      model.set("size", size);
      model.save_changes();
    },
    /** @param {boolean} maps */
    showMaps: (maps) => {
      model.set("maps", maps);
      model.save_changes();
      change({ maps });
    },
  };
}

/** @param {Page} page @param {Parts} parts @param {State} state @param {Showing} showing */
export function actionsOf({ model }, parts, state, showing) {
  const { view } = parts;
  const { change, sort } = showing;
  /** @param {Changes} changes */
  const select = (changes) => {
    change(changes);
    model.send({ kind: "select", indices: [...state.chosen], origin: state.origin, step: state.step });
  };
  return {
    ...showing, ...arrangingOf(model, view, state, showing),
    /** @param {Iterable<number>} indices */
    choose: (indices) => select(chose(state, indices)),
    /** @param {number} index */
    toggle: (index) => select(toggled(state, index)),
    /** All of a group. @param {number} group @param {boolean} more */
    chooseGroup: (group, more) => select(chose(state, [...(more ? state.chosen : []), ...ofGroup(state, group)])),
    /** @param {number} index @param {boolean} more */
    extend: (index, more) => select(extended(state, index, more)),
    /** @param {number} index */
    pick: (index) => {
      Object.assign(state, { anchor: index, focus: index, picked: index });
      if (state.chosen.size) select(chose(state, []));
      model.send({ kind: "pick", name: state.images.names[index] });
    },
    /** @param {number[]} indices */
    pin: (indices) => model.send(pinOf(state, indices)),
    /** Show the chosen images alone. */
    onlyChosen: () => {
      view.scrollTop = 0;
      model.send({ kind: "only", indices: [...state.chosen] });
    },
    /** Choose the column whose filter is changed. @param {string} filtering */
    openFilter: (filtering) => {
      state.filtering = filtering;
      tellFilters(parts, state);
    },
    /** @param {{ kind: string } | null} asked what the reader wants to see; null for nothing new */
    filter: (asked) => {
      if (!asked) return;
      view.scrollTop = 0;
      model.send({ ...asked });
    },
    /** @param {Changes} changes of what is looked for */
    look: (changes) => {
      Object.assign(state, changes);
      view.scrollTop = 0;
      sort();
    },
  };
}

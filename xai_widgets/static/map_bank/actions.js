// What the reader can do in the map bank: each action changes the state, shows it, and tells the kernel.

import { MOST, scrollTo } from "./layout.js";
import { arranged, banded, chosen, draggedTo, dragOf, laidOut, messageOf, picked, refreshed, released, withDrag } from "./state.js";
import { tell, tellFilters, tellLayout } from "./words.js";

/** @typedef {import("./state.js").Changes} Changes */
/** @typedef {import("../shared/mount.js").Page} Page */
/** @typedef {import("./parts.js").Parts} Parts */
/** @typedef {import("./state.js").State} State */
/** @typedef {ReturnType<typeof showingOf>} Showing */
/** @typedef {ReturnType<typeof actionsOf>} Actions */

/** How changes come to be seen. @param {Page} page @param {Parts} parts @param {State} state @param {() => void} repaint */
export function showingOf({ model }, parts, state, repaint) {
  const show = () => {
    tell(parts, state, model.get("can_undo"));
    repaint();
  };
  const resize = () => {
    Object.assign(state, laidOut(state, parts.view.clientWidth));
    tellLayout(parts, state);
    show();
  };
  /** Take over changes, and show them. @param {Changes} changes */
  const change = (changes) => {
    Object.assign(state, changes);
    if (changes.ids) resize();
    else show();
  };
  /** The same, and see whether another order is due. @param {Changes} changes */
  const news = (changes) => {
    Object.assign(state, changes);
    const again = refreshed(state, `${model.get("maps").key}`);
    if (!state.held.length) tellFilters(parts, state);
    change(again);
  };
  return {
    resize, change, news,
    sort: () => change(arranged(state)),
    /** Maps that stand where another order would not have them, while nobody is at work here. */
    sortIfFree: () => { if (state.stale && !state.hovering && !state.typing && !state.held.length) change(arranged(state)); },
  };
}

/** Actions on gains. @param {Page} page @param {State} state @param {Showing} showing */
function gainsOf({ model }, state, { change, news }) {
  /** @param {number} index @param {number} value */
  const setGain = (index, value) => {
    const drag = dragOf(state, index, value);
    news(withDrag(state, drag));
    model.set("drag", drag);
    // One message in flight; ipywidgets keeps only the latest of those that wait.
    model.save_changes();
  };
  return {
    setGain,
    /** A step of a drag of the bar that is held. @param {number} x @param {boolean} fine */
    dragTo: (x, fine) => {
      const { value, grip } = draggedTo(state, state.held[0], x, fine);
      state.grip = grip;
      setGain(state.held[0], value);
    },
    /** A gain that was typed; the kernel says what is wrong with one that cannot be. @param {number} value */
    typed: (value) => {
      if (value >= 0 && value <= MOST) {
        state.gesture = Date.now();
        setGain(state.current, value);
      } else if (!Number.isNaN(value)) model.send({ kind: "gain", indices: dragOf(state, state.current, 1).indices, value });
    },
    /** Take hold of a bar. @param {number} index */
    hold: (index) => change({ current: index, held: [index], gesture: Date.now() }),
    release: () => { if (state.held.length) news(released(state, model.get("gains"))); },
    /** A gain in one step. @param {number} index @param {number} value */
    setOnce: (index, value) => {
      Object.assign(state, { gesture: Date.now() });
      setGain(index, value);
    },
  };
}

/** @param {Page} page @param {Parts} parts @param {State} state @param {Showing} showing @param {import("./card_view.js").Card} card */
export function actionsOf(page, parts, state, showing, card) {
  const { model } = page, { change, news, sort } = showing;
  /** @param {Changes} changes */
  const select = (changes) => {
    news(changes);
    model.send({ kind: "select", indices: [...state.bank.selected], origin: state.origin, step: state.selectStep });
  };
  const first = () => state.ids.slice(0, Math.max(1, Math.round(Number(parts.most.value) || 1)));
  return {
    ...showing, ...gainsOf(page, state, showing),
    card: card.ask,
    name: card.name,
    /** @param {[number, number]} from @param {boolean} adds */
    beginBand: (from, adds) => { state.band = { from, to: from, before: new Set(adds ? state.bank.selected : []), drawn: false }; },
    /** @param {[number, number]} to */
    band: (to) => change(banded(state, to)),
    endBand: () => {
      const { band, bank } = state;
      state.band = null;
      if (band?.drawn) select(chosen(state, bank.selected));
    },
    /** @param {Iterable<number>} indices */
    choose: (indices) => select(chosen(state, indices)),
    /** @param {number} index @param {{ shift: boolean, more: boolean }} how */
    pick: (index, how) => select(picked(state, index, how)),
    /** @param {number} place */
    go: (place) => {
      parts.view.scrollTop = scrollTo(state.layout, place, parts.view.scrollTop, parts.view.clientHeight);
      change({ current: state.ids[place] });
    },
    /** @param {string} kind */
    act: (kind) => model.send(messageOf(state, kind)),
    soloFirst: () => model.send({ kind: "solo", indices: first() }),
    selectFirst: () => select(chosen(state, first())),
    /** @param {string} text */
    search: (text) => {
      parts.view.scrollTop = 0;
      state.find = text;
      sort();
    },
    /** @param {"order" | "show" | "size"} name @param {string} value */
    remember: (name, value) => {
      model.set(name, value);
      model.save_changes();
      parts.view.scrollTop = 0;
      Object.assign(state, { [name === "show" ? "filter" : name]: value });
      sort();
      tellFilters(parts, state);
    },
  };
}

// One screen: gallery and contrast, the stage, and a dock with tabs, in a height that fits the window. It knows places and
// sizes, and nothing of what stands there. Each part is a widget of its own, which comes when its front end is read.

import { element } from "../shared/dom.js";
import { pageOf, suppressShortcuts } from "../shared/mount.js";
import { borderOf } from "./borders.js";
import { dockOf } from "./dock.js";
import { AT_FIRST, BORDER, columnsOf, heightIn, NARROW, sharesFrom, withShare } from "./sizes.js";

const KEPT = "xai_widgets.workspace"; // where the page keeps the shares
const AROUND = 12; // CSS pixels between the workspace and the window
const TRIES = 6; // a front end that is read slowly is waited for about a minute
/** @type {[string, string][]} */
const TABS = [["bank", "Maps"], ["plane", "Impact"], ["radar", "Measures"]];

/** @typedef {ReturnType<typeof spaceOf>} Space */

/** What the page has kept of the reader's borders; a page may keep nothing. */
function keptShares() {
  try {
    return sharesFrom(localStorage.getItem(KEPT));
  } catch {
    return AT_FIRST;
  }
}

/** The window that the workspace scrolls in: the notebook, or the page. @param {HTMLElement} node */
function windowOf(node) {
  for (let one = node.parentElement; one && one !== document.body; one = one.parentElement) {
    const { overflowY } = getComputedStyle(one);
    if (["auto", "scroll"].includes(overflowY) && !one.closest(".jp-OutputArea") && one.clientHeight > 200) return one;
  }
  return document.documentElement;
}

/** @param {import("../shared/mount.js").Page} page @param {HTMLElement} root */
function spaceOf(page, root) {
  const slot = (/** @type {string} */ name) => element("div", { class: `xw-place xw-place-${name}` });
  const names = ["status", "gallery", "contrast", "stage", "bank", "plane", "radar"];
  const slots = Object.fromEntries(names.map((name) => [name, slot(name)]));
  return { page, root, slots, columns: element("div", { class: "xw-columns" }), shares: keptShares(),
    present: { left: true, middle: true, dock: true }, borders: /** @type {{ tell: () => void }[]} */ ([]), watched: /** @type {Element | null} */ (null) };
}

/** @param {Space} space */
function resize(space) {
  const { root, columns, shares, present } = space, width = root.clientWidth;
  if (!width) return;
  const around = windowOf(root), height = heightIn(around.clientHeight - AROUND), narrow = width < NARROW;
  root.classList.toggle("xw-narrow", narrow);
  root.style.setProperty("--xw-high", `${height}px`);
  columns.style.gridTemplateColumns = columnsOf(width, shares, present).join(` ${BORDER}px `);
  root.classList.toggle("xw-parted", shares.contrast !== null);
  root.style.setProperty("--xw-contrast", `${100 * (shares.contrast ?? 0)}%`);
  if (space.watched !== around) {
    space.watched = around;
    space.page.onSize(around, () => resize(space));
  }
}

/** @param {Space} space @param {keyof import("./sizes.js").Shares} name */
function borderAt(space, name) {
  const upright = name !== "contrast", labels = { left: "Width of the gallery", dock: "Width of the dock", contrast: "Height of the contrast" };
  const { slots, columns } = space, from = { left: slots.gallery, dock: slots.bank, contrast: slots.contrast }[name];
  const whole = () => (upright ? columns : from.parentElement ?? columns).getBoundingClientRect();
  const made = borderOf(space.page, {
    label: labels[name], upright, grows: name === "left" ? 1 : -1,
    share: () => {
      const part = (upright && name === "left" ? slots.contrast.parentElement ?? from : from).getBoundingClientRect(), all = whole();
      return upright ? part.width / Math.max(all.width, 1) : part.height / Math.max(all.height, 1);
    },
    shareAt: ({ clientX, clientY }) => {
      const { left, right, bottom, width, height } = whole();
      return name === "left" ? (clientX - left) / width : upright ? (right - clientX) / width : (bottom - clientY) / height;
    },
    set: (share) => {
      space.shares = withShare(space.shares, name, share);
      resize(space);
    },
    keep: () => {
      try {
        localStorage.setItem(KEPT, JSON.stringify(space.shares));
      } catch { /* a page that keeps nothing begins anew */ }
    },
  });
  space.borders.push(made);
  return made.node;
}

/** Put the parts that are shown into their places. @param {Space} space @param {Record<string, string>} parts by name @param {(name: string) => void} choose */
function arrange(space, parts, choose) {
  const { slots, columns } = space, has = (/** @type {string} */ name) => name in parts;
  const tabs = TABS.filter(([name]) => has(name)).map(([name, words]) => ({ name, words, pane: slots[name] }));
  const left = ["gallery", "contrast"].filter(has).map((name) => slots[name]);
  space.present = { left: left.length > 0, middle: has("stage"), dock: tabs.length > 0 };
  const dock = dockOf(space.page, tabs, choose), cells = [];
  space.borders = [];
  if (left.length === 2) left.splice(1, 0, borderAt(space, "contrast"));
  if (left.length) cells.push(element("div", { class: "xw-column xw-left" }, ...left));
  if (left.length && (has("stage") || tabs.length)) cells.push(borderAt(space, "left"));
  if (has("stage")) cells.push(element("div", { class: "xw-column xw-middle" }, slots.stage));
  if (has("stage") && tabs.length) cells.push(borderAt(space, "dock"));
  if (tabs.length) cells.push(dock.node);
  columns.replaceChildren(...cells);
  return { show: (/** @type {string} */ name) => dock.show(has(name) ? name : tabs[0]?.name ?? "") };
}

/**
 * The widget of a part, in its place.
 * @param {HTMLElement} slot
 * @param {string} reference
 * @param {AbortSignal} signal
 * @param {NonNullable<import("../shared/mount.js").Context["host"]>} host
 */
async function embed(slot, reference, signal, host) {
  for (let left = TRIES; ; left--) {
    try {
      const widget = await host.getWidget(reference);
      if (!signal.aborted) await widget.render({ el: slot, signal });
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!left) throw error;
    }
  }
}

/** @param {import("../shared/mount.js").Context} context */
function render({ model, el, signal, host }) {
  const page = pageOf(model, signal), root = element("div", { class: "xw xw-explorer" }), space = spaceOf(page, root);
  /** @type {Map<string, { reference: string, stop: AbortController }>} */
  const shown = new Map();
  let dock = { show: (/** @type {string} */ name) => { void name; } };
  const choose = (/** @type {string} */ name) => {
    model.set("tab", name);
    model.save_changes();
  };
  root.append(space.slots.status, space.columns);
  el.replaceChildren(root);
  suppressShortcuts(root, page.signal);
  page.watch("parts", () => {
    /** @type {Record<string, string>} */
    const parts = model.get("parts");
    for (const [name, { reference, stop }] of shown) {
      if (parts[name] === reference) continue;
      stop.abort();
      shown.delete(name);
      space.slots[name].replaceChildren();
    }
    dock = arrange(space, parts, choose);
    dock.show(model.get("tab"));
    resize(space);
    for (const [name, reference] of Object.entries(parts)) {
      if (shown.has(name) || !host) continue;
      const stop = new AbortController();
      shown.set(name, { reference, stop });
      embed(space.slots[name], reference, AbortSignal.any([stop.signal, page.signal]), host);
    }
  });
  page.watch("tab", () => dock.show(model.get("tab")));
  page.onSize(root, page.oncePerFrame(() => {
    resize(space);
    space.borders.forEach(({ tell }) => tell());
  }));
  page.listen(window, "resize", () => resize(space));
  page.onClose(() => {
    shown.forEach(({ stop }) => stop.abort());
    el.replaceChildren();
  });
  page.readAll();
  return page.close;
}

export default { render };

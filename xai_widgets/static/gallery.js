// Thousands of thumbnails with what is known about each. Only cells in sight exist, and only their pictures are asked for;
// sorting, searching and filtering happen here. The current cell holds the focus (roving), also while it is out of sight.

import { bytes, element, floats, onTheme, oncePerFrame, suppressShortcuts } from "./dom.js";
import { buildCell, showFacts, showState } from "./gallery_cells.js";
import { arrange, between, describe, digitsFor, layoutOf, moved, ORDERS, ordersFor, placeOf, ranksOf, scrollFor, sideFor,
  visible } from "./gallery_order.js";

const KEPT = 2000; // pictures that the page remembers, about 6 kB each
const SHOWN = 100; // problems

function build() {
  const parts = {
    count: element("span", { class: "xw-caption xw-numbers", role: "status" }),
    search: element("input", { type: "search", class: "xw-input", placeholder: "Search names and facts", "aria-label": "Search images",
      autocomplete: "off", spellcheck: "false" }),
    order: element("select", { class: "xw-select", "aria-label": "Sort by" }),
    turn: element("button", { class: "xw-button xw-turn", type: "button" }),
    pinned: element("button", { class: "xw-button xw-only", type: "button", "aria-pressed": "false", title: "Show only pinned images" }),
    sheet: element("div", { class: "xw-sheet", role: "presentation" }),
    empty: element("div", { class: "xw-empty xw-caption" }),
    who: element("div", { class: "xw-who" }), facts: element("div", { class: "xw-caption xw-numbers" }),
    chosen: element("span", { class: "xw-numbers" }), pinAll: element("button", { class: "xw-button", type: "button" }),
    clear: element("button", { class: "xw-button", type: "button" }, "Clear"),
    list: element("ul"), summary: element("summary"),
  };
  parts.view = element("div", { class: "xw-window", role: "listbox", "aria-multiselectable": "true", "aria-label": "Images",
    "aria-description": "Arrow keys move, Enter explains the image, space selects, P pins, slash searches." }, parts.sheet);
  parts.choice = element("div", { class: "xw-bar xw-choice", hidden: true }, parts.chosen, parts.pinAll, parts.clear);
  parts.problems = element("details", { class: "xw-problems xw-caption", hidden: true }, parts.summary, parts.list);
  parts.root = element("div", { class: "xw xw-gallery" },
    element("div", { class: "xw-bar xw-head" }, element("h3", { class: "xw-title" }, "Images"), parts.count),
    element("div", { class: "xw-bar" }, parts.search,
      element("div", { class: "xw-bar xw-sorting" }, element("label", { class: "xw-caption xw-sort" }, "Sort ", parts.order), parts.turn, parts.pinned)),
    element("div", { class: "xw-frame" }, parts.view, parts.empty),
    element("div", { class: "xw-detail" }, parts.who, parts.facts), parts.choice, parts.problems);
  return parts;
}

function render({ model, el, signal }) {
  const parts = build(), { view, sheet } = parts;
  el.replaceChildren(parts.root);
  const images = { ranks: [] }, pictures = new Map(), broken = new Map(), cells = new Map();
  const selected = new Set();
  let ids = [], places = [], layout = layoutOf(0, 0, 1), digits = 2, wanted = 0, fitted = "";
  let focus = 0, anchor = 0, under = -1, picked = -1, seen = false, timer = 0, settling = 0, typing = false, hovering = false, stale = false, only = false, pins = new Set();
  const [later, cancel] = oncePerFrame(paint), [scoresLater, cancelScores] = oncePerFrame(readScores);

  function readImages() {
    for (const name of ["names", "labels", "notes"]) images[name] = model.get(name);
    images.ratings = floats(model.get("ratings"));
    images.ranks = ranksOf(images.names);
    readScores();
  }

  function readScores() {
    images.classes = model.get("classes");
    images.comparable = model.get("comparable");
    images.regression = model.get("task") === "regression";
    images.scores = floats(model.get("scores"));
    images.predicted = new Int32Array(bytes(model.get("predicted")).slice().buffer);
    [images.texts, images.version] = [null, (images.version ?? 0) + 1];
    digits = images.regression ? digitsFor(model.get("limits")) : 2;
    readOrder();
  }

  function readOrder() {
    const offered = ordersFor(images), order = offered.includes(model.get("order")) ? model.get("order") : "given";
    if (parts.order.dataset.offered !== `${offered}${images.regression}`) {
      parts.order.replaceChildren(...offered.map((name) => element("option", { value: name },
        name === "score" && !images.regression ? "confidence" : ORDERS[name][0])));
      parts.order.dataset.offered = `${offered}${images.regression}`;
    }
    parts.order.value = order;
    const down = model.get("descending");
    parts.turn.textContent = down ? "↓" : "↑";
    parts.turn.title = down ? "Largest first; click for smallest first" : "Smallest first; click for largest first";
    parts.turn.setAttribute("aria-label", parts.turn.title);
    // Cells must not run away from under a pointer while scores come in.
    if ((hovering || typing) && !["given", "name"].includes(order) && ids.length) { stale = true; return later(); }
    sort();
  }

  function sort() {
    stale = false;
    ids = arrange(images, { order: parts.order.value, descending: model.get("descending"), text: parts.search.value, only: only ? pins : null });
    places = new Array(images.names.length).fill(-1);
    ids.forEach((index, place) => { places[index] = place; });
    resize();
  }

  function resize() {
    const rated = images.regression && images.ratings.some((rating) => !Number.isNaN(rating));
    layout = layoutOf(view.clientWidth, ids.length, lines(rated), images.regression);
    wanted = sideFor(layout.thumb, devicePixelRatio || 1);
    sheet.style.height = `${layout.height}px`;
    fit(rated);
    parts.root.style.setProperty("--xw-thumb", `${layout.thumb}px`);
    parts.empty.textContent = ids.length ? "" : only && !pins.size ? "No image is pinned: press P, or the star on an image." : "No image is like that.";
    if (!seen && view.clientHeight) { // the element may join the page later
      seen = true;
      showCurrent();
    }
    tell();
  }

  const lines = (rated) => (images.regression && !rated ? 1 : 2);

  /** As high as all images need: a search must not move what stands below. What the reader dragged stays. */
  function fit(rated) {
    if (fitted && view.style.height !== fitted) return;
    const all = layoutOf(view.clientWidth, images.names.length, lines(rated), images.regression);
    view.style.height = fitted = `${Math.min(model.get("height"), all.height + 2)}px`;
  }

  function paint() {
    const [first, last] = visible(layout, view.scrollTop, view.clientHeight), shown = new Set(ids.slice(first, last));
    if (places[focus] >= 0) shown.add(focus); // keeps the focus, and one cell that Tab can reach
    else if (ids.length) shown.add(focus = ids[first] ?? ids[0]);
    const had = view.contains(document.activeElement);
    const free = [...cells.keys()].filter((index) => !shown.has(index));
    for (const index of shown) {
      if (cells.has(index)) continue;
      const left = free.pop(), cell = cells.get(left) ?? buildCell(); // what leaves the window on one side comes in on the other
      cells.delete(left);
      cells.set(index, cell);
    }
    for (const index of free) {
      cells.get(index).node.remove();
      cells.delete(index);
    }
    for (const [index, cell] of cells) show(index, cell);
    if (had && !view.contains(document.activeElement)) cells.get(focus)?.node.focus({ preventScroll: true });
    clearTimeout(settling);
    settling = setTimeout(settle, 150);
    view.dataset.painted = cells.size;
    ask(first, last);
  }

  /** Cells stand anywhere, but a screen reader reads them as they follow each other in the page. */
  function settle() {
    const active = document.activeElement, nodes = [...cells].sort(([a], [b]) => places[a] - places[b]).map(([, cell]) => cell.node);
    if (nodes.every((node, i) => node === sheet.children[i])) return;
    const middle = nodes.indexOf(active); // it would lose the focus if it were moved
    nodes.forEach((node, i) => { if (i < middle) sheet.insertBefore(node, active); else if (i > middle) sheet.append(node); });
  }

  function show(index, cell) {
    const place = places[index], { x, y } = placeOf(layout, place), address = pictures.get(index)?.address ?? "";
    const current = index === model.get("current"), chosen = selected.has(index), pinned = pins.has(index);
    const state = [index, place, ids.length, layout.thumb, index === focus, current, chosen, pinned, broken.has(index), address,
      images.version].join();
    if (cell.state !== state) {
      cell.state = state;
      cell.node.style.transform = `translate(${x}px, ${y}px)`;
      cell.node.tabIndex = index === focus ? 0 : -1;
      showState(cell, { index, current, chosen, pinned, address, fault: broken.get(index), place, count: ids.length });
      showFacts(cell, images, index, digits, model.get("limits"));
      cell.node.setAttribute("aria-label", [images.names[index], describe(images, index, digits), pinned ? "pinned" : "",
        broken.get(index) ?? ""].filter(Boolean).join(", "));
      cell.node.title = broken.get(index) ?? images.names[index];
    }
    if (!cell.node.isConnected) sheet.append(cell.node);
  }

  // ------------------------------------------------------------------ pictures

  function ask(first, last) {
    const missing = (index) => !broken.has(index) && !((pictures.get(index)?.side ?? 0) >= wanted);
    const more = 2 * layout.columns, near = ids.slice(Math.max(0, first - more), last + more);
    const indices = [...ids.slice(first, last), ...near].filter(missing);
    clearTimeout(timer);
    if (!indices.length || !view.clientHeight) return;
    timer = setTimeout(() => model.send({ kind: "need", indices: [...new Set(indices)], side: wanted }), pictures.size ? 60 : 0);
  }

  function receive(content, buffers) {
    if (content?.kind === "replaced") return askAgain(content.indices);
    if (content?.kind !== "thumbs") return;
    content.indices.forEach((index, i) => {
      const address = URL.createObjectURL(new Blob([bytes(buffers[i])], { type: "image/jpeg" }));
      forget(index);
      pictures.set(index, { address, side: content.side });
      broken.delete(index);
    });
    for (const [index, sentence] of content.failed) broken.set(index, sentence);
    for (const index of pictures.keys()) {
      if (pictures.size <= KEPT) break;
      if (!cells.has(index)) forget(index);
    }
    for (const [index, cell] of cells) if (pictures.has(index) || broken.has(index)) show(index, cell);
  }

  /** Files were replaced: what is shown of them is old. */
  function askAgain(indices) {
    for (const index of indices) {
      forget(index);
      broken.delete(index);
    }
    images.version += 1;
    later();
  }

  function forget(index) {
    const picture = pictures.get(index);
    if (picture) setTimeout(() => URL.revokeObjectURL(picture.address), 1000); // an <img> may still be reading it
    pictures.delete(index);
  }

  // ------------------------------------------------------------------ words around the grid

  function tell() {
    const all = images.names.length;
    parts.count.textContent = ids.length === all ? `${all}` : `${ids.length} of ${all}`;
    parts.pinned.textContent = `★ ${pins.size}`;
    parts.pinned.setAttribute("aria-label", `Only pinned images, ${pins.size}`);
    parts.pinned.setAttribute("aria-pressed", only);
    const index = under >= 0 ? under : typing ? focus : model.get("current");
    parts.who.textContent = images.names[index] ?? "";
    parts.facts.textContent = images.names[index] === undefined ? ""
      : broken.get(index) ?? [describe(images, index, digits), images.notes[index]].filter(Boolean).join(" · ");
    parts.choice.hidden = !selected.size;
    parts.chosen.textContent = `${selected.size} selected`;
    parts.pinAll.textContent = [...selected].every((chosen) => pins.has(chosen)) ? "Unpin" : "Pin";
    later();
  }

  function readProblems() {
    const problems = model.get("problems"), count = model.get("problem_count");
    parts.problems.hidden = !count;
    parts.summary.textContent = count === 1 ? "1 problem" : `${count} problems`;
    const items = problems.slice(0, SHOWN).map((sentence) => element("li", {}, sentence));
    if (count > items.length) items.push(element("li", {}, `and ${count - items.length} more`));
    parts.list.replaceChildren(...items);
  }

  function readPins() {
    pins = new Set(model.get("pinned"));
    if (only) sort();
    else tell();
  }

  /** Another view, or undo, may have changed the image: show where it is. What was picked here stays under the pointer. */
  function readCurrent() {
    const index = model.get("current");
    if (!typing && index >= 0) focus = index;
    if (index !== picked) showCurrent();
    picked = -1;
    tell();
  }

  function showCurrent() {
    const place = places[model.get("current")] ?? -1;
    if (place >= 0) view.scrollTop = scrollFor(layout, place, view.scrollTop, view.clientHeight);
  }

  // ------------------------------------------------------------------ gestures

  function go(place) {
    focus = ids[place];
    view.scrollTop = scrollFor(layout, place, view.scrollTop, view.clientHeight);
    paint();
    cells.get(focus)?.node.focus({ preventScroll: true });
    tell();
  }

  function select(indices, keep = false) {
    if (!keep) selected.clear();
    for (const index of indices) selected.add(index);
    model.send({ kind: "select", indices: [...selected] });
    tell();
  }

  function toggle(index) {
    anchor = index;
    if (!selected.delete(index)) selected.add(index);
    select([], true);
  }

  function pick(index) {
    [anchor, focus, picked] = [index, index, index];
    if (selected.size) select([]);
    model.send({ kind: "pick", name: images.names[index] });
  }

  const pin = (...some) => { // where all are pinned, let them go
    const kept = !some.every((index) => pins.has(index));
    model.send({ kind: "pin", names: some.map((index) => images.names[index]), kept });
  };
  const listen = (target, type, action, options = {}) => target.addEventListener(type, action, { signal, ...options });
  const indexAt = (event) => Number(event.target.closest?.(".xw-cell")?.dataset.index ?? -1);

  listen(sheet, "click", (event) => {
    const index = indexAt(event);
    if (index < 0) return;
    if (event.target.closest(".xw-pin")) return pin(index);
    go(places[index]);
    if (event.shiftKey) select(between(ids, anchor, index), event.ctrlKey || event.metaKey);
    else if (event.ctrlKey || event.metaKey) toggle(index);
    else pick(index);
  });
  listen(sheet, "mousedown", (event) => { if (event.shiftKey) event.preventDefault(); }); // no text is marked
  listen(sheet, "pointerover", (event) => { if (under !== (under = indexAt(event))) tell(); });
  listen(view, "pointerenter", () => { hovering = true; });
  listen(view, "pointerleave", () => {
    [hovering, under] = [false, -1];
    tell();
    if (stale) setTimeout(() => { if (stale && !hovering && !typing && !signal?.aborted) sort(); }, 400);
  });
  listen(view, "focusin", (event) => {
    typing = true;
    if (indexAt(event) >= 0) focus = indexAt(event);
    tell();
  });
  listen(view, "focusout", (event) => {
    typing = view.contains(event.relatedTarget);
    if (stale && !typing && !hovering) sort();
  });
  listen(view, "scroll", later);
  listen(view, "keydown", (event) => {
    const place = places[focus];
    if (event.ctrlKey || event.metaKey || event.altKey || place < 0 || place === undefined) return;
    const to = moved(layout, place, event.key, view.clientHeight), key = event.key.toLowerCase();
    if (to !== undefined) {
      if (!event.shiftKey) anchor = ids[to];
      go(to);
      if (event.shiftKey) select(between(ids, anchor, focus));
    } else if (key === "enter") pick(focus);
    else if (key === " ") toggle(focus);
    else if (key === "p") pin(focus);
    else if (key === "a") select(ids);
    else if (key === "/") parts.search.focus();
    else if (key === "escape" && selected.size) select([]);
    else return;
    event.preventDefault();
  });
  // The pressed cell is what shortcuts are looked up from; it may have come after the listener was made.
  listen(window, "keydown", (event) => {
    const node = document.activeElement;
    if (view.contains(node)) node.toggleAttribute("data-lm-suppress-shortcuts", !event.ctrlKey && !event.metaKey);
  }, { capture: true });
  for (const node of [parts.search, parts.order, parts.turn, parts.pinned, parts.pinAll, parts.clear]) suppressShortcuts(node, signal);

  function choose(order, descending) {
    model.set("order", order);
    model.set("descending", descending);
    model.save_changes();
    view.scrollTop = 0;
    [stale, hovering] = [false, false];
    readOrder();
  }
  listen(parts.order, "change", () => choose(parts.order.value, ORDERS[parts.order.value][1]));
  listen(parts.turn, "click", () => choose(parts.order.value, !model.get("descending")));
  listen(parts.search, "input", () => { view.scrollTop = 0; sort(); });
  listen(parts.search, "keydown", (event) => {
    if (event.key === "Enter" && ids.length) pick(ids[0]);
    else if (event.key === "ArrowDown" && ids.length) go(0);
    else if (event.key === "Escape" && parts.search.value) { parts.search.value = ""; sort(); }
    else return;
    event.preventDefault();
  });
  listen(parts.pinned, "click", () => { only = !only; view.scrollTop = 0; sort(); });
  listen(parts.pinAll, "click", () => pin(...selected));
  listen(parts.clear, "click", () => select([]));

  function readHeight() { fitted = ""; resize(); }
  const watched = [["change:names change:labels change:notes change:ratings", readImages],
    ["change:scores change:predicted change:classes change:task change:limits change:comparable", scoresLater],
    ["change:order change:descending", readOrder], ["change:pinned", readPins], ["change:current", readCurrent],
    ["change:problems change:problem_count", readProblems], ["change:height", readHeight], ["msg:custom", receive]];
  for (const [events, action] of watched) model.on(events, action);
  const size = new ResizeObserver(resize);
  pins = new Set(model.get("pinned"));
  focus = Math.max(0, model.get("current"));
  readImages();
  readProblems();
  size.observe(view);
  onTheme(later, signal);
  return () => {
    for (const [events, action] of watched) model.off(events, action);
    size.disconnect();
    cancel();
    cancelScores();
    [timer, settling].forEach(clearTimeout);
    for (const { address } of pictures.values()) URL.revokeObjectURL(address);
    el.replaceChildren(); // JupyterLab keeps `el` of a closed widget; it need not keep what was in it
  };
}

export default { render };

// Classes by probability, with a search among up to thousands of them; one slot at a time, P or Q, is filled.
import { clamp, element, floats } from "./dom.js";

const MOST_ROWS = 60; // more would be found by typing
const plain = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();

/** Class indices by probability, largest first; equal ones by index. */
export function byProbability(probabilities) {
  return Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a] || a - b);
}

/** Those of `order` whose name holds the query: at its start, then at the start of a word, then anywhere. */
export function matches(names, order, query) {
  const wanted = plain(query.trim());
  if (!wanted) return order;
  const rank = (index) => {
    const name = plain(names[index]), at = name.indexOf(wanted);
    if (at <= 0) return at; // -1: not at all
    return ` ${name}`.replace(/[^\p{L}\p{N}]/gu, " ").includes(` ${wanted}`) ? 1 : 2;
  };
  const found = order.map((index) => [rank(index), index]).filter(([place]) => place >= 0);
  return found.sort((a, b) => a[0] - b[0]).map(([, index]) => index); // a stable sort keeps the probabilities' order
}

export function percent(share) {
  if (!Number.isFinite(share)) return "n/a";
  if (share > 0.9995 && share < 1) return "> 99.9 %";
  if (share > 0 && share < 0.0001) return "< 0.01 %";
  return `${(share * 100).toFixed(share >= 0.1 || share === 0 ? 1 : 2)} %`;
}

/** The question in parts; every second one is the name of a class. */
export function question(names, target, { kind, value }) {
  const p = names[target] ?? "P";
  if (kind === "confidence" || (kind === "class" && value === target)) return ["Why not ", p, " with 100 % confidence?"];
  if (kind === "class" && names[value] !== undefined) return ["Why ", p, ", rather than ", names[value], "?"];
  return ["Why ", p, "?"];
}

function parts() {
  const button = (text, title, pressed) => element("button",
    { type: "button", class: "xw-button", title, "aria-pressed": pressed }, text);
  const heading = element("h3", { class: "xw-title xw-question", "aria-live": "polite" });
  const search = element("input", { type: "search", class: "xw-input", "aria-label": "Search classes",
    spellcheck: "false", autocomplete: "off" });
  const slots = { Q: button("Q", "A click on a class chooses Q: rather than what?", "true"),
    P: button("P", "A click on a class chooses P: what is explained?", "false") };
  const confidence = button("100 % confidence", "Why not P with 100 % confidence?", "false");
  const clear = button("clear", "No contrast; explain the predicted class");
  const list = element("div", { class: "xw-list", role: "listbox", "aria-label": "Classes by probability" });
  const [hint, more] = [element("p", { class: "xw-caption" }), element("p", { class: "xw-caption" })];
  const bar = element("div", { class: "xw-bar" }, search,
    element("span", { class: "xw-group", role: "group", "aria-label": "A click on a class chooses" }, slots.Q, slots.P),
    confidence, clear);
  return { heading, bar, search, slots, confidence, clear, hint, list, more };
}

function makeRow() {
  const node = element("div", { role: "option", class: "xw-class", tabindex: "-1" });
  const [badge, name, bar, share] = ["xw-badge", "xw-name", "xw-fill", "xw-share xw-numbers"]
    .map((kind) => element("span", { class: kind }));
  node.append(badge, name, element("span", { class: "xw-track", "aria-hidden": "true" }, bar), share);
  return { node, badge, name, bar, share, index: -1 };
}

function fillRow(row, index, name, share, badges) {
  row.index = index;
  if (row.name.textContent !== name) row.name.textContent = name; // text, never HTML: a label may hold anything
  row.node.title = name;
  row.share.textContent = percent(share);
  row.bar.style.width = `${clamp(share, 0, 1) * 100}%`;
  row.badge.textContent = badges;
  row.node.classList.toggle("xw-p", badges.includes("P"));
  row.node.classList.toggle("xw-q", badges.includes("Q"));
  row.node.setAttribute("aria-selected", badges.includes("Q"));
  row.node.setAttribute("aria-label", `${name}, ${percent(share)}${badges ? `, ${badges}` : ""}`);
}

export function mountClasses(model, root, signal) {
  const ui = parts(), rows = [], stop = new AbortController();
  root.append(ui.heading, ui.bar, ui.hint, ui.list, ui.more);
  let names = [], shares = new Float32Array(0), order = [], subject = "", slot = "Q", current = 0, pointed = false;

  function read() {
    names = model.get("names");
    shares = floats(model.get("probabilities"));
    // A row must not slip away under the pointer while probabilities change; another image is another list.
    const held = pointed || ui.list.contains(document.activeElement);
    if (!held || subject !== model.get("subject") || order.length !== shares.length) order = byProbability(shares);
    subject = model.get("subject");
    draw();
  }

  function badgesOf(index) {
    const { kind, value } = model.get("contrast");
    const isP = index === model.get("target");
    return `${isP ? "P" : ""}${(kind === "class" && index === value) || (kind === "confidence" && isP) ? "Q" : ""}`;
  }

  function draw() {
    const contrast = model.get("contrast"), found = matches(names, order, ui.search.value), shown = found.slice(0, MOST_ROWS);
    if (contrast.kind === "class" && found.indexOf(contrast.value) >= MOST_ROWS) shown.push(contrast.value);
    const texts = question(names, model.get("target"), contrast);
    ui.heading.replaceChildren(...texts.map((text, i) => (i % 2 ? element("strong", {}, text) : text)));
    while (rows.length < shown.length) rows.push(makeRow());
    const nodes = rows.slice(0, shown.length).map((row) => row.node);
    if (ui.list.children.length !== nodes.length) ui.list.replaceChildren(...nodes);
    shown.forEach((index, i) => fillRow(rows[i], index, names[index], shares[index], badgesOf(index)));
    current = clamp(current, 0, Math.max(shown.length - 1, 0));
    rows.forEach((row, i) => { row.node.tabIndex = i === current ? 0 : -1; });
    const left = found.length - shown.length;
    ui.more.textContent = !found.length && names.length ? "No class has such a name."
      : left > 0 ? `${left} more: type a part of the name.` : "";
    ui.confidence.setAttribute("aria-pressed", contrast.kind === "confidence");
    ui.clear.disabled = !contrast.kind && !model.get("chosen");
  }

  function go(to) {
    if (to < 0) return ui.search.focus();
    current = clamp(to, 0, ui.list.children.length - 1);
    rows.forEach((row, i) => { row.node.tabIndex = i === current ? 0 : -1; });
    return rows[current]?.node.focus();
  }

  function choose(index) {
    if (index === undefined || index < 0) return;
    model.send({ kind: "choose", slot, index });
    setSlot("Q"); // P is chosen seldom, and the next click is for Q again
  }

  function setSlot(name) {
    slot = name;
    for (const [key, node] of Object.entries(ui.slots)) node.setAttribute("aria-pressed", key === name);
    ui.search.placeholder = name === "Q" ? "search Q" : "search P";
    ui.hint.textContent = name === "Q" ? "" : "A click on a class chooses P, the class that is explained.";
  }

  const listen = (node, type, action) => node.addEventListener(type, action, { signal: stop.signal });
  listen(ui.list, "click", (event) => {
    const row = rows.find(({ node }) => node.contains(event.target));
    if (!row) return;
    current = rows.indexOf(row);
    choose(row.index);
  });
  listen(ui.list, "keydown", (event) => {
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }, { key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "ArrowUp" && current === 0) go(-1);
    else if (key in moves) go(Math.max(current + moves[key], 0));
    else if (key === "Home" || key === "End") go(key === "Home" ? 0 : Infinity);
    else if (key === "Enter" || key === " ") choose(rows[current]?.index);
    else if (key.length === 1) return ui.search.focus(); // the letter lands in the search
    else return;
    event.preventDefault();
  });
  listen(ui.search, "input", () => { current = 0; ui.list.scrollTop = 0; draw(); });
  listen(ui.search, "keydown", (event) => {
    if (event.key === "ArrowDown") go(0);
    else if (event.key === "Enter" && ui.list.children.length) choose(rows[0].index);
    else return;
    event.preventDefault();
  });
  for (const key of ["Q", "P"]) listen(ui.slots[key], "click", () => setSlot(key));
  listen(ui.confidence, "click", () => {
    model.send({ kind: model.get("contrast").kind === "confidence" ? "clear" : "confidence" });
  });
  listen(ui.clear, "click", () => model.send({ kind: "clear" }));
  listen(ui.list, "pointerenter", () => { pointed = true; });
  listen(ui.list, "pointerleave", () => { pointed = false; read(); });
  signal?.addEventListener("abort", () => stop.abort());

  const data = "change:names change:probabilities change:subject", asked = "change:contrast change:target change:chosen";
  model.on(data, read);
  model.on(asked, draw);
  setSlot("Q");
  read();
  return () => {
    stop.abort();
    model.off(data, read);
    model.off(asked, draw);
  };
}

// The menu of methods: grouped, with a search field, by mouse and by keys. What cannot be asked stays in it, greyed,
// and says why.
import { clamp, element } from "./dom.js";

const plain = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();

/** The methods that hold every word of the search, in their own order. */
export function found(methods, search) {
  const wanted = plain(search).split(/\s+/).filter(Boolean);
  return methods.filter(({ name, words, group, description }) => {
    const text = plain([name, words, group, description].join(" "));
    return wanted.every((word) => text.includes(word));
  });
}

function row({ name, words, description }, reason, chosen) {
  const node = element("div", { role: "option", class: "xw-method", tabindex: "-1", title: reason || description,
    "aria-selected": `${name === chosen}`, "aria-disabled": reason ? "true" : null },
    element("span", { class: "xw-words" }, words), element("span", { class: "xw-caption" }, description));
  if (reason) node.append(element("span", { class: "xw-reason" }, reason));
  return node;
}

/** A button that opens the menu; returns its node and `read`, to be called when methods or method have changed. */
export function mountMenu(model, signal) {
  const button = element("button", { type: "button", class: "xw-button xw-open", "aria-haspopup": "listbox", "aria-expanded": "false" });
  const search = element("input", { type: "search", class: "xw-input", placeholder: "search methods", "aria-label": "Search methods",
    spellcheck: "false", autocomplete: "off" });
  const list = element("div", { class: "xw-list", role: "listbox", "aria-label": "Methods" });
  const none = element("div", { class: "xw-caption", role: "status" });
  const sheet = element("div", { class: "xw-menu", hidden: true }, search, list, none);
  const node = element("div", { class: "xw-chooser" }, button, sheet);
  let rows = [], shown = [], current = 0;
  const reasonOf = ({ name }) => model.get("reasons")[name] ?? "";

  function read() {
    const methods = model.get("methods"), method = methods.find(({ name }) => name === model.get("method"));
    button.textContent = `${method?.words ?? model.get("method")} ▾`;
    button.title = method?.description ?? "";
    button.setAttribute("aria-label", `Method: ${method?.words ?? ""}`);
    if (!sheet.hidden) draw();
  }

  function draw() {
    const focused = list.contains(document.activeElement) ? shown[current]?.name : null;
    shown = found(model.get("methods"), search.value);
    rows = shown.map((method) => row(method, reasonOf(method), model.get("method")));
    const groups = new Map();
    shown.forEach(({ group }, i) => groups.set(group, [...(groups.get(group) ?? []), rows[i]]));
    list.replaceChildren(...[...groups].map(([group, some]) => element("div", { role: "group", "aria-label": group },
      element("div", { class: "xw-group", "aria-hidden": "true" }, group), ...some)));
    none.textContent = shown.length ? "" : "No method has such a name.";
    mark(Math.max(shown.findIndex(({ name }) => name === (focused ?? model.get("method"))), 0));
    if (focused !== null) rows[current]?.focus();
  }

  function mark(to) {
    current = clamp(to, 0, Math.max(rows.length - 1, 0));
    rows.forEach((one, i) => { one.tabIndex = i === current ? 0 : -1; });
  }

  function go(to) {
    if (to < 0 || !rows.length) return search.focus();
    mark(to);
    return rows[current].focus();
  }

  function open() {
    sheet.hidden = false;
    button.setAttribute("aria-expanded", "true");
    search.value = "";
    draw();
    search.focus();
    rows[current]?.scrollIntoView({ block: "nearest" });
  }

  function close(back) {
    if (sheet.hidden) return;
    sheet.hidden = true;
    button.setAttribute("aria-expanded", "false");
    if (back) button.focus();
  }

  function choose(method) {
    if (!method || reasonOf(method)) return; // the reason is on the screen
    close(true);
    model.send({ kind: "method", name: method.name });
  }

  const listen = (target, type, action) => target.addEventListener(type, action, { signal });
  listen(button, "click", () => (sheet.hidden ? open() : close(true)));
  listen(button, "keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    open();
  });
  listen(search, "input", draw);
  listen(search, "keydown", (event) => {
    if (event.key === "ArrowDown") go(search.value ? 0 : current);
    else if (event.key === "Enter") choose(shown.find((method) => !reasonOf(method)));
    else return;
    event.preventDefault();
  });
  listen(list, "keydown", (event) => {
    const { key } = event, moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 6, PageUp: -6 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "ArrowUp" && current === 0) search.focus();
    else if (key in moves) go(Math.max(current + moves[key], 0));
    else if (key === "Home" || key === "End") go(key === "Home" ? 0 : rows.length - 1);
    else if (key === "Enter" || key === " ") choose(shown[current]);
    else if (key.length === 1) return search.focus(); // the letter lands in the search
    else return;
    event.preventDefault();
  });
  listen(list, "click", (event) => {
    const at = rows.findIndex((one) => one.contains(event.target));
    if (at < 0) return;
    go(at);
    choose(shown[at]);
  });
  listen(sheet, "keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close(true);
  });
  listen(node, "focusout", (event) => { if (event.relatedTarget && !node.contains(event.relatedTarget)) close(false); });
  listen(document, "pointerdown", (event) => { if (!node.contains(event.target)) close(false); });
  return { node, read };
}

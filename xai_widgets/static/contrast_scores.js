// The axis of a score: where the score and the rating stand, and a marker for Q to drag.
import { clamp, element } from "./dom.js";
import { tickLabels, ticks } from "./plot.js";

/** Decimals that tell a thousandth of the range apart. */
export const decimalsOf = ([low, high]) => clamp(3 - Math.ceil(Math.log10(Math.max(high - low, 1e-12))), 0, 12);

const write = (value, decimals) => (Number.isFinite(value) ? value.toFixed(decimals).replace("-", "−") : "n/a");

/** The stated range, made wider where the score, the rating or Q lie outside. */
export function axisOf([low, high], ...values) {
  const known = values.filter((value) => Number.isFinite(value));
  return [Math.min(low, ...known), Math.max(high, ...known)];
}

/** The score at a share of the axis, rounded to a thousandth of its length. */
export function scoreAt([low, high], share) {
  const step = (high - low) / 1000;
  return step > 0 ? low + Math.round(clamp(share, 0, 1) * 1000) * step : low;
}

/** Where Q is, which says what the map shows: the words of each come from the kernel. */
export function whereIs(q, score, form = "plain") {
  if (!Number.isFinite(score)) return "";
  if (!Number.isFinite(q)) return "none";
  if (form === "tiles") return "tiles";
  return q > score ? "above" : q < score ? "below" : "same";
}

/** What the form of the contrast does with Q, in one line. */
export function formNote(form, score, q, decimals) {
  if (form === "tiles") return "Tiles: each part of the photo has its own score, so the picture changes with Q.";
  const factor = 2 * Math.abs(score - q);
  const printed = Number.isFinite(factor) ? `Factor 2|y − Q| = ${write(factor, decimals)}. ` : "";
  return `${printed}Every Q on the same side of y gives the same picture, up to this factor.`;
}

export function question(score, q, decimals) {
  const other = Number.isFinite(q) ? [", rather than ", write(q, decimals), "?"] : ["?"];
  if (!Number.isFinite(score)) return ["Why ", "this score", ...other];
  return [Number.isFinite(q) ? "Why " : "Why the score ", write(score, decimals), ...other];
}

function parts() {
  const button = (text, title, pressed) => element("button",
    { type: "button", class: "xw-button", title, "aria-pressed": pressed }, text);
  const heading = element("h3", { class: "xw-title xw-question xw-numbers", "aria-live": "polite" });
  const knob = element("div", { class: "xw-knob", role: "slider", tabindex: "0", "aria-label": "Q, the score to contrast with" });
  const [y, rating] = [element("div", { class: "xw-y" }), element("div", { class: "xw-rating" })];
  const scale = element("div", { class: "xw-ticks xw-numbers", "aria-hidden": "true" });
  const track = element("div", { class: "xw-line" }, element("div", { class: "xw-reach" }), y, rating, knob);
  const axis = element("div", { class: "xw-axis" }, track, scale);
  const key = element("p", { class: "xw-caption xw-numbers xw-key" });
  const quick = element("span", { class: "xw-group xw-quick", role: "group", "aria-label": "Quick picks of Q" });
  const entry = element("input", { type: "number", step: "any", class: "xw-input xw-entry", "aria-label": "Q as a number",
    placeholder: "Q" });
  const forms = { plain: button("plain", "One picture for the whole photo", "true"),
    tiles: button("tiles", "Part by part, each with its own score", "false") };
  const clear = button("clear", "No contrast");
  const bar = element("div", { class: "xw-bar" }, quick, element("span", { class: "xw-bar xw-inner" }, entry,
    element("span", { class: "xw-group", role: "group", "aria-label": "Form of the contrast" }, forms.plain, forms.tiles),
    clear));
  const [says, note] = [element("p", { class: "xw-meaning" }), element("p", { class: "xw-caption xw-numbers" })];
  const reach = track.firstChild;
  return { heading, axis, track, reach, knob, y, rating, scale, key, quick, entry, forms, clear, bar, says, note };
}

export function mountScores(model, root, signal) {
  const ui = parts(), stop = new AbortController();
  root.append(ui.heading, ui.axis, ui.key, ui.says, ui.bar, ui.note);
  let [q, form, range, gesture, dragging, word] = [NaN, "plain", [0, 1], 0, false, ""];
  const known = (name) => model.get(name) ?? NaN;

  function readContrast() {
    const contrast = model.get("contrast");
    if (dragging) return; // the hand knows better than an older answer
    q = contrast.kind === "score" ? contrast.value : NaN;
    word = contrast.word ?? "";
    if (contrast.form) form = contrast.form;
    draw();
  }

  function draw() {
    const [score, rating] = [known("score"), known("rating")];
    range = axisOf(model.get("axis"), score, rating, q);
    const decimals = decimalsOf(range), [low, high] = range;
    const at = (value) => `${clamp((value - low) / (high - low || 1), 0, 1) * 100}%`;
    const texts = question(score, q, decimals);
    ui.heading.replaceChildren(...texts.map((text, i) => (i % 2 ? element("strong", {}, text) : text)));
    ui.y.hidden = !Number.isFinite(score);
    ui.rating.hidden = !Number.isFinite(rating);
    [ui.y.style.left, ui.rating.style.left] = [at(score), at(rating)];
    const resting = Number.isFinite(q) ? q : Number.isFinite(score) ? score : low;
    ui.knob.style.left = at(resting);
    ui.knob.classList.toggle("xw-unset", !Number.isFinite(q));
    ui.reach.hidden = !Number.isFinite(q) || !Number.isFinite(score);
    ui.reach.style.left = at(Math.min(q, score));
    ui.reach.style.right = `calc(100% - ${at(Math.max(q, score))})`;
    ui.reach.className = `xw-reach ${q > score ? "xw-above" : "xw-under"}`;
    ui.knob.setAttribute("aria-valuemin", low);
    ui.knob.setAttribute("aria-valuemax", high);
    ui.knob.setAttribute("aria-valuenow", resting);
    ui.knob.setAttribute("aria-valuetext", Number.isFinite(q) ? write(q, decimals) : "not chosen");
    const marks = ticks(low, high, 5);
    ui.scale.replaceChildren(...tickLabels(marks).map((text, i) => element("span", { style: `left:${at(marks[i])}` }, text)));
    const legend = [["● score y", score], ["◆ rating", rating], ["▮ Q", q]].filter(([, value]) => Number.isFinite(value));
    ui.key.textContent = legend.map(([words, value]) => `${words} ${write(value, decimals)}`).join("   ") || "● score y …";
    if (document.activeElement !== ui.entry) ui.entry.value = Number.isFinite(q) ? String(Number(q.toFixed(decimals))) : "";
    for (const [name, node] of Object.entries(ui.forms)) node.setAttribute("aria-pressed", name === form);
    for (const node of ui.quick.children) node.setAttribute("aria-pressed", Number(node.dataset.value) === q);
    ui.says.textContent = Object.fromEntries(model.get("says"))[whereIs(q, score, form)] ?? "";
    ui.note.textContent = formNote(form, score, q, decimals);
    ui.clear.disabled = !Number.isFinite(q);
  }

  function readQuick() {
    ui.quick.replaceChildren(...model.get("quick").map(([label, value]) => {
      const node = element("button", { type: "button", class: "xw-button xw-numbers", "data-value": value,
        "aria-pressed": "false", title: `Q = ${value}` }, label);
      // The rating is asked for by its name: on the next image it is that image's.
      node.addEventListener("click", () => choose(value, label === "rating" ? label : ""), { signal: stop.signal });
      return node;
    }));
    draw();
  }

  function choose(value, name = "") {
    [q, word] = [value, name];
    model.send({ kind: "score", value: word || value, form });
    draw();
  }

  function drag(value) {
    [q, word] = [value, ""];
    // The number of the gesture: the same value twice, with an undo between, is still a change.
    model.set("drag", { kind: "score", value, form, gesture });
    model.save_changes(); // one message in flight; ipywidgets keeps only the latest of those that wait
    draw();
  }

  const listen = (node, type, action) => node.addEventListener(type, action, { signal: stop.signal });
  const shareAt = (event) => {
    const box = ui.track.getBoundingClientRect();
    return (event.clientX - box.left) / Math.max(box.width, 1);
  };
  listen(ui.axis, "pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    ui.knob.focus({ preventScroll: true });
    [dragging, gesture] = [[...range], gesture + 1]; // the axis stays as it is while it is dragged on
    ui.axis.setPointerCapture(event.pointerId);
    drag(scoreAt(dragging, shareAt(event)));
  });
  listen(ui.axis, "pointermove", (event) => { if (dragging) drag(scoreAt(dragging, shareAt(event))); });
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) listen(ui.axis, type, () => { dragging = false; });
  listen(ui.knob, "keydown", (event) => {
    const now = Number.isFinite(q) ? q : known("score"), length = range[1] - range[0];
    const moves = { ArrowRight: 0.01, ArrowUp: 0.01, ArrowLeft: -0.01, ArrowDown: -0.01, PageUp: 0.1, PageDown: -0.1,
      Home: -Infinity, End: Infinity };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in moves) || !Number.isFinite(now)) return;
    event.preventDefault();
    gesture += 1;
    drag(scoreAt(range, (now - range[0]) / (length || 1) + moves[event.key]));
  });
  const entered = () => { if (ui.entry.value.trim() !== "") choose(Number(ui.entry.value)); };
  listen(ui.entry, "change", entered);
  for (const name of ["plain", "tiles"]) {
    listen(ui.forms[name], "click", () => {
      form = name;
      if (Number.isFinite(q)) choose(q, word);
      else draw();
    });
  }
  listen(ui.clear, "click", () => model.send({ kind: "clear" }));
  signal?.addEventListener("abort", () => stop.abort());

  model.on("change:contrast", readContrast);
  model.on("change:quick", readQuick);
  model.on("change:axis change:score change:rating change:says", draw);
  readQuick();
  readContrast();
  return () => {
    stop.abort();
    model.off("change:contrast", readContrast);
    model.off("change:quick", readQuick);
    model.off("change:axis change:score change:rating change:says", draw);
  };
}

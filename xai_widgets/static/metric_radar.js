// The radar with its dot plot, the same numbers as text, and what the chosen one is made of.
import { element, suppressShortcuts } from "./dom.js";

export const NARROW = 500; // CSS pixels; below it the two plots stand one above the other

/** Whether the arrangement changes at this width; null where it stays. */
export function rearranged(width, narrow) {
  const now = width < NARROW;
  return width > 0 && now !== narrow ? now : null;
}

export function tableOf({ head, rows }) {
  const cells = (row, tag) => element("tr", {}, ...row.map((cell) => element(tag, tag === "th" ? { scope: "col" } : {}, cell)));
  return element("table", { class: "xw-numbers" }, ...(head.length ? [element("thead", {}, cells(head, "th"))] : []),
    element("tbody", {}, ...rows.map((row) => cells(row, "td"))));
}

function parts() {
  const button = (text, title, pressed) => element("button",
    { type: "button", class: "xw-button", title, "aria-pressed": pressed }, text);
  const measure = button("↻ measure", "Measure this photo again");
  const choice = (label, options) => {
    const select = element("select", { class: "xw-select", "aria-label": label });
    for (const [name, words] of options) select.append(element("option", { value: name }, words));
    return select;
  };
  const of = choice("Which map is measured", [["standard", "Grad-CAM, cut at 0"], ["shown", "the map on the stage"]]);
  const rule = choice("Target of changed photos", [["fixed", "target of the clean photo"],
    ["repredicted", "target predicted again"]]);
  const stale = element("p", { class: "xw-caption", role: "status" });
  const unmeasured = element("p", { class: "xw-caption" });
  const keep = button("keep", "Keep these measures to compare others with them");
  const relative = button("relative", "Each axis as a share of the best that is shown", "false");
  const plot = element("div", { class: "xw-figure", "aria-hidden": "true" }); // the buttons below say the same as text
  const axes = element("div", { class: "xw-axes", role: "group", "aria-label": "Measures" });
  const others = element("div", { class: "xw-bar xw-others" });
  const detail = element("div", { class: "xw-detail", role: "status" });
  const note = element("p", { class: "xw-caption xw-numbers" });
  const root = element("section", { class: "xw xw-radar", "aria-label": "Saliency measures" },
    element("div", { class: "xw-bar" }, element("h3", { class: "xw-title" }, "Saliency measures"),
      element("span", { class: "xw-space" }), relative, keep, measure),
    element("div", { class: "xw-bar" }, of, rule), unmeasured, stale, plot, axes, note, others, detail);
  return { root, measure, keep, relative, of, rule, stale, unmeasured, plot, axes, others, detail, note };
}

async function embed(host, reference, el, signal) {
  const widget = await host.getWidget(reference);
  if (!signal.aborted) await widget.render({ el, signal });
}

function render({ model, el, signal, host }) {
  const ui = parts(), stop = new AbortController();
  el.replaceChildren(ui.root);
  suppressShortcuts(ui.root, stop.signal);
  let narrow = false, width = 0;

  function drawAxes() {
    const open = model.get("axis"), axes = model.get("axes");
    while (ui.axes.children.length < axes.length) {
      const node = element("button", { type: "button", class: "xw-button xw-axis" }, element("span", {}),
        element("b", { class: "xw-numbers" }));
      node.addEventListener("click", () => model.send({ kind: "axis", name: node.dataset.name }), { signal: stop.signal });
      ui.axes.append(node);
    }
    axes.forEach(({ name, label, text }, i) => {
      const node = ui.axes.children[i];
      node.dataset.name = name;
      [node.children[0].textContent, node.children[1].textContent] = [label, text];
      node.setAttribute("aria-expanded", name === open);
      node.setAttribute("aria-pressed", name === open);
    });
    const others = model.get("others").map((name) => {
      const node = element("button", { type: "button", class: "xw-button", "aria-label": `Remove ${name}` }, `${name} ✕`);
      node.addEventListener("click", () => model.send({ kind: "remove", name }), { signal: stop.signal });
      return node;
    });
    ui.others.replaceChildren(...others);
    ui.others.hidden = ui.relative.hidden = !others.length;
    ui.relative.setAttribute("aria-pressed", model.get("relative"));
    ui.keep.disabled = !model.get("can_keep");
    ui.note.textContent = model.get("note");
    ui.stale.textContent = model.get("stale");
    ui.unmeasured.textContent = model.get("unmeasured");
    [ui.of.value, ui.rule.value] = [model.get("of"), model.get("rule")];
    ui.plot.classList.toggle("xw-stale", Boolean(model.get("stale")));
    for (const line of [ui.stale, ui.unmeasured]) line.hidden = !line.textContent;
  }

  function drawDetail() {
    const { label, text, meaning, note, tables = [] } = model.get("detail");
    ui.detail.hidden = !label;
    if (!label) return ui.detail.replaceChildren();
    return ui.detail.replaceChildren(
      element("p", {}, element("b", {}, `${label} ${text}`), ` ${meaning}`),
      ...tables.map(tableOf), element("p", { class: "xw-caption" }, note));
  }

  const listen = (node, type, action) => node.addEventListener(type, action, { signal: stop.signal });
  listen(ui.measure, "click", () => model.send({ kind: "measure" }));
  for (const name of ["of", "rule"]) listen(ui[name], "change", () => model.send({ kind: "measure", [name]: ui[name].value }));
  listen(ui.keep, "click", () => model.send({ kind: "keep" }));
  listen(ui.relative, "click", () => model.send({ kind: "relative", on: !model.get("relative") }));

  // Plotly would zoom, and without a mode bar there is no way back: a press that moves stays a click.
  let pressed = false;
  listen(ui.plot, "mousedown", () => { pressed = true; });
  for (const [type, holds] of [["mousemove", true], ["mouseup", false]]) {
    window.addEventListener(type, (event) => {
      if (pressed && holds) event.stopImmediatePropagation();
      pressed &&= holds;
    }, { capture: true, signal: stop.signal });
  }

  const size = new ResizeObserver(() => {
    const now = ui.plot.clientWidth;
    if (!now || now === width) return;
    width = now;
    const change = rearranged(width, narrow);
    if (change !== null) {
      narrow = change;
      ui.plot.toggleAttribute("data-narrow", narrow);
      model.send({ kind: "narrow", on: narrow });
    }
    window.dispatchEvent(new Event("resize")); // plotly listens to the window only
  });
  const names = "change:axes change:axis change:others change:relative change:can_keep change:note change:stale change:of "
    + "change:rule change:unmeasured";
  model.on(names, drawAxes);
  model.on("change:detail", drawDetail);
  signal.addEventListener("abort", () => stop.abort());
  drawAxes();
  drawDetail();
  if (host) {
    embed(host, model.get("figure"), ui.plot, stop.signal)
      .then(() => { width = 0; size.observe(ui.plot); })
      .catch((error) => { if (!stop.signal.aborted) throw error; });
  }
  return () => {
    stop.abort();
    size.disconnect();
    model.off(names, drawAxes);
    model.off("change:detail", drawDetail);
    el.replaceChildren(); // JupyterLab keeps `el` of a closed widget; it need not keep what was in it
  };
}

export default { render };

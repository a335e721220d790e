// One line: device, what runs, undo and redo, model and layer; under it the error and the notice, as text.
import { element, suppressShortcuts } from "./dom.js";

const PATIENCE = 250; // milliseconds; shorter work, such as a step of a drag, must not flicker

export const percent = (share) => `${Math.round(Math.min(Math.max(share, 0), 1) * 100)} %`;

/** A layer as one line of the picker: its maps, their size if it is the same for every image, and what a removal costs against a full forward. */
export function layerLine({ name, maps, height, width, cost }) {
  const price = Number.isFinite(cost) ? ` · ${cost < 0.01 ? "< 1 %" : percent(cost)} of a forward` : "";
  const size = height && width ? ` · ${height} × ${width}` : "";
  return `${name} · ${maps} maps${size}${price}`;
}

function parts() {
  const button = (text, label) => element("button",
    { type: "button", class: "xw-button", "aria-label": label, title: label }, text);
  const [device, model] = ["device", "model"].map((name) => element("span", { class: `xw-${name}`, title: name }));
  const layer = element("select", { class: "xw-select xw-layer", "aria-label": "Layer whose feature maps are shown" });
  const [undo, redo, cancel] = [button("↶ undo", "Undo"), button("↷ redo", "Redo"), button("✕ cancel", "Cancel what runs")];
  const bar = element("div", { class: "xw-progress", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0",
    "aria-valuemax": "100" }, element("div"));
  const words = element("span", { class: "xw-words xw-numbers" });
  const busy = element("div", { class: "xw-busy" }, bar, words, cancel, device);
  const [error, notice] = [line("error", "alert", "⚠"), line("notice", "status", "ℹ")];
  const note = element("div", { class: "xw-caption xw-note" });
  const root = element("section", { class: "xw xw-status", "aria-label": "Status" },
    element("div", { class: "xw-bar xw-top" }, undo, redo, model, layer, busy), note, error.node, notice.node);
  return { root, device, model, layer, undo, redo, cancel, bar, words, busy, error, notice, note };
}

function line(kind, role, sign) {
  const text = element("span", { class: "xw-text", role });
  const dismiss = element("button", { type: "button", class: "xw-button", "aria-label": `Dismiss the ${kind}` }, "✕");
  const node = element("div", { class: `xw-line xw-${kind}`, hidden: true },
    element("span", { "aria-hidden": "true" }, sign), text, dismiss);
  return { node, text, dismiss };
}

function render({ model, el, signal }) {
  const ui = parts(), stop = new AbortController();
  el.replaceChildren(ui.root);
  suppressShortcuts(ui.root, stop.signal);
  let waiting = 0;

  function readStatus() {
    const { busy, can_undo: undo = false, can_redo: redo = false } = model.get("status");
    [ui.undo.disabled, ui.redo.disabled] = [!undo, !redo];
    if (busy && !ui.root.hasAttribute("data-busy")) waiting ||= setTimeout(drawStatus, PATIENCE);
    else drawStatus();
  }

  function drawStatus() {
    clearTimeout(waiting);
    waiting = 0;
    const { device = "", busy = "", progress = null, words = "" } = model.get("status");
    ui.device.textContent = device;
    ui.root.toggleAttribute("data-busy", Boolean(busy));
    const share = Number.isFinite(progress) ? progress : null;
    ui.words.textContent = words;
    ui.bar.toggleAttribute("data-open", share === null);
    ui.bar.firstChild.style.width = share === null ? "" : percent(share).replace(" ", "");
    if (share === null) ui.bar.removeAttribute("aria-valuenow");
    else ui.bar.setAttribute("aria-valuenow", Math.round(share * 100));
    ui.bar.setAttribute("aria-valuetext", ui.words.textContent);
    ui.cancel.disabled = !busy;
  }

  function drawLines() {
    for (const name of ["error", "notice"]) {
      const text = model.get(name);
      ui[name].text.textContent = ui[name].text.title = text; // text, never HTML: it may hold a file name
      ui[name].node.hidden = !text;
    }
  }

  function drawLayers() {
    const layers = model.get("layers"), current = model.get("layer");
    const known = layers.some(({ name }) => name === current);
    const options = layers.map((layer) => element("option", { value: layer.name }, layerLine(layer)));
    if (!known && current) options.unshift(element("option", { value: current }, current));
    ui.layer.replaceChildren(...options);
    chooseLayer();
  }

  function chooseLayer() {
    const current = model.get("layer"), chosen = model.get("layers").find(({ name }) => name === current);
    ui.layer.value = current;
    ui.layer.title = chosen ? layerLine(chosen) : current;
    ui.note.textContent = chosen?.note ?? "";
    ui.model.textContent = model.get("model");
  }

  const listen = (node, type, action) => node.addEventListener(type, action, { signal: stop.signal });
  for (const kind of ["undo", "redo", "cancel"]) listen(ui[kind], "click", () => model.send({ kind }));
  for (const what of ["error", "notice"]) listen(ui[what].dismiss, "click", () => model.send({ kind: "dismiss", what }));
  listen(ui.layer, "change", () => model.send({ kind: "layer", name: ui.layer.value }));
  signal?.addEventListener("abort", () => stop.abort());

  const watched = { "change:status": readStatus, "change:error change:notice": drawLines, "change:layers": drawLayers,
    "change:layer change:model": chooseLayer };
  for (const [names, draw] of Object.entries(watched)) model.on(names, draw);
  readStatus();
  drawLines();
  drawLayers();
  return () => {
    clearTimeout(waiting);
    stop.abort();
    for (const [names, draw] of Object.entries(watched)) model.off(names, draw);
    el.replaceChildren(); // JupyterLab keeps `el` of a closed widget; it need not keep what was in it
  };
}

export default { render };

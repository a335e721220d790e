// The elements of the stage that stand around its panels.

import { element } from "../shared/dom.js";
import { RAMPS } from "../shared/palettes.js";

/** @typedef {ReturnType<typeof buildStage>} Parts */

/** @param {string} name @param {(Node | string)[]} children */
export const box = (name, ...children) => element("div", { class: name }, ...children);

/** @param {string} label @param {string[][]} options @returns {[HTMLSelectElement, HTMLElement]} */
export function chooser(label, options) {
  const select = element("select", { class: "xw-select", "aria-label": label });
  for (const [value, words] of options) select.append(element("option", { value }, words));
  return [select, element("label", { class: "xw-caption" }, `${label} `, select)];
}

function buildHead() {
  const parts = {
    name: element("span", { class: "xw-title" }), label: element("span", { class: "xw-caption xw-label" }),
    headline: element("strong", { class: "xw-headline xw-numbers" }), facts: element("span", { class: "xw-facts xw-numbers" }),
    chip: element("span", { class: "xw-chip", hidden: true }), q: element("span"),
    clear: element("button", { type: "button", class: "xw-clear", "aria-label": "Ask without Q", title: "Ask without Q" }, "✕"),
  };
  parts.chip.append(parts.q, parts.clear);
  return parts;
}

/** The legend of the active panel, with its words. */
function buildKey() {
  const parts = {
    scale: element("canvas", { class: "xw-colours", "aria-hidden": "true" }), marker: element("i", { class: "xw-marker", hidden: true }),
    words: [0, 1].map(() => element("span")), numbers: [0, 1, 2].map(() => element("span")),
    together: box("xw-together xw-caption"), depth: box("xw-depth xw-caption"), second: box("xw-second xw-caption"),
    notes: box("xw-notes xw-caption"),
  };
  const key = box("xw-key xw-numbers", box("xw-ends", ...parts.words), box("xw-scale", parts.scale, parts.marker),
    box("xw-ends", ...parts.numbers), parts.together, parts.depth);
  return { ...parts, key };
}

/** What the browser redraws by itself. */
function buildLook() {
  const opacity = element("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": "Opacity of the map" });
  const [grey, reference] = [0, 1].map(() => element("input", { type: "checkbox" }));
  const [palette, paletteLabel] = chooser("Colours", Object.keys(RAMPS).map((name) => [name, `${name.replace("-", " and ")}${name === "red-green" ? " (as published)" : ""}`]));
  const [sign, signLabel] = chooser("Values", [["signed", "signed"], ["positive", "positive only"]]);
  const [smooth, smoothLabel] = chooser("Map", [["smooth", "smooth"], ["cells", "native cells"]]);
  const [harmful, harmfulLabel] = chooser("Harmful maps", [["off", "off"], ["grey", "grey"], ["outline", "outline"]]);
  const [together, togetherLabel] = chooser("Scale", [["each", "one each"], ["all", "one for all"]]);
  const bar = box("xw-bar xw-look", element("label", { class: "xw-caption" }, "Opacity ", opacity), paletteLabel, signLabel, smoothLabel,
    togetherLabel, harmfulLabel,
    element("label", { class: "xw-caption", title: "Under the map, so that every colour is the map's" }, grey, "Grey photo"),
    element("label", { class: "xw-caption xw-refer" }, reference, "Reference beside"));
  return { opacity, grey, reference, palette, sign, smooth, harmful, scale: together, scaleLabel: togetherLabel, bar };
}

/** The undistorted photo beside the picture. */
function buildReference() {
  const photo = element("img", { draggable: "false", alt: "" }), probe = element("i", { class: "xw-probe", hidden: true });
  const view = box("xw-view", photo), frame = box("xw-frame", view, probe), words = element("figcaption", { class: "xw-caption" });
  const node = element("figure", { class: "xw-reference", hidden: true }, frame, words);
  return { node, frame, view, photo, probe, words, lacking: box("xw-unreferenced xw-caption") };
}

/** @param {ReturnType<typeof import("./tools.js").buildTools>} tools */
export function buildStage(tools) {
  const head = buildHead(), key = buildKey(), look = buildLook(), reference = buildReference();
  const options = box("xw-bar"), lacking = box("xw-lacking xw-caption"), grid = box("xw-panels"), ask = box("xw-ask", head.chip), sample = box("xw-bar xw-sample");
  const fold = element("details", { class: "xw-options" }, element("summary", { class: "xw-caption" }, "Options"), options);
  const reading = element("output", { class: "xw-caption xw-numbers" });
  const check = element("button", { type: "button", class: "xw-button xw-check",
    title: "Take away what the map points at, and as much at random" }, "check by removal");
  const receipt = element("span", { class: "xw-receipt xw-caption", role: "status" });
  const photo = element("img", { draggable: "false", alt: "" }), probe = element("i", { class: "xw-probe", hidden: true });
  const view = box("xw-view", photo), frame = box("xw-frame", view, probe);
  const plain = element("figure", { class: "xw-plain" }, frame, element("figcaption", { class: "xw-caption" }, "photo"));
  const who = box("xw-who", head.name, ask);
  const said = element("div", { class: "xw-score", "aria-live": "polite" }, head.label, " ", head.headline, head.facts);
  const below = box("xw-below", tools.words, key.key, key.second, box("xw-checks", check, receipt), look.bar, lacking, reference.lacking, key.notes);
  const body = box("xw-body", box("xw-head", who, said), sample, fold, box("xw-row", reference.node, grid), reading, tools.bar, below);
  grid.append(plain);
  return { root: box("xw xw-stage", body), head, key, look, options, sample, fold, lacking, grid, ask, reading, check, receipt, said, reference, tools,
    plain: { node: plain, frame, view, photo, probe } };
}

// Of what effects of maps are: of P, or of P - Q. A choice of two, there where Q is another class than P.

import { button, press } from "./controls.js";
import { element } from "./dom.js";

/** @typedef {ReturnType<typeof buildEffects>} EffectParts */

/** Buttons by what they choose. */
export function buildEffects() {
  const sides = { score: button("", ""), difference: button("", "") };
  const root = element("span", { class: "xw-effects", role: "group", "aria-label": "Effect on", hidden: true },
    element("span", { class: "xw-caption", "aria-hidden": "true" }, "effect on"), sides.score, sides.difference);
  return { root, sides };
}

/**
 * @param {EffectParts} parts
 * @param {string[]} effects P and P - Q in words; none where Q is no other class
 * @param {boolean} onDifference which of them is shown
 * @param {string} [lacks] why it cannot be P - Q
 */
export function tellEffects({ root, sides }, effects, onDifference, lacks = "") {
  root.hidden = effects.length < 2;
  if (root.hidden) return;
  const [p, difference] = effects;
  [sides.score.textContent, sides.difference.textContent] = effects;
  sides.score.title = `What the removal of each map changes of ${p} alone`;
  sides.difference.title = `What the removal of each map changes of ${difference}${lacks ? `: this ${lacks}` : ""}`;
  sides.difference.disabled = Boolean(lacks);
  press(Object.entries(sides), onDifference ? "difference" : "score");
}

/** @param {import("./mount.js").Page} page @param {EffectParts} parts */
export function listenToEffects({ listen, model }, { sides }) {
  for (const [name, node] of Object.entries(sides)) listen(node, "click", () => model.send({ kind: "effect_on", name }));
}

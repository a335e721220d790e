// The row under the picture: a region, an outline, what is laid over the active panel, and what is said of these.

import { button } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { buildDegrade } from "./degrade.js";
import { box, chooser } from "./parts.js";

const BRUSH = "Draw a rectangle over the photo: what do the feature maps do there? With keys, on the picture: Enter, arrows, Enter.";

// As shares of the photo: left, top, right, bottom.
const HALVES = [["", "a half"], ["0 0 0.5 1", "left half"], ["0.5 0 1 1", "right half"], ["0 0 1 0.5", "upper half"], ["0 0.5 1 1", "lower half"]];

export function buildTools() {
  const region = button("▭ Region", BRUSH, { class: "xw-button xw-brush", "aria-pressed": "false" });
  const [half, halfLabel] = chooser("or", HALVES);
  half.ariaLabel = "A half of the photo as region";
  const [top, topLabel] = chooser("Outline", [["0", "off"], ["0.05", "top 5 %"], ["0.1", "top 10 %"], ["0.15", "top 15 %"]]);
  const [other, otherLabel] = chooser("Lay over", [["", "nothing"], ["-1", "the photo"]]);
  const [over, overLabel] = chooser("as", [["divider", "a divider"], ["difference", "difference"], ["contours", "contours"]]);
  const clear = element("button", { type: "button", class: "xw-clear", "aria-label": "Let go of the region", title: "Let go of the region" }, "✕");
  const said = element("span", { role: "status" }), acts = element("span"), alike = element("span", { role: "status" }), pair = element("span", { role: "status" });
  const degrade = buildDegrade();
  const words = box("xw-found xw-caption", degrade.words, box("xw-inside", said, clear), acts, alike, pair);
  const bar = box("xw-bar xw-tools", region, halfLabel, topLabel, otherLabel, overLabel, degrade.label);
  return { degrade, region, half, top, other, over, overLabel, clear, said, acts, alike, pair, words, bar };
}

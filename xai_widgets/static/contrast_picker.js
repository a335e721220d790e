// "Why P, rather than Q?": choose Q among the classes, or on the axis of the score.
import { element, suppressShortcuts } from "./dom.js";
import { mountClasses } from "./contrast_classes.js";
import { mountScores } from "./contrast_scores.js";

function render({ model, el, signal }) {
  const root = element("section", { class: "xw xw-contrast", "aria-label": "Contrast" });
  el.replaceChildren(root);
  suppressShortcuts(root, signal);
  let leave = () => {};
  const unheard = element("span", { role: "status" });
  const hear = element("button", { type: "button", class: "xw-button" }, "ask with Grad-CAM");
  const line = element("p", { class: "xw-unheard" }, unheard, " ", hear);
  hear.addEventListener("click", () => model.send({ kind: "hear" }), { signal });
  const tell = () => {
    unheard.textContent = model.get("unheard");
    line.hidden = !unheard.textContent;
  };
  const mount = () => {
    leave();
    root.replaceChildren();
    leave = (model.get("task") === "regression" ? mountScores : mountClasses)(model, root, signal);
    root.append(line);
    tell();
  };
  model.on("change:task", mount);
  model.on("change:unheard", tell);
  mount();
  return () => {
    leave();
    model.off("change:task", mount);
    model.off("change:unheard", tell);
    el.replaceChildren(); // JupyterLab keeps `el` of a closed widget; it need not keep what was in it
  };
}

export default { render };

// "Why P, rather than Q?": choose Q among the classes, or on the axis of the score.
import { element, suppressShortcuts } from "./dom.js";
import { mountClasses } from "./contrast_classes.js";
import { mountScores } from "./contrast_scores.js";

function render({ model, el, signal }) {
  const root = element("section", { class: "xw xw-contrast", "aria-label": "Contrast" });
  el.replaceChildren(root);
  suppressShortcuts(root, signal);
  let leave = () => {};
  const mount = () => {
    leave();
    root.replaceChildren();
    leave = (model.get("task") === "regression" ? mountScores : mountClasses)(model, root, signal);
  };
  model.on("change:task", mount);
  mount();
  return () => {
    leave();
    model.off("change:task", mount);
    el.replaceChildren(); // JupyterLab keeps `el` of a closed widget; it need not keep what was in it
  };
}

export default { render };

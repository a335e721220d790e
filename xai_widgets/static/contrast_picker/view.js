// "Why P, rather than Q?": choose Q among the classes, or on the axis of the score.

import { button } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { mount, pageOf } from "../shared/mount.js";
import { mountClasses } from "./class_list.js";
import { mountScores } from "./score_axis.js";

/** @param {import("../shared/mount.js").Context} context */
function render(context) {
  const root = element("section", { class: "xw xw-contrast", "aria-label": "Contrast" });
  const page = mount(context, root), { model } = page;
  const unheard = element("span", { role: "status" }), hear = button("ask with Grad-CAM", "");
  const line = element("p", { class: "xw-unheard" }, unheard, " ", hear);
  let part = pageOf(model, page.signal);
  page.watch("task", () => { // another model may have scores instead of classes
    part.close();
    part = pageOf(model, page.signal);
    root.replaceChildren();
    (model.get("task") === "regression" ? mountScores : mountClasses)(part, root);
    root.append(line);
    part.readAll();
  });
  page.watch("unheard", () => {
    unheard.textContent = model.get("unheard");
    line.hidden = !unheard.textContent;
  });
  page.listen(hear, "click", () => model.send({ kind: "hear" }));
  page.readAll();
  return page.close;
}

export default { render };

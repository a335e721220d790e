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
  const read = element("p", { class: "xw-unheard xw-reading" });
  let part = pageOf(model, page.signal);
  page.watch("task", () => { // another model may have scores instead of classes
    part.close();
    part = pageOf(model, page.signal);
    root.replaceChildren();
    (model.get("task") === "regression" ? mountScores : mountClasses)(part, root);
    root.append(line, read);
    part.readAll();
  });
  page.watch("read_as readings", () => { // found by looking: what it could be instead is one click away
    /** @type {[string, string][]} */
    const others = model.get("readings");
    read.hidden = !others.length;
    read.replaceChildren(element("span", {}, `Read as ${model.get("read_as")}. Instead as:`), ...others.map(([name, words]) => {
      const node = button(words, `Ask ${name}: the same network with its outputs read so`);
      page.listen(node, "click", () => model.send({ kind: "read", name }));
      return node;
    }));
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

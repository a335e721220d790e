// How Q is asked about: plain, by tiles, or the smallest change, and what can be chosen about it.

import { button } from "../shared/controls.js";
import { element } from "../shared/dom.js";
import { control } from "../shared/options.js";

/** @typedef {import("../shared/mount.js").Page} Page */

/**
 * @param {Page} page
 * @param {(form: string) => void} before told where a form is chosen and Q is not yet
 * @param {() => string} form that is chosen then
 */
export function mountWays(page, before, form) {
  const { model } = page, asked = () => Boolean(model.get("contrast").kind);
  const group = element("span", { class: "xw-group", role: "group", "aria-label": "How Q is asked about" });
  const options = element("span", { class: "xw-bar xw-options" }), node = element("div", { class: "xw-bar xw-ways" }, group, options);
  let living = new AbortController();
  page.onClose(() => living.abort());
  page.watch("ways", () => {
    /** @type {[string, string, string, string][]} */
    const ways = model.get("ways");
    group.replaceChildren(...ways.map(([, itsForm, words, title], number) => {
      const one = button(words, title, { "aria-pressed": "false" });
      page.listen(one, "click", () => (asked() ? model.send({ kind: "way", number }) : before(itsForm)));
      return one;
    }));
  });
  const read = () => {
    const way = model.get("way"), ways = model.get("ways");
    [...group.children].forEach((one, number) => {
      const [method, its] = ways[number];
      one.setAttribute("aria-pressed", `${asked() ? number === way : method === "grad_cam" && its === form()}`);
      if (one instanceof HTMLButtonElement) one.disabled = !asked() && method !== "grad_cam";
    });
  };
  page.watch("ways way contrast", read);
  page.watch("choices", () => {
    living.abort();
    living = new AbortController();
    options.replaceChildren(...model.get("choices").map((/** @type {any} */ choice) => control(choice, (value) => model.send({ kind: "option", name: choice.name, value }), living.signal)));
  });
  return { node, read };
}

// What is done to the image before the network sees it: a kind, and a slider that is followed while it is dragged.

import { element } from "../shared/dom.js";
import { chooser } from "./parts.js";

/** Where the slider begins. @type {Record<string, number>} */
const BEGINS = { salt_and_pepper: 0.1, gaussian_noise: 0.1, blur: 2, jpeg: 20 };

/** @param {string} name of a kind */
const wordsOf = (name) => (name === "jpeg" ? "JPEG" : name === "gaussian_noise" ? "Gaussian noise" : name.replaceAll("_", " ") || "nothing");

export function buildDegrade() {
  const [kind, label] = chooser("Degrade", []), level = element("input", { type: "range", "aria-label": "How much the image is degraded" });
  const number = element("span", { class: "xw-caption xw-numbers" }), words = element("span", { class: "xw-degraded", role: "status" });
  return { kind, label, level, number, words };
}

/** @param {any} stage */
export function mountDegrade(stage) {
  const { page, model, ui: { tools: { degrade } } } = stage, { kind, label, level, number, words } = degrade;
  let held = false, gesture = 0, step = 0;
  const send = () => {
    const value = Number(level.value);
    step += 1;
    model.set("drag", { kind: "degrade", name: kind.value, level: value, gesture: `${stage.mark.origin} ${gesture}`, step });
    model.save_changes();
    number.textContent = `${value}`;
  };
  page.listen(kind, "change", () => {
    gesture += 1;
    model.send({ kind: "degrade", name: kind.value, level: BEGINS[kind.value] ?? 0, gesture: `${stage.mark.origin} ${gesture}` });
  });
  page.listen(level, "input", () => {
    if (!held) gesture += 1;
    held = true;
    send();
  });
  page.listen(level, "change", () => { held = false; });
  return () => {
    const [kinds, how] = model.get("degrading")?.values ?? [];
    label.hidden = !kinds;
    if (kinds && kind.options.length !== kinds.choices.length) {
      kind.replaceChildren(...kinds.choices.map((/** @type {string} */ name) => element("option", { value: name }, wordsOf(name))));
    }
    kind.value = kinds?.value ?? "";
    label.title = kinds?.hint ?? "";
    if (!how) [level, number].forEach((node) => node.remove());
    else if (!level.isConnected) label.after(level, number);
    words.textContent = how?.hint ?? "";
    if (!how || held) return; // the hand knows better than an older answer
    const whole = how.whole ? 1 : how.high / 50;
    Object.assign(level, { min: `${how.low}`, max: `${how.high}`, step: `${whole}`, value: `${how.value}` });
    number.textContent = `${Number(how.value.toPrecision(3))}`;
  };
}

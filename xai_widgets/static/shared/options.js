// The options of a method as controls: a switch, a choice among a few, a number with its range and unit.
import { element } from "./dom.js";

const NUMBER = "a number";

/**
 * @typedef {object} Choice scenes.Choice
 * @property {string} words
 * @property {any} value
 * @property {any[]} choices
 * @property {number | null} low
 * @property {number | null} high
 * @property {string} unit
 * @property {boolean} numbers
 * @property {boolean} whole
 * @property {string} hint
 */
/** @typedef {(value: unknown) => void} Send */

/** @param {Pick<Choice, "choices">} choice */
export const isSwitch = ({ choices }) => choices.length === 2 && choices.every((value) => typeof value === "boolean");

/** Whether a number can be chosen. @param {Pick<Choice, "low" | "high" | "whole">} choice @param {number} value */
export function allowed({ low, high, whole }, value) {
  return Number.isFinite(value) && value >= (low ?? -Infinity) && value <= (high ?? Infinity) && (!whole || Number.isInteger(value));
}

/** @param {Choice} choice @param {Send} send @param {AbortSignal} signal */
function toggle(choice, send, signal) {
  const box = element("input", { type: "checkbox", "aria-label": choice.words });
  box.checked = choice.value;
  box.addEventListener("change", () => send(box.checked), { signal });
  return [box];
}

/** @param {Choice} choice @param {Send} send @param {any} value @param {AbortSignal} signal */
function number(choice, send, value, signal) {
  const { low, high, whole, words, unit } = choice;
  const box = element("input", { type: "number", class: "xw-input xw-number", min: low, max: high, step: whole ? 1 : "any", "aria-label": words });
  box.value = value;
  box.addEventListener("change", () => {
    const wanted = box.value === "" ? NaN : Number(box.value);
    if (allowed(choice, wanted)) send(wanted);
    else box.value = value; // the range stands in the title
  }, { signal });
  return [box, ...(unit ? [element("span", { class: "xw-unit" }, unit)] : [])];
}

/** @param {Choice} choice @param {Send} send @param {AbortSignal} signal */
function among(choice, send, signal) {
  const { choices, value, words, numbers, low } = choice, select = element("select", { class: "xw-select", "aria-label": words });
  const chosen = choices.indexOf(value);
  choices.forEach((one, i) => select.append(element("option", { value: i }, `${one}`.replaceAll("_", " "))));
  if (numbers) select.append(element("option", { value: NUMBER }, NUMBER));
  select.value = chosen < 0 ? NUMBER : `${chosen}`;
  select.addEventListener("change", () => send(select.value === NUMBER ? (low ?? 0) : choices[Number(select.value)]), { signal });
  return [select, ...(chosen < 0 ? number(choice, send, value, signal) : [])];
}

/**
 * One control with its words; `send` takes a new value; its listeners end with `signal`.
 * @param {Choice} choice @param {Send} send @param {AbortSignal} signal
 */
export function control(choice, send, signal) {
  const parts = isSwitch(choice) ? toggle(choice, send, signal)
    : choice.choices.length ? among(choice, send, signal) : number(choice, send, choice.value, signal);
  return element("label", { class: "xw-caption xw-option", title: choice.hint }, element("span", {}, `${choice.words} `), ...parts);
}

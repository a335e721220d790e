// Numbers, words and binary values. No document: `node --test` imports this.

/**
 * A binary trait arrives as a DataView that may start anywhere in a message.
 * @param {DataView} view
 */
export const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** A Float32Array needs its bytes aligned, so they are copied. @param {DataView} view */
export const floats = (view) => new Float32Array(bytes(view).slice().buffer);

/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * A number as text with its sign; a true minus, so that columns line up.
 * @param {number} value
 * @param {number} [digits]
 */
export function signed(value, digits = 3) {
  if (!Number.isFinite(value)) return "n/a";
  const text = Math.abs(value).toPrecision(digits);
  return `${value < 0 ? "−" : value > 0 ? "+" : ""}${text.includes("e") ? Math.abs(value).toExponential(digits - 1) : text}`;
}

/**
 * At most so many letters, with the middle left out: beginnings are alike, and so are ends. The whole goes into a title.
 * @param {string} text
 * @param {number} most
 */
export function shortened(text, most) {
  const letters = [...text], head = Math.ceil((most - 1) * 0.6);
  if (letters.length <= most) return text;
  return `${letters.slice(0, head).join("")}…${letters.slice(letters.length - (most - 1 - head)).join("")}`;
}

/** Without accents and in lower case, for a search. @param {string} text */
export const folded = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();

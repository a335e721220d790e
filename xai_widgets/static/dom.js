// What every view needs from the page: elements, bytes, themes, keys. Text goes in as text, never as HTML.

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children); // strings become text nodes
  return node;
}

// A binary trait arrives as a DataView that may start anywhere in a message; a Float32Array needs it aligned.
export const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
export const floats = (view) => new Float32Array(bytes(view).slice().buffer);

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** A number as text with its sign; a true minus, so that columns line up. */
export function signed(value, digits = 3) {
  if (!Number.isFinite(value)) return "n/a";
  const text = Math.abs(value).toPrecision(digits);
  return `${value < 0 ? "−" : value > 0 ? "+" : ""}${text.includes("e") ? Math.abs(value).toExponential(digits - 1) : text}`;
}

/** Call back when JupyterLab's or the system's theme changes; JupyterLab loads the style a little later. */
export function onTheme(callback, signal) {
  const later = () => setTimeout(callback, 100);
  const watcher = new MutationObserver(later);
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", later, { signal });
  signal?.addEventListener("abort", () => watcher.disconnect());
}

/** The values of CSS variables of a node, for a canvas. */
export function colours(node, ...names) {
  const style = getComputedStyle(node);
  return names.map((name) => style.getPropertyValue(name).trim());
}

/**
 * Keys pressed on `node`, or on what is focused in it, belong to it, not to the notebook, which looks for the attribute
 * on the focused element itself. Ctrl and Cmd stay the notebook's.
 */
export function suppressShortcuts(node, signal) {
  const mark = (event) => {
    const focused = node.contains(document.activeElement) ? document.activeElement : node;
    focused.toggleAttribute("data-lm-suppress-shortcuts", !event.ctrlKey && !event.metaKey);
  };
  window.addEventListener("keydown", mark, { signal, capture: true });
}

/** A canvas as large as its box in device pixels; the context is scaled to CSS pixels. */
export function fitCanvas(canvas, width, height) {
  const ratio = devicePixelRatio || 1, [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** One call a frame, however often it is asked for; returns [ask, cancel]. */
export function oncePerFrame(callback) {
  let frame = 0;
  const ask = () => { frame ||= requestAnimationFrame(() => { frame = 0; callback(); }); };
  return [ask, () => { cancelAnimationFrame(frame); frame = 0; }];
}

// Elements and canvases of a page. Text goes in as text, never as HTML.

/**
 * An element with attributes; those that are false, null or undefined are left out, true is an empty one.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes]
 * @param {(Node | string)[]} children strings become text
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    node.setAttribute(name, value === true ? "" : `${value}`);
  }
  node.append(...children);
  return node;
}

/**
 * The values of CSS variables of a node, for a canvas.
 * @param {Element} node
 * @param {string[]} names
 */
export function colours(node, ...names) {
  const style = getComputedStyle(node);
  return names.map((name) => style.getPropertyValue(name).trim());
}

/**
 * A canvas as large as its box in device pixels; the context is scaled to CSS pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function fitCanvas(canvas, width, height) {
  const ratio = devicePixelRatio || 1, [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

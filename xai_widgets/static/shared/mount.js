// What a view has while it is on the page, and leaves behind when it goes: nothing.
//
// A view builds its elements, mounts them, says what it watches, and returns `page.close`:
//
//   function render(context) {
//     const parts = build(), page = mount(context, parts.root), { model } = page;
//     const later = page.oncePerFrame(paint);           // ask for a repaint; many asks make one
//     page.watch("scores predicted", readScores);       // model.on("change:scores change:predicted", ...)
//     page.onMessage(receive);                          // messages of the kernel with their buffers
//     page.listen(parts.clear, "click", () => model.send({ kind: "clear" }));
//     page.onSize(parts.view, resize);                  // also called when the page first lays it out
//     page.onTheme(later);                              // JupyterLab's theme or the system's
//     page.onGone(tell);                                // the kernel is gone; mount() already stops the controls
//     page.onClose(() => URL.revokeObjectURL(address)); // what only this view holds
//     page.readAll();                                   // every watching function once, in the order of watch
//     return page.close;
//   }
//
// Keys pressed in the view are its own: the notebook's shortcuts are kept away from whatever has the focus in it. Undo,
// redo and the list of keys are those of every view, see keys.js.
// Listeners that are not added with `listen` take `page.signal`, and so do parts that live as long as the view.
// A part that goes earlier makes its own page of the same model: `pageOf(model, page.signal)` without an element.

import { isTyping, keyInView, walkOf } from "./keys.js";

/**
 * @typedef {object} Model What anywidget gives: the synced traits of a widget.
 * @property {(name: string) => any} get
 * @property {(name: string, value: unknown) => void} set
 * @property {() => void} save_changes
 * @property {(content: unknown) => void} send
 * @property {(events: string, action: (...given: any[]) => void) => void} on
 * @property {(events: string, action: (...given: any[]) => void) => void} off
 */
/** @typedef {{ model: Model, el: HTMLElement, signal?: AbortSignal, host?: { getWidget: (reference: string) => Promise<any> } }} Context */
/** @typedef {ReturnType<typeof pageOf>} Page */

/**
 * Put `root` into the element of a view; returns its page.
 * @param {Context} context
 * @param {HTMLElement} root
 */
export function mount({ model, el, signal }, root) {
  const page = pageOf(model, signal);
  el.replaceChildren(root);
  suppressShortcuts(root, page.signal);
  page.listen(root, "keydown", (event) => keyInView(root, event, (kind) => model.send({ kind })));
  page.onGone(() => {
    root.inert = true; // its controls would go on as if something answered
    root.classList.add("xw-gone");
  });
  page.onClose(() => el.replaceChildren()); // JupyterLab keeps `el` of a closed widget; it need not keep what was in it
  return page;
}

/**
 * All that ends together: when `close` is called, or with `signal`.
 * @param {Model} model
 * @param {AbortSignal} [signal]
 */
export function pageOf(model, signal) {
  const stop = new AbortController();
  /** @type {(() => void)[]} */
  const closing = [];
  /** @type {(() => void)[]} */
  const readers = [];
  const close = () => {
    stop.abort();
    closing.splice(0).reverse().forEach((action) => action());
  };
  signal?.addEventListener("abort", close, { signal: stop.signal });
  if (signal?.aborted) stop.abort();

  /** @param {string} events @param {(...given: any[]) => void} action */
  const follow = (events, action) => {
    model.on(events, action);
    closing.push(() => model.off(events, action));
  };
  return {
    model,
    signal: stop.signal,
    close,
    /** @param {() => void} action */
    onClose: (action) => { closing.push(action); },
    /** @param {string} traits names with spaces between @param {() => void} action */
    watch: (traits, action) => {
      follow(traits.split(/\s+/).map((name) => `change:${name}`).join(" "), action);
      readers.push(action);
    },
    readAll: () => readers.forEach((action) => action()),
    /** @param {(content: any, buffers: DataView[]) => void} action */
    onMessage: (action) => follow("msg:custom", action),
    /** @param {EventTarget} target @param {string} type @param {(event: any) => void} action @param {object} [options] */
    listen: (target, type, action, options) => target.addEventListener(type, action, { ...options, signal: stop.signal }),
    /** The kernel was restarted or died: nothing will answer any more. @param {() => void} action */
    onGone: (action) => follow("comm_live_update", action),
    /** @param {Element} node @param {() => void} action */
    onSize: (node, action) => {
      const size = new ResizeObserver(() => action());
      size.observe(node);
      closing.push(() => size.disconnect());
    },
    /** @param {() => void} action */
    onTheme: (action) => onTheme(action, stop.signal),
    /** @param {() => void} action @returns {() => void} */
    oncePerFrame: (action) => {
      const [ask, cancel] = oncePerFrame(action);
      closing.push(cancel);
      return ask;
    },
  };
}

/**
 * Call back when JupyterLab's or the system's theme changes; JupyterLab loads the style a little later.
 * @param {() => void} callback
 * @param {AbortSignal} signal
 */
export function onTheme(callback, signal) {
  const later = () => setTimeout(() => { if (!signal?.aborted) callback(); }, 100);
  const watcher = new MutationObserver(later);
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", later, { signal });
  signal?.addEventListener("abort", () => watcher.disconnect());
}

/**
 * Keys pressed on `node`, or on what is focused in it, belong to it, not to the notebook, which looks for the attribute
 * on the focused element itself. Ctrl and Cmd stay the notebook's, but for undo and redo.
 * @param {HTMLElement} node
 * @param {AbortSignal} signal
 */
export function suppressShortcuts(node, signal) {
  const mark = (/** @type {KeyboardEvent} */ event) => {
    const focused = node.contains(document.activeElement) ? document.activeElement : node;
    const ours = (!event.ctrlKey && !event.metaKey) || (Boolean(walkOf(event)) && !isTyping(focused));
    focused.toggleAttribute("data-lm-suppress-shortcuts", ours);
  };
  window.addEventListener("keydown", mark, { signal, capture: true });
}

/**
 * One call a frame, however often it is asked for; returns [ask, cancel].
 * @param {() => void} callback
 */
export function oncePerFrame(callback) {
  let frame = 0;
  const ask = () => { frame ||= requestAnimationFrame(() => { frame = 0; callback(); }); };
  return [ask, () => { cancelAnimationFrame(frame); frame = 0; }];
}

// What the page reads once, however many widgets need it, and lets go of with each of them.

/** @type {Map<string, Promise<any>>} modules by the digest of their text, for the widgets of all kernels */
const modules = (/** @type {any} */ (globalThis).xaiWidgetsModules ??= new Map());

/**
 * The module of this digest: as the page has it, else made of what `read` brings.
 *
 * A page keeps every module that it ever imported, and anywidget imports the text of each widget anew.
 * @param {string} digest
 * @param {() => Promise<Blob>} read
 */
export function once(digest, read) {
  const known = modules.get(digest);
  if (known) return known;
  const reading = read().then(imported);
  modules.set(digest, reading);
  reading.catch(() => modules.delete(digest)); // the next widget tries again
  return reading;
}

async function imported(/** @type {Blob} */ text) {
  const url = URL.createObjectURL(text.slice(0, text.size, "text/javascript"));
  try {
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * Cut a model and its layout off their comms when they are closed.
 *
 * JupyterLab 4.6 keeps the comm of a closed widget until the kernel ends, and with it the model and all that it holds;
 * a layout holds the views that it was of.
 * @param {any} model
 */
export function letGo(model) {
  for (const one of [model, model.get("layout")]) {
    one?.on?.("destroy", (/** @type {any} */ closed) => {
      closed?.comm?.on_msg(() => {});
      closed?.comm?.on_close(() => {});
    });
  }
}

/** The text of gzipped bytes. @param {BlobPart} bytes */
export const unpacked = (bytes) => new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();

/**
 * A view whose module the page may have already.
 * @param {string} digest
 * @param {string} packed the module's text, gzipped, as base64
 */
export async function viewOnce(digest, packed) {
  const bytes = () => Uint8Array.from(atob(packed), (sign) => sign.charCodeAt(0));
  const view = (await once(digest, () => unpacked(bytes()))).default;
  return {
    ...view,
    initialize(/** @type {any} */ given) {
      letGo(given.model);
      return view.initialize?.(given);
    },
  };
}

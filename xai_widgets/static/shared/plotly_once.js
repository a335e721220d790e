// The front end of a plotly figure, without plotly: it takes plotly's widget from the page, which reads it once.
//
// The page would else keep plotly's text, 5 MB, for every figure that was ever made. The text is in one widget of the
// kernel: `views/_plotly_text.py`.
import { letGo, once, unpacked } from "./once.js";

// Messages of plotly's Python side: each is set, and taken back at once.
const MESSAGES = ["addTraces", "deleteTraces", "moveTraces", "restyle", "relayout", "update", "animate",
  "removeLayoutProps", "removeTraceProps"].map((name) => `change:_py2js_${name}`);

// What plotly's Python side says of the properties of a trace that a message leaves as they are.
const LEFT = "_undefined_";

/**
 * A message whose properties that are left as they are, are not there.
 *
 * Plotly's front end writes a message that comes before its first view into the state as it came: the angles of a trace
 * would be the word, and that trace be drawn with angles of plotly's own choice.
 * @param {any} said
 * @returns {any}
 */
export function read(said) {
  if (said === LEFT) return undefined;
  if (Array.isArray(said)) return said.map(read);
  if (said?.constructor !== Object) return said;
  return Object.fromEntries(Object.entries(said).map(([name, one]) => [name, read(one)]));
}

/** Plotly's module: what the page has, else what the kernel's text says. */
function plotly(/** @type {any} */ model) {
  const { text, digest } = model.get("_plotly");
  return once(digest, async () => {
    const holder = await model.widget_manager.get_model(text);
    return unpacked(holder.get("text"));
  });
}

/**
 * A model for plotly; `catchUp` says again what came before plotly was there to hear it, and `added` gives what plotly
 * listens to since it was asked last.
 *
 * anywidget drops every message to a model that is not initialised after two seconds, so that cannot wait for plotly.
 * @param {any} model
 */
export function patient(model) {
  /** @type {[string, any][]} */
  const early = [];
  /** @type {[string, () => void][]} */
  let hears = [];
  /** @type {[string, any] | null} */
  let again = null;
  const keepers = MESSAGES.map((event) => {
    const name = event.replace("change:", "");
    const keep = () => {
      if (model.get(name) !== null) early.push([name, model.get(name)]);
    };
    model.on(event, keep);
    return () => model.off(event, keep);
  });
  const known = {
    ...model,
    get(/** @type {string} */ name) {
      const said = again?.[0] === name ? again[1] : model.get(name);
      return name.startsWith("_py2js_") ? read(said) : said;
    },
    on(/** @type {string} */ event, /** @type {() => void} */ action) {
      hears.push([event, action]);
      model.on(event, action);
    },
  };
  return {
    model: known,
    catchUp() {
      keepers.forEach((stop) => stop());
      for (again of early.splice(0)) {
        for (const [event, action] of hears) if (event === `change:${again[0]}`) action();
      }
      again = null;
    },
    added() {
      const since = hears;
      hears = [];
      return since;
    },
  };
}

/** A view of plotly's that stops listening when it is left, which plotly's own does not. */
function seen(/** @type {any} */ figure, /** @type {any} */ heard, /** @type {any} */ shown) {
  heard.added();
  const leave = figure.render(shown), own = heard.added();
  return () => {
    for (const [event, action] of own) heard.model.off(event, action);
    if (typeof leave === "function") leave();
  };
}

export default () => {
  /** @type {Promise<any>} */
  let figure;
  /** @type {ReturnType<typeof patient>} */
  let heard;
  return {
    initialize(/** @type {any} */ { model, ...rest }) {
      letGo(model);
      heard = patient(model);
      figure = plotly(model).then(async (module) => {
        const made = module.default();
        await made.initialize({ model: heard.model, ...rest });
        heard.catchUp();
        return made;
      });
      figure.catch(() => {}); // `render` says what went wrong, where somebody looks
    },
    async render(/** @type {any} */ shown) {
      try {
        const made = await figure;
        return shown.signal?.aborted ? undefined : seen(made, heard, shown);
      } catch (error) {
        if (!shown.signal?.aborted) throw error; // else closed before plotly was there
        return undefined;
      }
    },
  };
};

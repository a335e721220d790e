// The photo, and a coarse signed map over the part of it that the network saw. Opacity, colours, sign, up-sampling and
// the secondary layer never wait for the kernel: they redraw here, and the look is sent once when the gesture ends.

import { bytes, clamp, element, floats, onTheme, oncePerFrame, signed, suppressShortcuts } from "./dom.js";
import { cellOf, RAMPS, valueAt } from "./palettes.js";
import { mountMenu } from "./stage_menu.js";
import { control } from "./stage_options.js";
import { paintGrey, paintMap, paintOutline, paintScale } from "./stage_paint.js";

function chooser(label, options) {
  const select = element("select", { class: "xw-select", "aria-label": label });
  for (const [value, words] of options) select.append(element("option", { value }, words));
  return [select, element("label", { class: "xw-caption" }, `${label} `, select)];
}

const box = (name, ...children) => element("div", { class: name }, ...children);

function build(menu) {
  const picture = () => element("img", { draggable: "false", alt: "" });
  const probe = () => element("i", { class: "xw-probe", hidden: true });
  const parts = {
    name: element("span", { class: "xw-title" }), label: element("span", { class: "xw-caption" }),
    headline: element("strong", { class: "xw-headline xw-numbers" }), facts: element("span", { class: "xw-facts xw-numbers" }),
    canvas: element("canvas", { class: "xw-map", role: "img" }), over: element("canvas", { class: "xw-over", "aria-hidden": "true", hidden: true }),
    seen: box("xw-seen"), empty: element("span", { class: "xw-empty", hidden: true }),
    pending: element("span", { class: "xw-doing", role: "status" }), probes: [probe(), probe()],
    photos: [picture(), picture()], title: element("figcaption", { class: "xw-caption" }),
    reading: element("output", { class: "xw-caption xw-numbers" }), scale: element("canvas", { class: "xw-colours", "aria-hidden": "true" }),
    marker: element("i", { class: "xw-marker", hidden: true }), words: [0, 1].map(() => element("span")),
    numbers: [0, 1, 2].map(() => element("span")), depth: box("xw-depth xw-caption"), second: box("xw-second xw-caption"),
    notes: box("xw-notes xw-caption"), options: box("xw-bar"), fold: element("details", { class: "xw-options" }, element("summary", { class: "xw-caption" }, "Options")), lacking: box("xw-lacking xw-caption"),
    chip: element("span", { class: "xw-chip", hidden: true }), q: element("span"),
    clear: element("button", { type: "button", class: "xw-clear", "aria-label": "Ask without Q", title: "Ask without Q" }, "✕"),
    check: element("button", { type: "button", class: "xw-button xw-check",
      title: "Take away what the map points at, and as much at random" }, "check by removal"),
    receipt: element("span", { class: "xw-receipt xw-caption", role: "status" }),
    opacity: element("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": "Opacity of the map" }),
    grey: element("input", { type: "checkbox" }),
  };
  const [palette, paletteLabel] = chooser("Colours", Object.keys(RAMPS).map((name) => [name, name.replace("-", " and ")]));
  const [sign, signLabel] = chooser("Values", [["signed", "signed"], ["positive", "positive only"]]);
  const [smooth, smoothLabel] = chooser("Map", [["smooth", "smooth"], ["cells", "native cells"]]);
  const [second, secondLabel] = chooser("Harmful maps", [["off", "off"], ["grey", "grey"], ["outline", "outline"]]);
  Object.assign(parts, { palette, sign, smooth, harmful: second });
  parts.chip.append(parts.q, parts.clear);
  parts.fold.append(parts.options);
  parts.frame = element("div", { class: "xw-frame", tabindex: "0", role: "group",
    "aria-label": "Photo and map; arrow keys read the map cell by cell" },
    parts.photos[1], parts.seen, parts.canvas, parts.over, parts.probes[1], parts.empty, parts.pending);
  const plain = box("xw-frame", parts.photos[0], parts.probes[0]);
  parts.frames = [plain, parts.frame];
  const panels = box("xw-panels", element("figure", { class: "xw-plain" }, plain, element("figcaption", { class: "xw-caption" }, "photo")),
    element("figure", {}, parts.frame, parts.title));
  parts.key = box("xw-key xw-numbers", box("xw-ends", ...parts.words), box("xw-scale", parts.scale, parts.marker),
    box("xw-ends", ...parts.numbers), parts.depth);
  const look = box("xw-bar", element("label", { class: "xw-caption" }, "Opacity ", parts.opacity), paletteLabel, signLabel, smoothLabel,
    secondLabel, element("label", { class: "xw-caption", title: "Under the map, so that every colour is the map's" }, parts.grey, "Grey photo"));
  const head = box("xw-head", box("xw-who", parts.name, box("xw-ask", menu, parts.chip)),
    element("div", { class: "xw-score", "aria-live": "polite" }, parts.label, " ", parts.headline, parts.facts));
  parts.root = box("xw xw-stage", box("xw-body", head, parts.fold, panels, parts.reading, parts.key, parts.second,
    box("xw-checks", parts.check, parts.receipt), look, parts.lacking, parts.notes));
  return parts;
}

function render({ model, el, signal }) {
  const menu = mountMenu(model, signal), parts = build(menu.node);
  const { canvas, over, frame, frames, opacity, palette, sign, smooth, grey, harmful, scale } = parts;
  el.replaceChildren(parts.root);
  let map = null, second = null, address = "", cell = null, point = null, fading = false, controls = new AbortController();
  const [later, cancel] = oncePerFrame(paint);

  function readPhoto() {
    const data = bytes(model.get("photo")), [width, height] = model.get("size");
    URL.revokeObjectURL(address);
    address = data.length ? URL.createObjectURL(new Blob([data], { type: data[0] === 0x89 ? "image/png" : "image/jpeg" })) : "";
    for (const photo of parts.photos) {
      photo.src = address;
      photo.alt = model.get("name");
      photo.hidden = !address;
    }
    parts.root.style.setProperty("--xw-ratio", `${width / Math.max(height, 1)}`);
    parts.root.style.setProperty("--xw-height", model.get("height"));
    readWords();
  }

  function readWords() {
    parts.name.textContent = model.get("name"); // text, never HTML: it is a file name
    const { label = "", headline = "", facts = [] } = model.get("score");
    parts.label.textContent = label;
    parts.headline.textContent = headline;
    parts.facts.replaceChildren(...facts.map((fact) => element("span", { class: "xw-caption" }, fact)));
    const doing = model.get("pending"), unheard = model.get("unheard"), missing = model.get("no_secondary");
    parts.pending.textContent = doing;
    parts.pending.hidden = !doing;
    parts.root.classList.toggle("xw-waits", Boolean(doing));
    parts.pending.classList.toggle("xw-first", !address);
    parts.q.textContent = model.get("contrast");
    parts.chip.hidden = !model.get("contrast");
    parts.chip.classList.toggle("xw-unheard", Boolean(unheard));
    parts.chip.title = unheard;
    parts.check.disabled = !model.get("checkable");
    parts.receipt.textContent = model.get("receipt");
    for (const option of harmful.options) option.disabled = option.value !== "off" && Boolean(missing);
    harmful.parentElement.title = harmful.title = missing;
    parts.lacking.textContent = missing;
    canvas.setAttribute("aria-label", model.get("alt"));
  }

  function readOptions() {
    controls.abort();
    controls = new AbortController();
    parts.fold.hidden = !model.get("choices").values?.length;
    const send = (name) => (value) => model.send({ kind: "option", name, value });
    const held = [...parts.options.children].findIndex((node) => node.contains(document.activeElement));
    parts.options.replaceChildren(...(model.get("choices").values ?? []).map((choice) => control(choice, send(choice.name), controls.signal)));
    parts.options.children[held]?.querySelector("input, select")?.focus(); // the reader goes on where he was
  }

  /** A map of the scene with its numbers, or null where it did not come whole. */
  function whole(answer) {
    const [h, w] = answer.values_shape ?? [0, 0];
    if (!h || answer.values?.byteLength !== 4 * h * w) return null;
    const { strength, outline } = answer;
    return { ...answer, h, w, values: floats(answer.values), strength: strength ? floats(strength) : null,
      outline: outline ? bytes(outline) : null };
  }

  function readMap() {
    [map, second] = [whole(model.get("map")), whole(model.get("secondary"))];
    parts.key.style.visibility = map ? "visible" : "hidden"; // keeps its place while a new map is on its way
    parts.key.hidden = Boolean(map?.degenerate);
    parts.title.textContent = map ? map.title : "photo + map";
    parts.notes.replaceChildren(...(map?.note ?? "").split("\n").filter(Boolean).map((line) => element("div", {}, line)));
    parts.empty.hidden = !map?.degenerate;
    parts.empty.textContent = map?.degenerate ?? "";
    parts.depth.textContent = map?.strength ? `Full colour: ${map.strength_words || "strong"}; pale: little of it.` : "";
    const [left, top, right, bottom] = map?.box ?? [0, 0, 1, 1], percent = (share) => `${share * 100}%`;
    for (const node of [canvas, over, parts.seen]) {
      Object.assign(node.style, { left: percent(left), top: percent(top), width: percent(right - left), height: percent(bottom - top) });
    }
    parts.seen.hidden = !map || right - left > 0.999 && bottom - top > 0.999;
    palette.disabled = Boolean(map?.palette);
    palette.value = map?.palette || model.get("look").palette;
    later();
    if (point) probe(...point); // the reading under a pointer that rests follows the map
  }

  function readLook() {
    const look = model.get("look");
    if (!fading) opacity.value = look.opacity;
    [sign.value, smooth.value, harmful.value] = [look.sign, look.smooth ? "smooth" : "cells", look.secondary];
    grey.checked = look.grey;
    palette.value = map?.palette || look.palette;
    showLook();
  }

  function showLook() {
    fade();
    parts.photos[1].classList.toggle("xw-grey", grey.checked);
    later();
    if (point) probe(...point);
  }

  function fade() { // the compositor's work: no repaint
    canvas.style.opacity = opacity.value;
    over.style.opacity = harmful.value === "outline" ? "1" : opacity.value;
  }

  function paint() {
    canvas.hidden = !map || Boolean(map.degenerate);
    const shows = Boolean(map) && Boolean(second) && harmful.value !== "off" && second.limit > 0;
    over.hidden = !shows;
    parts.second.textContent = second && map && harmful.value !== "off" ? second.words : "";
    if (!map) return;
    const look = { palette: palette.value, sign: sign.value, smooth: smooth.value === "smooth" };
    const size = [canvas.clientWidth || map.w, canvas.clientHeight || map.h];
    if (!map.degenerate) paintMap(canvas, map, look, ...size);
    if (shows && harmful.value === "grey") paintGrey(over, second, look.smooth, over.clientWidth || second.w, over.clientHeight || second.h);
    else if (shows) paintOutline(over, second, over.clientWidth || second.w, over.clientHeight || second.h);
    if (!map.degenerate) paintKey(look);
    canvas.dataset.painted = `${Number(canvas.dataset.painted ?? 0) + 1}`;
  }

  function paintKey(look) {
    const positive = look.sign === "positive" || map.one_sided, { limit } = map, [low, high] = parts.words;
    paintScale(scale, look, positive, Boolean(map.strength));
    scale.parentElement.classList.toggle("xw-deep", Boolean(map.strength));
    low.textContent = positive ? "" : map.low;
    high.textContent = map.high;
    const ends = positive ? ["0", "", signed(limit)] : [signed(-limit), "0", signed(limit)];
    parts.numbers.forEach((node, i) => { node.textContent = ends[i]; });
  }

  /** Say the value at (u, v) of the photo, both from 0 to 1, and mark it in both pictures and on the scale. */
  function probe(u, v) {
    point = [u, v];
    for (const node of parts.probes) {
      node.hidden = false;
      [node.style.left, node.style.top] = [`${u * 100}%`, `${v * 100}%`];
    }
    const [width, height] = model.get("size"), at = `x ${Math.floor(u * width)}, y ${Math.floor(v * height)}`;
    if (!map) return say(at);
    const [left, top, right, bottom] = map.box, x = (u - left) / (right - left), y = (v - top) / (bottom - top);
    if (x < 0 || x > 1 || y < 0 || y > 1) return say(`${at} · outside what the network saw`);
    const read = (some) => valueAt(some, map.h, map.w, x, y, smooth.value === "smooth"), value = read(map.values);
    cell = cellOf(map.h, map.w, x, y);
    const depth = map.strength ? ` · saturation ${Math.round(100 * read(map.strength))} %` : "";
    say(`${at} · ${signed(value)} · cell ${cell[0]}, ${cell[1]} of ${map.h} × ${map.w}${depth}`, value / map.limit);
  }

  function say(text, share = NaN) {
    parts.reading.textContent = text || "Point at a picture to read its values.";
    parts.marker.hidden = !Number.isFinite(share);
    const at = sign.value === "positive" || map?.one_sided ? clamp(share, 0, 1) : (clamp(share, -1, 1) + 1) / 2;
    parts.marker.style.left = `${at * 100}%`;
  }

  function leave() {
    point = null;
    for (const node of parts.probes) node.hidden = true;
    say("");
  }

  const sendLook = () => model.send({ kind: "look", opacity: Number(opacity.value), sign: sign.value, secondary: harmful.value,
    smooth: smooth.value === "smooth", grey: grey.checked, ...(palette.disabled ? {} : { palette: palette.value }) });
  const listen = (target, type, action) => target.addEventListener(type, action, { signal });
  listen(opacity, "input", () => {
    fading = true;
    fade();
  });
  listen(opacity, "change", () => {
    fading = false;
    sendLook();
  });
  for (const node of [palette, sign, smooth, grey, harmful]) {
    listen(node, "change", () => {
      showLook();
      sendLook();
    });
  }
  listen(parts.clear, "click", () => model.send({ kind: "clear" }));
  listen(parts.check, "click", () => model.send({ kind: "check" }));
  for (const node of frames) {
    listen(node, "pointermove", (event) => {
      const at = node.getBoundingClientRect();
      probe(clamp((event.clientX - at.left) / at.width, 0, 1), clamp((event.clientY - at.top) / at.height, 0, 1));
    });
    listen(node, "pointerleave", leave);
  }
  listen(frame, "blur", leave);
  listen(frame, "keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step || !map || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const { h, w, box: [left, top, right, bottom] } = map;
    const [row, column] = cell ? [clamp(cell[0] + step[0], 0, h - 1), clamp(cell[1] + step[1], 0, w - 1)] : [0, 0];
    probe(left + ((column + 0.5) / w) * (right - left), top + ((row + 0.5) / h) * (bottom - top));
  });
  suppressShortcuts(parts.root, signal);

  const watched = [["change:photo change:size change:height", readPhoto], ["change:map change:secondary", readMap],
    ["change:look", readLook], ["change:choices", readOptions], ["change:methods change:reasons change:method", menu.read],
    [["name", "score", "pending", "contrast", "unheard", "no_secondary", "checkable", "receipt", "alt"]
      .map((name) => `change:${name}`).join(" "), readWords]];
  for (const [events, action] of watched) model.on(events, action);
  const size = new ResizeObserver(later);
  for (const [, action] of watched) action();
  leave();
  size.observe(frame);
  onTheme(later, signal);
  return () => {
    for (const [events, action] of watched) model.off(events, action);
    size.disconnect();
    controls.abort();
    cancel();
    URL.revokeObjectURL(address);
    el.replaceChildren(); // JupyterLab keeps `el` of a closed widget; it need not keep what was in it
  };
}

export default { render };

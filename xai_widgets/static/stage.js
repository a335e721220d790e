// The photo, and a coarse signed map over the part of it that the network saw. Opacity, colours, sign and up-sampling
// never ask the kernel: they redraw here, and the look is sent once when the gesture ends.

import { bytes, clamp, element, floats, onTheme, oncePerFrame, signed, suppressShortcuts } from "./dom.js";
import { cellOf, colourise, RAMPS, upsample, valueAt } from "./palettes.js";

const FINE = 448; // pixels on the longer side of an up-sampled map; the browser's own scaling does the rest

function chooser(label, options) {
  const select = element("select", { class: "xw-select", "aria-label": label });
  for (const [value, words] of options) select.append(element("option", { value }, words));
  return [select, element("label", { class: "xw-caption" }, `${label} `, select)];
}

function build() {
  const picture = () => element("img", { draggable: "false", alt: "" });
  const parts = {
    name: element("span", { class: "xw-title" }), label: element("span", { class: "xw-caption" }),
    headline: element("strong", { class: "xw-headline xw-numbers" }), facts: element("span", { class: "xw-facts xw-numbers" }),
    canvas: element("canvas", { role: "img" }), seen: element("div", { class: "xw-seen" }),
    empty: element("span", { class: "xw-empty", hidden: true }), probes: [0, 1].map(() => element("i", { class: "xw-probe", hidden: true })),
    photos: [picture(), picture()], title: element("figcaption", { class: "xw-caption" }),
    reading: element("output", { class: "xw-caption xw-numbers" }), scale: element("canvas", { width: 511, height: 1, "aria-hidden": "true" }),
    marker: element("i", { class: "xw-marker", hidden: true }), words: [0, 1].map(() => element("span")),
    numbers: [0, 1, 2].map(() => element("span")), notes: element("div", { class: "xw-notes xw-caption" }),
    opacity: element("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": "Opacity of the map" }),
  };
  const [method, methodLabel] = chooser("Question", []);
  const [palette, paletteLabel] = chooser("Colours", Object.keys(RAMPS).map((name) => [name, name.replace("-", " and ")]));
  const [sign, signLabel] = chooser("Values", [["signed", "signed"], ["positive", "positive only"]]);
  const [smooth, smoothLabel] = chooser("Map", [["smooth", "smooth"], ["cells", "native cells"]]);
  const grey = element("input", { type: "checkbox" });
  Object.assign(parts, { method, palette, sign, smooth, grey });
  parts.frame = element("div", { class: "xw-frame", tabindex: "0", role: "group",
    "aria-label": "Photo and map; arrow keys read the map cell by cell" },
    parts.photos[1], parts.seen, parts.canvas, parts.probes[1], parts.empty);
  const plain = element("div", { class: "xw-frame" }, parts.photos[0], parts.probes[0]);
  parts.frames = [plain, parts.frame];
  const box = (name, ...children) => element("div", { class: name }, ...children);
  const panels = box("xw-panels", element("figure", { class: "xw-plain" }, plain, element("figcaption", { class: "xw-caption" }, "photo")),
    element("figure", {}, parts.frame, parts.title));
  parts.key = box("xw-key xw-numbers", box("xw-ends", ...parts.words), box("xw-scale", parts.scale, parts.marker), box("xw-ends", ...parts.numbers));
  parts.root = element("div", { class: "xw xw-stage" },
    box("xw-body", box("xw-head", box("xw-who", parts.name, methodLabel), box("xw-score", parts.label, " ", parts.headline, parts.facts)), panels, parts.reading, parts.key, box("xw-bar", element("label", { class: "xw-caption" }, "Opacity ", parts.opacity),
      paletteLabel, signLabel, smoothLabel,
      element("label", { class: "xw-caption", title: "Under the map, so that every colour is the map's" }, grey, "Grey photo")), parts.notes));
  return parts;
}

function render({ model, el, signal }) {
  const parts = build(), { canvas, frame, frames, opacity, palette, sign, smooth, grey, method, scale } = parts;
  el.replaceChildren(parts.root);
  const context = canvas.getContext("2d");
  let map = null, address = "", cell = null, point = null, fading = false;
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
    parts.name.textContent = model.get("name"); // text, never HTML: it is a file name
  }

  function readScore() {
    const { label = "", headline = "", facts = [] } = model.get("score");
    parts.label.textContent = label;
    parts.headline.textContent = headline;
    parts.facts.replaceChildren(...facts.map((fact) => element("span", { class: "xw-caption" }, fact)));
  }

  function readMethods() {
    method.replaceChildren(...model.get("methods").map(([value, words, title, able]) =>
      element("option", { value, title, disabled: !able }, words)));
    method.value = model.get("method");
    method.title = model.get("methods").find(([value]) => value === method.value)?.[2] ?? "";
  }

  function readMap() {
    const answer = model.get("saliency"), { h, w } = answer;
    map = h && answer.values?.byteLength === 4 * h * w ? { ...answer, values: floats(answer.values) } : null;
    parts.key.style.visibility = map ? "visible" : "hidden"; // keeps its place while a new map is on its way
    parts.key.hidden = Boolean(map?.degenerate);
    parts.title.textContent = map ? map.title : "photo + map";
    parts.notes.replaceChildren(...(map?.note ?? "").split("\n").filter(Boolean).map((line) => element("div", {}, line)));
    parts.empty.hidden = !map?.degenerate;
    parts.empty.textContent = map?.degenerate ?? "";
    const [left, top, right, bottom] = map?.box ?? [0, 0, 1, 1], percent = (share) => `${share * 100}%`;
    for (const node of [canvas, parts.seen]) {
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
    canvas.style.opacity = opacity.value;
    sign.value = look.sign;
    smooth.value = look.smooth ? "smooth" : "cells";
    grey.checked = model.get("grey");
    parts.photos[1].classList.toggle("xw-grey", grey.checked);
    palette.value = map?.palette || look.palette;
    later();
    if (point) probe(...point);
  }

  function paint() {
    canvas.hidden = !map || Boolean(map.degenerate);
    if (!map) return;
    const { h, w, values, limit } = map, look = { palette: palette.value, sign: sign.value };
    const fine = smooth.value === "smooth", [across, down] = [canvas.clientWidth || w, canvas.clientHeight || h];
    const most = Math.min(FINE, Math.max(across, down)) / Math.max(across, down);
    const [H, W] = fine ? [Math.max(Math.round(down * most), 1), Math.max(Math.round(across * most), 1)] : [h, w];
    if (canvas.width !== W || canvas.height !== H) [canvas.width, canvas.height] = [W, H];
    canvas.style.imageRendering = fine ? "auto" : "pixelated";
    const image = context.createImageData(W, H);
    colourise(new Uint32Array(image.data.buffer), fine ? upsample(values, h, w, H, W) : values, limit, look);
    context.putImageData(image, 0, 0);
    canvas.setAttribute("aria-label", `${map.title}. Full colour at ${signed(limit)}. ${map.low} to ${map.high}.`);
    paintKey(look);
    canvas.dataset.painted = `${Number(canvas.dataset.painted ?? 0) + 1}`;
  }

  function paintKey(look) {
    const positive = look.sign === "positive" || map.one_sided, image = scale.getContext("2d").createImageData(511, 1);
    const values = Float32Array.from({ length: 511 }, (_, i) => (positive ? i / 510 : i / 255 - 1));
    colourise(new Uint32Array(image.data.buffer), values, 1, look);
    scale.getContext("2d").putImageData(image, 0, 0);
    const [low, high] = parts.words, { limit } = map;
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
    const value = valueAt(map.values, map.h, map.w, x, y, smooth.value === "smooth");
    cell = cellOf(map.h, map.w, x, y);
    say(`${at} · ${signed(value)} · cell ${cell[0]}, ${cell[1]} of ${map.h} × ${map.w}`, value / map.limit);
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

  const sendLook = () => model.send({ kind: "look", opacity: Number(opacity.value), sign: sign.value,
    smooth: smooth.value === "smooth", grey: grey.checked, ...(palette.disabled ? {} : { palette: palette.value }) });
  const listen = (target, type, action) => target.addEventListener(type, action, { signal });
  listen(opacity, "input", () => {
    fading = true;
    canvas.style.opacity = opacity.value; // the compositor's work: no repaint
  });
  listen(opacity, "change", () => {
    fading = false;
    sendLook();
  });
  for (const node of [palette, sign, smooth, grey]) {
    listen(node, "change", () => {
      parts.photos[1].classList.toggle("xw-grey", grey.checked);
      later();
      if (point) probe(...point);
      sendLook();
    });
  }
  listen(method, "change", () => model.send({ kind: "method", name: method.value }));
  for (const node of frames) {
    listen(node, "pointermove", (event) => {
      const box = node.getBoundingClientRect();
      probe(clamp((event.clientX - box.left) / box.width, 0, 1), clamp((event.clientY - box.top) / box.height, 0, 1));
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
  for (const node of [opacity, palette, sign, smooth, grey, method, frame]) suppressShortcuts(node, signal);

  const watched = [["change:photo change:size change:name change:height", readPhoto], ["change:saliency", readMap],
    ["change:look change:grey", readLook], ["change:score", readScore], ["change:methods change:method", readMethods]];
  for (const [events, action] of watched) model.on(events, action);
  const size = new ResizeObserver(later);
  for (const [, action] of watched) action();
  leave();
  size.observe(frame);
  onTheme(later, signal);
  return () => {
    for (const [events, action] of watched) model.off(events, action);
    size.disconnect();
    cancel();
    URL.revokeObjectURL(address);
    el.replaceChildren(); // JupyterLab keeps `el` of a closed widget; it need not keep what was in it
  };
}

export default { render };

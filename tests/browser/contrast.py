"""The contrast of words and what is behind them, in a page (WCAG 2.2, 1.4.3: at least 4.5 to 1)."""

from __future__ import annotations

# Colours as red, green, blue and opacity from 0 to 1. `behind` is what is seen under an element, `ratio` the contrast.
COLOURS = """
  const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data].map((value) => value / 255);
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const behind = (node) => {
    const own = node ? rgba(getComputedStyle(node).backgroundColor) : [1, 1, 1, 1];
    return own[3] > 0.999 ? own : over(own, behind(node.parentElement));
  };
  const light = (colour) => colour.slice(0, 3).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (ink, paper) => {
    const [high, low] = [light(ink), light(paper)].sort((x, y) => y - x);
    return Math.round(100 * (high + 0.05) / (low + 0.05)) / 100;
  };
"""

# Words of elements that are too pale; disabled controls may be.
PALE = f"""(root) => {{{COLOURS}
  const words = [...root.querySelectorAll("*")].filter((node) => node.checkVisibility({{ visibilityProperty: true }})
    && !node.closest(":disabled, .xw-figure, option")
    && [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  if (!words.length) throw new Error("no words");
  return words.map((node) => {{
    const paper = behind(node), ink = over(rgba(getComputedStyle(node).color), paper);
    return [node.textContent.trim().slice(0, 40), ratio(ink, paper)];
  }}).filter(([, found]) => found < 4.5);
}}"""

# Words on canvases that are too pale, of those that `window.drawn` holds.
PALE_ON_CANVAS = f"""() => {{{COLOURS}
  return [...window.drawn.values()].map(({{ text, ink, alpha, under, canvas }}) => {{
    const paper = behind(canvas), data = under.data, mean = [0, 0, 0, 0];
    for (let i = 0; i < data.length; i++) mean[i % 4] += (i % 4 < 3 ? data[i] / 255 * data[i + 3 - i % 4] : data[i]);
    for (let i = 0; i < 3; i++) mean[i] /= mean[3] || 1; // a colour counts by its opacity
    mean[3] /= 255 * data.length / 4;
    const ground = over(mean, paper), [r, g, b, a] = rgba(ink);
    return [text, ratio(over([r, g, b, a * alpha], ground), ground)];
  }}).filter(([, found]) => found < 4.5);
}}"""

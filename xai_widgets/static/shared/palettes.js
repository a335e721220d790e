// Colours of signed values, and the values between the cells of a coarse map. No document: `node --test` imports this.

// From -1 to 1, of equal OKLab lightness at equal distance from 0 (tested), safe for the common colour blindnesses but for
// the last one, whose colours are those of earlier publications.
// The object is JSON: Python reads it for pictures that stay.
/** @type {Record<string, [number, number, number][]>} */
export const RAMPS = {
  "blue-red": [[0, 86, 170], [69, 130, 205], [134, 174, 224], [232, 143, 135], [210, 76, 73], [168, 0, 24]],
  "purple-orange": [[111, 53, 162], [149, 103, 197], [184, 156, 219], [208, 159, 126], [180, 108, 54], [135, 67, 0]],
  "purple-green": [[111, 53, 162], [149, 103, 197], [184, 156, 219], [139, 184, 147], [74, 147, 92], [0, 107, 46]],
  "red-green": [[168, 0, 24], [210, 76, 73], [232, 143, 135], [139, 184, 147], [74, 147, 92], [0, 107, 46]]
};
const PALE = 224; // red, green and blue of a colour without saturation

/** How much of the photo a value of this size (0 to 1) covers; steeper at first, so that weak places are seen too. @param {number} size */
export const cover = (size) => Math.min(Math.abs(size), 1) ** 0.8;

/** The colour [r, g, b] of a value from -1 to 1. @param {string} name @param {number} value */
export function colourOf(name, value) {
  const stops = RAMPS[name], at = ((value + 1) / 2) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2), part = at - low;
  return stops[low].map((from, channel) => Math.round(from + part * (stops[low + 1][channel] - from)));
}

/** @type {Map<string, Uint32Array>} */
const tables = new Map();

/** 511 colours for -1 ... 1 as words of a little-endian ImageData; transparent at 0. @param {string} name @returns {Uint32Array} */
export function ramp(name) {
  if (!tables.has(name)) {
    tables.set(name, Uint32Array.from({ length: 511 }, (_, i) => {
      const value = (i - 255) / 255, [r, g, b] = colourOf(name, value);
      return ((Math.round(cover(value) * 255) << 24) | (b << 16) | (g << 8) | r) >>> 0;
    }));
  }
  return tables.get(name);
}

/**
 * Where each of N places lies among n cells: [cell below, cell above, share of the latter]; centres aligned.
 * @param {number} n
 * @param {number} N
 * @returns {[Int32Array, Int32Array, Float32Array]}
 */
function taps(n, N) {
  const low = new Int32Array(N), high = new Int32Array(N), part = new Float32Array(N);
  for (let i = 0; i < N; i++) {
    const at = Math.min(Math.max(((i + 0.5) * n) / N - 0.5, 0), n - 1);
    low[i] = Math.floor(at);
    high[i] = Math.min(low[i] + 1, n - 1);
    part[i] = at - low[i];
  }
  return [low, high, part];
}

/**
 * Bilinear, as torch's interpolate(mode="bilinear", align_corners=False). Values are up-sampled, not colours.
 * @param {ArrayLike<number>} values (h w)
 * @param {number} h
 * @param {number} w
 * @param {number} H
 * @param {number} W
 */
export function upsample(values, h, w, H, W) {
  const out = new Float32Array(H * W), [lefts, rights, us] = taps(w, W), [tops, bottoms, vs] = taps(h, H);
  for (let y = 0, to = 0; y < H; y++) {
    const top = tops[y] * w, bottom = bottoms[y] * w, v = vs[y];
    for (let x = 0; x < W; x++) {
      const left = lefts[x], right = rights[x], u = us[x];
      const upper = values[top + left] * (1 - u) + values[top + right] * u;
      const lower = values[bottom + left] * (1 - u) + values[bottom + right] * u;
      out[to++] = upper * (1 - v) + lower * v;
    }
  }
  return out;
}

/** The cell that holds the place (u, v), both from 0 to 1. @param {number} h @param {number} w @param {number} u @param {number} v */
export const cellOf = (h, w, u, v) =>
  [Math.min(Math.max(Math.floor(v * h), 0), h - 1), Math.min(Math.max(Math.floor(u * w), 0), w - 1)];

/**
 * The value at the place (u, v): between the cells, or of the cell itself.
 * @param {ArrayLike<number>} values (h w)
 * @param {number} h
 * @param {number} w
 * @param {number} u
 * @param {number} v
 * @param {boolean} [smooth]
 */
export function valueAt(values, h, w, u, v, smooth = true) {
  if (!smooth) {
    const [row, column] = cellOf(h, w, u, v);
    return values[row * w + column];
  }
  const x = Math.min(Math.max(u * w - 0.5, 0), w - 1), y = Math.min(Math.max(v * h - 0.5, 0), h - 1);
  const left = Math.floor(x), top = Math.floor(y), right = Math.min(left + 1, w - 1), bottom = Math.min(top + 1, h - 1);
  const upper = values[top * w + left] * (1 - x + left) + values[top * w + right] * (x - left);
  const lower = values[bottom * w + left] * (1 - x + left) + values[bottom * w + right] * (x - left);
  return upper * (1 - y + top) + lower * (y - top);
}

/** A colour as a word, paler where its strength (0 to 1) is less: that of no strength is a light grey. @param {number} word @param {number} strength */
function paler(word, strength) {
  const share = Math.min(Math.max(strength, 0), 1);
  const mixed = (/** @type {number} */ shift) => Math.round(PALE + share * (((word >>> shift) & 255) - PALE)) << shift;
  return ((word & 0xff000000) | mixed(16) | mixed(8) | mixed(0)) >>> 0;
}

/**
 * Write the colours of `values` into the words of an ImageData; values that are not finite stay transparent.
 * `strength` (0 to 1, as many as values) says how saturated the colour is, of a map with two dimensions.
 * @param {Uint32Array} words
 * @param {ArrayLike<number>} values
 * @param {number} limit the value of the full colour
 * @param {{ palette: string, sign?: string }} look
 * @param {ArrayLike<number> | null} [strength]
 */
export function colourise(words, values, limit, { palette, sign }, strength = null) {
  const table = ramp(palette), lowest = sign === "positive" ? 0 : -1, scale = limit > 0 ? 1 / limit : 0;
  for (let i = 0; i < values.length; i++) {
    const value = Math.min(Math.max(values[i] * scale, lowest), 1);
    words[i] = table[value === value ? Math.round((value + 1) * 255) : 255]; // NaN is not equal to itself
    if (strength) words[i] = paler(words[i], strength[i]);
  }
}

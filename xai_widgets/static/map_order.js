// Which feature maps are shown, in which order, and what is said of each. No document: `node --test` imports this.
// Removing a map changes the score by delta y, so a map with delta y < 0 raises the score, one with > 0 lowers it.

export const ORDERS = {
  effect: "strongest first",
  raises: "raises most",
  lowers: "lowers most",
  helps: "helps most",
  harms: "harms most",
  role: "by role",
  index: "by number",
};
/** Mark and words of each choice of maps; "%" stands for what is scored. */
export const FILTERS = {
  all: ["", "all maps"],
  raises: ["▲", "raises %"],
  lowers: ["▼", "lowers %"],
  helpful: ["●", "helps"],
  harmful: ["◆", "harms"],
  changed: ["", "gain changed"],
  muted: ["", "muted"],
  selected: ["", "selected"],
};
export const NEEDS_RATING = new Set(["helps", "harms", "role", "helpful", "harmful"]);
export const helps = (role) => role === 1 || role === 2;
export const harms = (role) => role === 3 || role === 4;

/** Keeps a map: what the name of a filter means. `bank` holds arrays with one value a map. */
function keeper(bank, filter) {
  const { delta, roles, gains, selected, dead } = bank;
  return {
    raises: (i) => !dead[i] && delta?.[i] < 0,
    lowers: (i) => !dead[i] && delta?.[i] > 0,
    helpful: (i) => helps(roles?.[i]),
    harmful: (i) => harms(roles?.[i]),
    changed: (i) => gains[i] !== 1,
    muted: (i) => gains[i] === 0,
    selected: (i) => selected.has(i),
  }[filter] ?? (() => true);
}

/** How many maps each filter keeps. */
export function countsOf(bank) {
  const maps = Array.from(bank.gains.keys());
  return Object.fromEntries(Object.keys(FILTERS).map((name) => [name, maps.filter(keeper(bank, name)).length]));
}

/** What a map is sorted by, descending; NaN sorts last. */
function ranker(bank, order) {
  const { delta, error, roles } = bank, size = (i) => Math.abs(delta?.[i] ?? 0), most = 1 + bank.most;
  return {
    effect: size,
    raises: (i) => -(delta?.[i] ?? 0),
    lowers: (i) => delta?.[i] ?? 0,
    helps: (i) => error?.[i] ?? 0,
    harms: (i) => -(error?.[i] ?? 0),
    role: (i) => size(i) - most * ((roles?.[i] ?? 0) || 5), // neutral maps last
  }[order] ?? (() => 0);
}

/** Numbers of the maps that are shown, in order; ties by number, dead maps last unless sorted by number. */
export function arrange(bank, order, filter) {
  const rank = ranker(bank, order), keep = keeper(bank, filter), count = bank.gains.length;
  const key = Float64Array.from({ length: count }, (_, i) => {
    const value = bank.dead[i] && order !== "index" ? -Infinity : rank(i);
    return value === value ? value : -Infinity;
  });
  return Array.from({ length: count }, (_, i) => i).filter(keep).sort((a, b) => (key[b] > key[a]) - (key[b] < key[a]) || a - b);
}

/** The largest |delta y|: the length of a full bar. */
export const largest = (delta) => (delta ?? []).reduce((most, value) => (Math.abs(value) > most ? Math.abs(value) : most), 0);

/** So many decimals that the largest effect shows `figures` of them; all cells share it, so that they compare. */
export const decimalsFor = (most, figures) => (most > 0 ? Math.min(Math.max(figures - 1 - Math.floor(Math.log10(most)), 0), 9) : 0);

/** A signed number with a true minus and without the zero before the point. */
export function short(value, decimals) {
  if (value === undefined || value !== value) return "…";
  if (value === 0) return "0";
  return (value < 0 ? "−" : "+") + Math.abs(value).toFixed(decimals).replace(/^0\./, ".");
}

const plain = (value) => (Math.abs(value) >= 0.001 || value === 0 ? value.toPrecision(3) : value.toExponential(1));

/** What is known of a map, in two lines of words: [short, long]. */
export function describe(bank, i, subject = "the score") {
  const { delta, exact, error, roles, gains, dead, value } = bank, gain = gains[i];
  const state = gain === 0 ? "muted" : `gain ${gain.toFixed(2)}`;
  if (dead[i]) return [`map ${i} · ${state} · dead`, "Zero everywhere on this image: its gain changes nothing."];
  const change = delta?.[i];
  if (change === undefined || change !== change) return [`map ${i} · ${state}`, "Its effect is being computed."];
  const way = change < 0 ? `raises ${subject}` : change > 0 ? `lowers ${subject}` : `leaves ${subject} as it is`;
  const about = exact[i] ? "" : "about ";
  const size = `${change < 0 ? "−" : "+"}${plain(Math.abs(change))}`;
  let long = `Without it: ${plain(value)} → ${about}${plain(value + change)} (Δy ${exact[i] ? "" : "≈ "}${size}).`;
  if (roles) {
    const grows = error[i] > 0 ? "grow" : "shrink";
    const name = bank.errorName ?? "error";
    long += roles[i] ? ` The ${name} would ${grows} by ${plain(Math.abs(error[i]))}.` : ` The ${name} would stay the same.`;
  }
  const role = roles ? ` · ${roles[i] ? bank.roleWords[roles[i]].split(",")[0] : "neutral"}` : "";
  return [`map ${i} · ${state} · ${way}${role}`, long];
}

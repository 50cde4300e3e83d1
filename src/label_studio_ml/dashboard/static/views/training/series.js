/** The metrics of a training over time, arranged for plots. */

const PREFIX = /^(train|training|val|valid|validation|eval|dev|test)[_/.\- ]+/i;
const SUFFIX = /[_/.\- ]+(train|training|val|valid|validation|eval|dev|test)$/i;

/** The most plots, and the most lines of one plot. */
const MOST_PLOTS = 24;
const MOST_LINES = 12;

/** Return the names of the metrics in points, in the order of their first appearance. */
export function namesOf(points) {
  const names = new Set();
  for (const point of points) {
    for (const [name, value] of Object.entries(point)) {
      if (name !== "step" && name !== "time" && typeof value === "number") names.add(name);
    }
  }
  return [...names];
}

/**
 * Return plots: `{label, x, lines}` with one line for each metric. Metrics that differ in "train" or "val" only are in
 * one plot. `by` is "step" or "time" (seconds since 1970); points without a step are numbered.
 */
export function plotsOf(points, by) {
  const groups = new Map();
  for (const name of namesOf(points)) {
    const group = name.replace(PREFIX, "").replace(SUFFIX, "") || name;
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(name);
  }
  return [...groups].slice(0, MOST_PLOTS).map(([label, names]) => ({ label, ...rows(points, names.slice(0, MOST_LINES), by) }));
}

function rows(points, names, by) {
  const values = new Map(); // x -> name -> value
  points.forEach((point, index) => {
    const x = by === "time" ? Date.parse(point.time) / 1000 : typeof point.step === "number" ? point.step : index + 1;
    if (!Number.isFinite(x)) return;
    for (const name of names) {
      if (typeof point[name] === "number") values.set(x, { ...values.get(x), [name]: point[name] });
    }
  });
  const x = [...values.keys()].sort((one, other) => one - other);
  return { x, lines: names.map((name) => ({ label: name, values: x.map((place) => values.get(place)[name] ?? null) })) };
}

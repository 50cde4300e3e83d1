/** Numbers, times and sizes as texts for people. */

const SIZES = ["bytes", "kB", "MB", "GB", "TB"];

/** Return a number with at most `digits` significant digits, "–" for anything that is no finite number. */
export function number(value, digits = 4) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return value.toLocaleString("en", { maximumSignificantDigits: digits });
}

/** Return a share from 0 to 1 as a percentage. */
export function percent(value, digits = 3) {
  return typeof value === "number" && Number.isFinite(value) ? `${number(value * 100, digits)} %` : "–";
}

/** Return a count with its noun: `count(1, "task")`, `count(3, "task")`, `count(2, "entry", "entries")`. */
export function count(value, one, several = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : several}`;
}

/** Return a size in bytes, such as "3.2 MB" (powers of 1000). */
export function size(bytes) {
  if (typeof bytes !== "number" || !Number.isFinite(bytes)) return "–";
  const power = Math.min(SIZES.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
  return power ? `${number(bytes / 1000 ** power, 3)} ${SIZES[power]}` : count(bytes, "byte");
}

/** Return a duration in seconds, such as "0.35 s", "42 s", "3 min 20 s" or "2 h 5 min". */
export function duration(seconds) {
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${number(seconds, 2)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Return the Date of an ISO text or of seconds since 1970, null if it is neither. */
export function date(value) {
  const made = typeof value === "number" ? new Date(value * 1000) : new Date(value || NaN);
  return Number.isNaN(made.getTime()) ? null : made;
}

/** Return a time in the reader's time zone, such as "30 Nov 2026, 14:03:07"; "–" if there is none. */
export function dateTime(value) {
  const made = date(value);
  return made ? made.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }) : "–";
}

/** Return how long ago a time was, such as "5 min ago"; `now` is a Date. */
export function ago(value, now = new Date()) {
  const made = date(value);
  if (!made) return "–";
  const seconds = (now - made) / 1000;
  if (seconds < -5) return `in ${coarse(-seconds)}`;
  return seconds < 5 ? "now" : `${coarse(seconds)} ago`;
}

function coarse(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h`;
  return count(Math.round(seconds / 86400), "day");
}

/** Times as texts in a strftime-like format, as `timeFormat` of a `<TimeSeries>` has it. All times are UTC. */

const MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
const DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const short = (names) => names.map((name) => name.slice(0, 3));
const indexOf = (names, text) => names.indexOf(text.toLowerCase());

/** For each directive: a pattern, and how its text changes the fields of a time. */
const DIRECTIVES = {
  Y: ["[+-]?\\d{1,4}", (fields, text) => { fields.year = Number(text); }],
  y: ["\\d{1,2}", (fields, text) => { fields.year = Number(text) + (Number(text) > 68 ? 1900 : 2000); }],
  m: ["\\d{1,2}", (fields, text) => { fields.month = Number(text) - 1; }],
  d: ["\\s*\\d{1,2}", (fields, text) => { fields.day = Number(text); }],
  e: ["\\s*\\d{1,2}", (fields, text) => { fields.day = Number(text); }],
  j: ["\\d{1,3}", (fields, text) => { fields.month = 0; fields.day = Number(text); }],
  H: ["\\d{1,2}", (fields, text) => { fields.hour = Number(text); }],
  I: ["\\d{1,2}", (fields, text) => { fields.hour = Number(text); fields.twelve = true; }],
  M: ["\\d{1,2}", (fields, text) => { fields.minute = Number(text); }],
  S: ["\\d{1,2}", (fields, text) => { fields.second = Number(text); }],
  L: ["\\d{1,3}", (fields, text) => { fields.milliseconds = Number(text.padEnd(3, "0")); }],
  f: ["\\d{1,6}", (fields, text) => { fields.milliseconds = Number(text.padEnd(3, "0").slice(0, 3)); }],
  p: ["[aApP][mM]", (fields, text) => { fields.afternoon = /^p/i.test(text); }],
  B: [MONTHS.join("|"), (fields, text) => { fields.month = indexOf(MONTHS, text); }],
  b: [short(MONTHS).join("|"), (fields, text) => { fields.month = indexOf(short(MONTHS), text); }],
  A: [DAYS.join("|"), () => {}],
  a: [short(DAYS).join("|"), () => {}],
  Z: ["Z|[+-]\\d{2}:?\\d{2}", zone],
  z: ["Z|[+-]\\d{2}:?\\d{2}", zone],
  Q: ["-?\\d+(?:\\.\\d+)?", (fields, text) => { fields.since1970 = Number(text); }],
  s: ["-?\\d+(?:\\.\\d+)?", (fields, text) => { fields.since1970 = Number(text) * 1000; }],
};
/** Directives that stand for others. */
const COMBINED = { "%T": "%H:%M:%S", "%R": "%H:%M", "%D": "%m/%d/%y", "%F": "%Y-%m-%d", "%X": "%-I:%M:%S %p", "%x": "%-m/%-d/%Y", "%h": "%b" };

function zone(fields, text) {
  const found = /([+-])(\d{2}):?(\d{2})/.exec(text);
  if (found) fields.offset = (found[1] === "-" ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3]));
}

/**
 * Return a function that reads a text in a format as milliseconds since 1970; NaN for a text in another format.
 * @param {string} format such as `%Y-%m-%d %H:%M:%S`
 * @returns {(text: string) => number}
 */
export function timeParser(format) {
  const whole = format.replace(/%[TRDFXxh]/g, (directive) => COMBINED[directive]);
  const setters = [];
  const pattern = whole.replace(/%[-_0]?([A-Za-z%])|[\\^$.*+?()[\]{}|/]|\s+/g, (found, directive) => {
    if (directive === undefined) return /^\s/.test(found) ? "\\s+" : `\\${found}`;
    if (directive === "%") return "%";
    if (!(directive in DIRECTIVES)) return "(?!)";
    setters.push(DIRECTIVES[directive][1]);
    return `(${DIRECTIVES[directive][0]})`;
  });
  const expression = new RegExp(`^${pattern}$`, "i");
  return (text) => {
    const found = expression.exec(String(text));
    if (!found) return NaN;
    const fields = { year: 1900, month: 0, day: 1, hour: 0, minute: 0, second: 0, milliseconds: 0, offset: 0 };
    setters.forEach((set, index) => set(fields, found[index + 1]));
    return toTime(fields);
  };
}

function toTime(fields) {
  if (fields.since1970 !== undefined) return fields.since1970;
  const hour = fields.twelve ? (fields.hour % 12) + (fields.afternoon ? 12 : 0) : fields.hour;
  const time = new Date(0);
  time.setUTCFullYear(fields.year, fields.month, fields.day);
  time.setUTCHours(hour, fields.minute - fields.offset, fields.second, 0);
  return time.getTime() + fields.milliseconds;
}

/** Return a time (milliseconds since 1970) as text, without the parts that are zero. */
export function showTime(time) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return String(time);
  return date.toISOString().replace("T", " ").replace(/(:00)?\.000Z$|Z$/, "").replace(/ 00:00$/, "");
}

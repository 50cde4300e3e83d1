/** Where a text stops being JSON (RFC 8259): browsers name the place of some errors only. */

const TOKEN = /[\t\n\r ]*(?:("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|([[\]{}:,]))/y;

/**
 * Return the index of the first character at which `text` is no JSON, null if it is JSON. At the end of a text that
 * stops too early, it is the text's length.
 */
export function firstError(text) {
  const open = [];
  // What may come next: a value, the first entry of a list or object or its end, a key, a colon, or the end of an entry.
  let expected = "value";
  let at = 0;
  for (;;) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text);
    const start = at + /^[\t\n\r ]*/.exec(text.slice(at, at + 100_000))[0].length;
    if (start >= text.length) return expected === "end" && !open.length ? null : text.length;
    if (!token) return start;
    const [, string, scalar, sign] = token;
    const inside = open.at(-1);
    const closes = (sign === "]" && inside === "[") || (sign === "}" && inside === "{");
    if (expected === "end") {
      if (closes) open.pop();
      else if (sign === "," && inside) expected = inside === "{" ? "key" : "value";
      else return start;
    } else if (expected === "colon") {
      if (sign !== ":") return start;
      expected = "value";
    } else if (closes && expected.startsWith("first")) {
      open.pop();
      expected = "end";
    } else if (expected === "key" || expected === "first key") {
      if (string === undefined) return start;
      expected = "colon";
    } else if (sign === "[" || sign === "{") {
      open.push(sign);
      expected = sign === "[" ? "first value" : "first key";
    } else if (string !== undefined || scalar !== undefined) {
      expected = "end";
    } else {
      return start;
    }
    at = TOKEN.lastIndex;
  }
}

import { html, useState } from "../lib/html.js";

/**
 * A text that may be very long: the first `most` characters, and a button that shows all of it. The browser decides its
 * direction; control characters are shown as symbols.
 */
export function ShortText({ text, most = 300 }) {
  const [whole, setWhole] = useState(false);
  const shown = visible(String(text ?? ""));
  if (shown.length <= most || whole) return html`<bdi class="text">${shown}</bdi>`;
  return html`<bdi class="text">${cut(shown, most)}…</bdi>${" "}<button type="button" class="plain small"
    onClick=${() => setWhole(true)}>show all ${shown.length.toLocaleString("en")} characters</button>`;
}

/** Return `text` with control characters other than line ends and tabs as symbols, so that they have no effect. */
export function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, (sign) => String.fromCharCode(0x2400 + sign.charCodeAt(0)))
    .replace(/\u007f/g, "\u2421").replace(/[\u0080-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

/** Return the first `most` characters of `text`, without half a surrogate pair at the end. */
export function cut(text, most) {
  const part = text.slice(0, most);
  return /[\ud800-\udbff]$/.test(part) ? part.slice(0, -1) : part;
}

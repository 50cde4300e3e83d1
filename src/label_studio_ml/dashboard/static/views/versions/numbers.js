import { html } from "../../lib/html.js";
import { number } from "../../lib/format.js";

const ARROWS = { up: "▲", down: "▼", none: "=" };

/** A metric's value with four significant digits; the exact value is shown when the pointer or the focus is on it. */
export function Value({ value, focusable = false }) {
  const shown = number(value);
  const exact = typeof value === "number" ? String(value) : "";
  if (!exact || exact === shown.replaceAll(",", "")) return html`<span>${shown}</span>`;
  return html`<span class="exact" title=${exact} data-exact=${exact} tabindex=${focusable ? 0 : undefined}>${shown}</span>`;
}

/** A difference `{by, verdict}` with arrow, sign and a word; nothing if there is none. */
export function Change({ change }) {
  if (!change) return null;
  const { by, verdict } = change;
  const arrow = ARROWS[by > 0 ? "up" : by < 0 ? "down" : "none"];
  const sign = by > 0 ? "+" : by < 0 ? "−" : "±";
  return html`<small class=${`change change-${verdict}`} title=${`exact difference: ${by}`}>
    <span aria-hidden="true">${arrow}</span> ${sign}${number(Math.abs(by))} ${verdict}
  </small>`;
}

/** How to read a metric: whether more of it is better. */
export function directionWords(direction) {
  return { higher: "higher is better", lower: "lower is better" }[direction] || "";
}

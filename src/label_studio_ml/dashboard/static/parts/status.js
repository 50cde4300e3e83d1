import { html } from "../lib/html.js";

const SIGNS = { good: "✓", bad: "✕", warning: "!", busy: "▶", waiting: "…", neutral: "·" };

/** A state in a word, with a sign and a colour. `kind` is good, bad, warning, busy, waiting or neutral. */
export function Status({ kind = "neutral", children }) {
  return html`<span class="status status-${kind}"><span aria-hidden="true">${SIGNS[kind]}</span> ${children}</span>`;
}

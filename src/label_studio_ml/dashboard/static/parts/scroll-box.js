import { html } from "../lib/html.js";

/** A region that scrolls sideways by itself, so that wide tables do not widen the page; the keyboard reaches it. */
export function ScrollBox({ label, children }) {
  return html`<div class="scroll-box" role="region" aria-label=${label} tabindex="0">${children}</div>`;
}

import { html } from "../lib/html.js";

/**
 * A box that scrolls sideways by itself, so that wide tables do not widen the page; the keyboard reaches it. It is a group,
 * no region: the landmarks of a page are its sections, and a table in each would double them.
 */
export function ScrollBox({ label, children }) {
  return html`<div class="scroll-box" role="group" aria-label=${label} tabindex="0">${children}</div>`;
}

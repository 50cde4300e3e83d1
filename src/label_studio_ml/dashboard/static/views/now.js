import { html } from "../lib/html.js";

export const title = "Now";

/** The view now: not built yet. */
export default function View() {
  return html`<h1>${title}</h1>`;
}

import { html } from "../lib/html.js";

export const title = "Value";

/** The view value: not built yet. */
export default function View() {
  return html`<h1>${title}</h1>`;
}

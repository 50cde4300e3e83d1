import { html } from "../lib/html.js";

export const title = "Trial";

/** The view trial: not built yet. */
export default function View() {
  return html`<h1>${title}</h1>`;
}

import { html } from "../lib/html.js";

export const title = "Version";

/** The view version: not built yet. */
export default function View() {
  return html`<h1>${title}</h1>`;
}

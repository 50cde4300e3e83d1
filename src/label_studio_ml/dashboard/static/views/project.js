import { html } from "../lib/html.js";

export const title = "Project";

/** The view project: not built yet. */
export default function View() {
  return html`<h1>${title}</h1>`;
}

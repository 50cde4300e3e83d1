import { html } from "../lib/html.js";

export const title = "Projects";

/** The view projects: not built yet. */
export default function View() {
  return html`<h1>${title}</h1>`;
}

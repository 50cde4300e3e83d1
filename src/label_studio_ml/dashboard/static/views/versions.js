import { html } from "../lib/html.js";

export const title = "Versions";

/** The view versions: not built yet. */
export default function View() {
  return html`<h1>${title}</h1>`;
}

import { html } from "../lib/html.js";

export const title = "Training";

/** The view training: not built yet. */
export default function View() {
  return html`<h1>${title}</h1>`;
}

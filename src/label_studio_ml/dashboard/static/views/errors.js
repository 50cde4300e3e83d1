import { html } from "../lib/html.js";

export const title = "Errors";

/** The view errors: not built yet. */
export default function View() {
  return html`<h1>${title}</h1>`;
}

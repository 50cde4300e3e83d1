import { html } from "../lib/html.js";

export const title = "Trainings";

/** The view trainings: not built yet. */
export default function View() {
  return html`<h1>${title}</h1>`;
}

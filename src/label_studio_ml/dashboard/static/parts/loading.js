import { html } from "../lib/html.js";

/** A placeholder while `what` is being read. */
export function Loading({ what = "" }) {
  return html`<p class="loading" role="status" aria-busy="true">Reading ${what || "data"} …</p>`;
}

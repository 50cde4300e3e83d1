import { html } from "../lib/html.js";
import { percent } from "../lib/format.js";

/** A progress bar named `label`: `value` from 0 to 1, or undefined while the end is not known. */
export function Progress({ label, value }) {
  const known = typeof value === "number" && Number.isFinite(value) && value >= 0;
  return html`<span class="progress">
    <progress aria-label=${label} max="1" ...${known ? { value: Math.min(1, value) } : {}}></progress>
    ${known && html`<span class="progress-number">${percent(Math.min(1, value))}</span>`}
  </span>`;
}

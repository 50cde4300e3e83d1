import { html } from "../lib/html.js";
import { number } from "../lib/format.js";

/** Buttons for the pages of a list: `first` is the number of its first entry from 0, `size` the entries of a page. */
export function Pager({ first, size, total, onPage, label = "Pages" }) {
  if (total <= size) return null;
  const last = Math.min(total, first + size);
  return html`<nav class="pager" aria-label=${label}>
    <button type="button" class="small secondary" disabled=${first <= 0} onClick=${() => onPage(Math.max(0, first - size))}>Previous</button>
    <span aria-live="polite">${number(first + 1)} to ${number(last)} of ${number(total)}</span>
    <button type="button" class="small secondary" disabled=${last >= total} onClick=${() => onPage(first + size)}>Next</button>
  </nav>`;
}

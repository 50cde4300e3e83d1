/** The buttons of a drawing: size, labels on the picture, and which of several pictures is shown. */

import { html } from "../../lib/html.js";

const MOST = 8;

/** Buttons that make the picture larger and smaller. */
export function Zoom({ zoom, onZoom }) {
  const step = (factor) => onZoom(Math.min(MOST, Math.max(1, zoom * factor)));
  return html`<div class="picture-zoom" role="group" aria-label="Size">
    <button type="button" class="small secondary" aria-label="Smaller" disabled=${zoom <= 1} onClick=${() => step(1 / 1.5)}>−</button>
    <span aria-live="polite">${Math.round(zoom * 100)} %</span>
    <button type="button" class="small secondary" aria-label="Larger" disabled=${zoom >= MOST} onClick=${() => step(1.5)}>+</button>
    <button type="button" class="small secondary" disabled=${zoom === 1} onClick=${() => onZoom(1)}>Fit</button>
  </div>`;
}

/** A switch for the labels on the picture. */
export function CaptionSwitch({ captions, onCaptions }) {
  return html`<label class="picture-switch">
    <input type="checkbox" checked=${captions} onChange=${(event) => onCaptions(event.target.checked)} />
    Labels on the picture
  </label>`;
}

/**
 * Buttons for several pictures.
 * @param {{page: number, count: number, word: string, onPage: (page: number) => void}} props `page` counts from 0
 */
export function PagePicker({ page, count, word, onPage }) {
  if (count < 2) return null;
  return html`<nav class="pager" aria-label=${`${word}s`}>
    <button type="button" class="small secondary" disabled=${page <= 0} onClick=${() => onPage(page - 1)}>Previous</button>
    <span aria-live="polite">${word} ${page + 1} of ${count}</span>
    <button type="button" class="small secondary" disabled=${page + 1 >= count} onClick=${() => onPage(page + 1)}>Next</button>
  </nav>`;
}

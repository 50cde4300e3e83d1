/** Masks over a picture, on a canvas with a pixel for each of the picture. */

import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { paintMasks } from "./mask-painter.js";

const NONE = new Map();

/**
 * The masks of regions. One that is highlighted is painted once more on a canvas of its own.
 * @param {object} props
 * @param {{width: number, height: number}} props.size of the picture in pixels
 * @param {Array<object>} props.regions those with masks
 * @param {string|null} props.active the key of the highlighted region
 * @param {(results: Map<string, object>) => void} props.onPainted called with what `paintMasks` returns
 */
export function MaskLayer({ size, regions, active, onPainted }) {
  const highlighted = regions.filter((region) => region.key === active);
  return html`
    <${Masks} ...${{ size, regions, onPainted }} dimmed=${highlighted.length > 0} />
    ${highlighted.length > 0 && html`<${Masks} key=${active} size=${size} regions=${highlighted} onPainted=${() => {}} />`}
  `;
}

function Masks({ size, regions, onPainted, dimmed = false }) {
  const canvas = useRef(null);
  const [busy, setBusy] = useState(true);
  const keys = regions.map((region) => region.key).join(" ");
  useEffect(() => {
    const abort = new AbortController();
    if (!regions.length) {
      onPainted(NONE);
      return undefined;
    }
    setBusy(true);
    paintMasks(canvas.current, regions, size, abort.signal).then((results) => {
      if (results === null) return;
      setBusy(false);
      onPainted(results);
    });
    return () => abort.abort();
    // The regions are the same as long as the result is: their keys are not enough, since results have the same keys.
  }, [regions.length ? regions[0].value : null, keys, size.width, size.height]);
  if (!regions.length) return null;
  return html`<canvas ref=${canvas} class=${dimmed ? "picture-masks is-dimmed" : "picture-masks"} aria-hidden="true"
    data-painted=${busy ? "no" : "yes"}></canvas>`;
}

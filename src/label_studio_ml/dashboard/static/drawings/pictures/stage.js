/** A picture with the regions on it, which can be made larger. */

import { html, useMemo, useRef } from "../../lib/html.js";
import { useWidth } from "../../lib/element-width.js";
import { outlineOf } from "./kinds.js";
import { MaskLayer } from "./mask-layer.js";
import { ShapeLayer } from "./shape-layer.js";

/** The most shapes that are drawn at once. */
export const MAX_SHAPES = 3000;

/**
 * Return the shapes of regions and why some have none, by the keys of the regions.
 * @param {Array<object>} regions
 * @param {{width: number, height: number}} size of the picture in pixels
 * @param {Map<string, object>} masks what was painted
 * @param {number} pixel the size of a pixel of the screen, in pixels of the picture
 */
export function shapesOf(regions, size, masks, pixel = 1) {
  return regions.slice(0, MAX_SHAPES).map((region) => {
    if (region.kind.mask) {
      const { bounds = null, problem = "" } = masks.get(region.key) ?? {};
      return { region, outline: null, bounds, problem };
    }
    const { outline, problem } = outlineOf(region, size, pixel);
    return { region, outline, bounds: outline?.bounds ?? null, problem };
  });
}

/**
 * A picture or video with regions.
 * @param {object} props
 * @param {object} props.media the element of the picture
 * @param {{width: number, height: number}} props.size of the picture in pixels
 * @param {Array<object>} props.regions those on the picture
 * @param {Array<object>} props.relations between them
 * @param {Map<string, object>} props.masks what was painted
 * @param {(results: Map<string, object>) => void} props.onPainted
 * @param {number} props.zoom 1: as wide as there is room
 * @param {string} props.label the accessible name of the area that scrolls
 */
export function Stage({ media, size, regions, relations, masks, onPainted, active, onActive, captions, zoom, label, pointer, children }) {
  const stage = useRef(null);
  const width = useWidth(stage);
  const pixel = width ? size.width / width : 1;
  const shapes = useMemo(() => shapesOf(regions, size, masks, pixel), [regions, size, masks, pixel]);
  const masked = useMemo(() => regions.filter((region) => region.kind.mask), [regions]);
  // Small pictures are enlarged to 24 rem at most, and high ones fit on the screen.
  const fit = `min(100%, max(24rem, ${size.width}px), 75vh * ${size.width / size.height})`;
  const style = { width: `calc(${zoom} * ${fit})`, aspectRatio: `${size.width} / ${size.height}` };
  return html`<div class="picture-frame" role="group" aria-label=${label} tabindex="0">
    <div class="picture-stage" ref=${stage} style=${style}>
      ${media}
      <${MaskLayer} size=${size} regions=${masked} active=${active} onPainted=${onPainted} />
      <${ShapeLayer} ...${{ size, pixel, shapes, relations, active, onActive, captions, pointer }}>${children}</${ShapeLayer}>
    </div>
  </div>`;
}

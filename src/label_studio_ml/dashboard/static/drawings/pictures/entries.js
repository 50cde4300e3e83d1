/** Entries of the list of regions: the accessible equivalent of what is drawn. */

import { number } from "../../lib/format.js";

const rounded = (value) => number(Math.round(value));

/** Return in words where a shape is. */
function placeOf({ region, bounds }, size, isPixels) {
  if (!bounds) return region.kind.name;
  const [across, down, unit] = isPixels ? [1, 1, "px"] : [100 / size.width, 100 / size.height, "%"];
  const extent = [(bounds.right - bounds.left) * across, (bounds.bottom - bounds.top) * down].map(rounded).join(" × ");
  const corner = [bounds.left * across, bounds.top * down].map(rounded).join(", ");
  const isOutside = bounds.right < 0 || bounds.bottom < 0 || bounds.left > size.width || bounds.top > size.height;
  return `${region.kind.name}, ${extent} ${unit} at ${corner}${isOutside ? " (outside of the picture)" : ""}`;
}

/**
 * Return the entries of `RegionList` for shapes.
 * @param {Array<object>} shapes from `shapesOf`
 * @param {{width: number, height: number}} size
 * @param {boolean} isPixels whether the size is one in pixels, and not only a ratio
 */
export function entriesOf(shapes, size, isPixels) {
  return shapes.map((shape) => ({
    key: shape.region.key,
    labels: shape.region.labels,
    text: "",
    place: placeOf(shape, size, isPixels),
    score: shape.region.score,
    details: shape.region.details,
    problem: shape.problem ? `Not drawn: ${shape.problem}.` : "",
  }));
}

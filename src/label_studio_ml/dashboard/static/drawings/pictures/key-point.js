// Key points on pictures.

import { NotDrawn, boundsOf, numberIn, pixels, pointAt } from "./numbers.js";
import { ellipsePath } from "./ellipse.js";

/**
 * Return the outline of a key point: a dot whose radius is `width` percent of the picture's width. `least` is the radius
 * that it has at least, so that it can be seen.
 * @param {object} value
 * @param {{width: number, height: number}} size of the picture in pixels
 * @param {{least?: number}} [options]
 */
export function keyPointOutline(value, size, { least = 0 } = {}) {
  if (value.width === undefined) throw new NotDrawn("width is missing, and Label Studio makes no region without it");
  const centre = pointAt(numberIn(value, "x"), numberIn(value, "y"), size);
  const radius = Math.max(least, Math.abs(pixels(numberIn(value, "width"), size.width)));
  const corners = [-1, 1].map((side) => [centre[0] + side * radius, centre[1] + side * radius]);
  return { path: ellipsePath(centre, [radius, radius], 0), closed: true, solid: true, bounds: boundsOf(corners) };
}

// Polygons on pictures.

import { NotDrawn, boundsOf, pathOf, pointAt } from "./numbers.js";

/**
 * Return the outline of a polygon, which is closed unless its value says `"closed": false`.
 * @param {object} value `points`: pairs of x and y in percent
 * @param {{width: number, height: number}} size of the picture in pixels
 */
export function polygonOutline(value, size) {
  const { points } = value;
  const isPair = (point) =>
    Array.isArray(point) && point.length >= 2 && Number.isFinite(point[0]) && Number.isFinite(point[1]);
  if (!Array.isArray(points) || !points.length || !points.every(isPair)) {
    throw new NotDrawn("points are not pairs of numbers");
  }
  const corners = points.map(([x, y]) => pointAt(x, y, size));
  const closed = value.closed !== false;
  return { path: pathOf(corners, closed), closed, bounds: boundsOf(corners) };
}

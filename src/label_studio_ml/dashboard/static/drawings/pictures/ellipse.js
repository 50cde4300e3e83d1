// Ellipses on pictures.

import { NotDrawn, boundsOf, numberIn, pixels, pointAt, written } from "./numbers.js";

/**
 * Return SVG path data of an ellipse.
 * @param {[number, number]} centre
 * @param {[number, number]} radii
 * @param {number} rotation in degrees, clockwise about the centre
 */
export function ellipsePath(centre, radii, rotation) {
  const angle = (rotation * Math.PI) / 180;
  const along = [Math.cos(angle) * radii[0], Math.sin(angle) * radii[0]];
  const [start, end] = [-1, 1].map((side) =>
    centre.map((middle, axis) => written(middle + side * along[axis])).join(" "),
  );
  const arc = `A${written(radii[0])} ${written(radii[1])} ${written(rotation)} 1 1`;
  return `M${start}${arc} ${end}${arc} ${start}Z`;
}

/**
 * Return the outline of an ellipse.
 * @param {object} value x, y (the centre), radiusX and radiusY in percent, rotation in degrees about the centre
 * @param {{width: number, height: number}} size of the picture in pixels
 */
export function ellipseOutline(value, size) {
  const centre = pointAt(numberIn(value, "x"), numberIn(value, "y"), size);
  const radii = [
    pixels(numberIn(value, "radiusX"), size.width),
    pixels(numberIn(value, "radiusY"), size.height),
  ];
  if (radii[0] < 0 || radii[1] < 0) throw new NotDrawn("a radius is below 0, which stops the drawing in Label Studio");
  const rotation = numberIn(value, "rotation", 0) % 360;
  const angle = (rotation * Math.PI) / 180;
  const reach = [
    Math.hypot(radii[0] * Math.cos(angle), radii[1] * Math.sin(angle)),
    Math.hypot(radii[0] * Math.sin(angle), radii[1] * Math.cos(angle)),
  ];
  const corners = [-1, 1].map((side) => [centre[0] + side * reach[0], centre[1] + side * reach[1]]);
  return { path: ellipsePath(centre, radii, rotation), closed: true, bounds: boundsOf(corners) };
}

// Boxes on pictures, turned or not, and boxes on pages of PDF files.

import { boundsOf, numberIn, pathOf, pixels, pointAt } from "./numbers.js";

/**
 * Return the outline of a box. It is turned clockwise about its top left corner, in pixels, so it stays rectangular on a
 * picture that is not square.
 * @param {object} value x, y, width and height in percent, rotation in degrees
 * @param {{width: number, height: number}} size of the picture in pixels
 */
export function boxOutline(value, size) {
  const [x, y] = pointAt(numberIn(value, "x"), numberIn(value, "y"), size);
  const width = pixels(numberIn(value, "width"), size.width);
  const height = pixels(numberIn(value, "height"), size.height);
  const angle = (numberIn(value, "rotation", 0) * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const corners = [
    [x, y],
    [x + cos * width, y + sin * width],
    [x + cos * width - sin * height, y + sin * width + cos * height],
    [x - sin * height, y + cos * height],
  ];
  return { path: pathOf(corners, true), closed: true, bounds: boundsOf(corners) };
}

/**
 * Return the outline of a box of `<OcrLabels>`, whose numbers are shares of the page from 0 to 1.
 * @param {object} value
 * @param {{width: number, height: number}} size of the page
 */
export function pageBoxOutline(value, size) {
  const percent = { rotation: value.rotation };
  for (const name of ["x", "y", "width", "height"]) percent[name] = numberIn(value, name) * 100;
  return boxOutline(percent, size);
}

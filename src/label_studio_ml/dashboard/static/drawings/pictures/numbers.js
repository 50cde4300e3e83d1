// Numbers of regions, and points in pixels of a picture.

/** The most pixels that a coordinate may be away from the picture's corner: what is drawn must stay harmless. */
const FARTHEST = 1e6;

/** A region that cannot be drawn. The message says why, for people. */
export class NotDrawn extends Error {}

/**
 * Return a field of a region's value that must be a number. Label Studio draws no region with a text, a boolean or null
 * there, and neither does this page.
 * @param {object} value
 * @param {string} name
 * @param {number} [missing] what a field that is not there stands for
 * @returns {number}
 * @throws {NotDrawn}
 */
export function numberIn(value, name, missing) {
  const found = value[name];
  if (found === undefined && missing !== undefined) return missing;
  if (typeof found !== "number" || !Number.isFinite(found)) throw new NotDrawn(`${name} is not a number`);
  return found;
}

/** Return a coordinate in pixels, at most a million away. */
export function pixels(percent, size) {
  return Math.min(FARTHEST, Math.max(-FARTHEST, (percent / 100) * size));
}

/**
 * Return a point in pixels of a picture.
 * @param {number} x percent of the width
 * @param {number} y percent of the height
 * @param {{width: number, height: number}} size
 * @returns {[number, number]}
 */
export function pointAt(x, y, size) {
  return [pixels(x, size.width), pixels(y, size.height)];
}

/** Return a number for an SVG path: with at most three decimal places. */
export function written(number) {
  return String(Math.round(number * 1000) / 1000);
}

/** Return the points of a path as SVG path data. */
export function pathOf(points, closed) {
  const corners = points.map(([x, y]) => `${written(x)} ${written(y)}`);
  return `M${corners.join("L")}${closed ? "Z" : ""}`;
}

/** Return the upright box around points: left, top, right and bottom. */
export function boundsOf(points) {
  const bounds = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const [x, y] of points) {
    bounds.left = Math.min(bounds.left, x);
    bounds.top = Math.min(bounds.top, y);
    bounds.right = Math.max(bounds.right, x);
    bounds.bottom = Math.max(bounds.bottom, y);
  }
  return bounds;
}

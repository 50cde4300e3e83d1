// Vectors on pictures: lines, curves, closed shapes and skeletons.

import { NotDrawn, boundsOf, pointAt, written } from "./numbers.js";

/** How far from the end of a line its handle is where only the other end has one, as a share of the line. */
const STRAIGHT_HANDLE = 0.3;

function coordinate(vertex, name) {
  // Label Studio reads texts as numbers in vectors, unlike in all other shapes.
  const found = vertex?.[name];
  const number = typeof found === "string" && found.trim() ? Number(found) : found;
  if (typeof number !== "number" || !Number.isFinite(number)) throw new NotDrawn(`${name} of a point is not a number`);
  return number;
}

function place(vertex, size) {
  return pointAt(coordinate(vertex, "x"), coordinate(vertex, "y"), size);
}

/** Return the index of the point that each point is joined to: the one that it names, or the one before it. */
function parentsOf(vertices) {
  const positions = new Map();
  vertices.forEach((vertex, index) => vertex.id && positions.set(vertex.id, index));
  return vertices.map((vertex, index) => {
    if (index === 0) return null;
    return positions.get(vertex.prevPointId) ?? index - 1;
  });
}

/** Return the segment between two points as SVG path data, without its start. */
function segment(from, to, size, corners) {
  const [start, end] = [place(from, size), place(to, size)];
  const after = from.isBezier && from.controlPoint2 ? place(from.controlPoint2, size) : null;
  const before = to.isBezier && to.controlPoint1 ? place(to.controlPoint1, size) : null;
  const pair = ([x, y]) => `${written(x)} ${written(y)}`;
  if (!after && !before) return `L${pair(end)}`;
  const onLine = (origin, other) => origin.map((value, axis) => value + (other[axis] - value) * STRAIGHT_HANDLE);
  const handles = [after ?? onLine(start, end), before ?? onLine(end, start)];
  corners.push(...handles);
  return `C${handles.map(pair).join(" ")} ${pair(end)}`;
}

/**
 * Return the outline of a vector.
 * @param {object} value `vertices`, in percent; `closed`
 * @param {{width: number, height: number}} size of the picture in pixels
 * @param {{closable?: boolean}} [options] whether the control takes closed vectors: others are opened
 */
export function vectorOutline(value, size, { closable = false } = {}) {
  const { vertices } = value;
  const isVertex = (vertex) => vertex !== null && typeof vertex === "object" && !Array.isArray(vertex);
  if (!Array.isArray(vertices) || !vertices.length || !vertices.every(isVertex)) {
    throw new NotDrawn("vertices are not a list of points");
  }
  const points = vertices.map((vertex) => place(vertex, size));
  const corners = [...points];
  const closed = closable && value.closed === true && vertices.length > 2;
  const joined = parentsOf(vertices).map((parent, child) => [parent, child]).slice(1);
  if (closed) joined.push([vertices.length - 1, 0]);
  let path = "";
  let last = null;
  for (const [from, to] of joined) {
    if (from !== last) path += `M${written(points[from][0])} ${written(points[from][1])}`;
    path += segment(vertices[from], vertices[to], size, corners);
    last = to;
  }
  return { path, closed, points, bounds: boundsOf(corners) };
}

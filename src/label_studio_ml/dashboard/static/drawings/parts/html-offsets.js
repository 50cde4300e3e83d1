/** Positions in an HTML page as the editor counts them: XPaths below the body with offsets, and global offsets. */

import { wholeNumber } from "./region-groups.js";
import { codePoints } from "./spans.js";

/**
 * The text nodes and elements of a body, with their XPaths and global offsets.
 * @typedef {{texts: Array<{node: Text, start: number, end: number}>,
 * starts: Map<string, {start: number, node: Node}>, lastIsText: boolean}} Places `texts` are those that are not empty,
 * `lastIsText` says that no element begins after the last of them
 */

/**
 * Read the positions of all nodes of a body. A text counts its code points, a `<br>` one, everything else nothing.
 * @param {HTMLElement} body of a page from `parsePage`
 * @returns {Places}
 */
export function readPlaces(body) {
  const places = { texts: [], starts: new Map(), lastIsText: false };
  let position = 0;
  const open = [{ node: body.firstChild, path: "", counts: {} }];
  while (open.length) {
    const level = open[open.length - 1];
    const { node } = level;
    if (!node) {
      open.pop();
      continue;
    }
    level.node = node.nextSibling;
    const name = node.nodeType === Node.TEXT_NODE ? "text()" : node.nodeName.toLowerCase();
    level.counts[name] = (level.counts[name] ?? 0) + 1;
    const path = `${level.path}/${name}[${level.counts[name]}]`;
    if (open.length < 400) places.starts.set(path, { start: position, node });
    if (node.nodeType === Node.TEXT_NODE) {
      const length = codePoints(node.data);
      places.lastIsText = true;
      places.texts.push({ node, start: position, end: position + length });
      position += length;
    } else if (name === "br") position += 1;
    else {
      places.lastIsText = false;
      open.push({ node: node.firstChild, path, counts: {} });
    }
  }
  return places;
}

/**
 * Return the global offsets of a region.
 * @param {object} value the region's value
 * @param {Places} places
 * @returns {{start?: number, end?: number, problem?: string}} `problem`: why the editor does not draw it
 */
export function globalOffsets(value, places) {
  const { start, end } = value;
  if (typeof start === "number" && typeof end === "number" && !("startOffset" in value) && !("endOffset" in value)) {
    if (Number.isInteger(start) && Number.isInteger(end)) return { start, end };
    return { problem: "Not drawn: start and end are no whole numbers. Label Studio drops this region." };
  }
  const offsets = [wholeNumber(value.startOffset), wholeNumber(value.endOffset)];
  if (typeof start !== "string" || typeof end !== "string" || offsets.includes(null))
    return {
      problem: "Not drawn: start and end must be paths, with startOffset and endOffset. Label Studio drops this region.",
    };
  const first = ofPath(start, offsets[0], places);
  const last = ofPath(end, offsets[1], places);
  if (first !== null && last !== null) return { start: first, end: last };
  const given = value.globalOffsets;
  const [from, to] = [wholeNumber(given?.start), wholeNumber(given?.end)];
  if (from !== null && to !== null) return { start: from, end: to };
  return { problem: "Not drawn: the paths are not in this page, and there are no globalOffsets." };
}

/** Return the global offset of a path with an offset in UTF-16 units, null if the path is not found. */
function ofPath(path, offset, places) {
  const place = places.starts.get(path);
  if (!place) return null;
  let { node, start } = place;
  if (node.nodeType !== Node.TEXT_NODE) {
    const text = places.texts.find((one) => one.start <= start && one.end > start);
    if (!text) return null;
    ({ node, start } = text);
  }
  // An offset beyond its text is read as 0 by the editor.
  if (offset <= 0 || offset > node.data.length) return start;
  const half = offset < node.data.length && /[\ud800-\udbff]/.test(node.data[offset - 1]);
  return start + codePoints(node.data.slice(0, half ? offset + 1 : offset));
}

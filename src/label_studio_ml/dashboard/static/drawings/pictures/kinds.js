// Which kind of region a value is, and how each kind is drawn.

import { boxOutline, pageBoxOutline } from "./box.js";
import { ellipseOutline } from "./ellipse.js";
import { keyPointOutline } from "./key-point.js";
import { NotDrawn } from "./numbers.js";
import { polygonOutline } from "./polygon.js";
import { vectorOutline } from "./vector.js";

const has = (value, ...names) => names.every((name) => value[name] !== undefined);

/**
 * The kinds, in the order in which a value is looked at. `fits` tells whether a value is of the kind; `outline` returns
 * its SVG path data, whether it is closed, and the box around it, in pixels of the picture; kinds without an outline are
 * masks.
 */
const KINDS = [
  { name: "brush mask", fits: (value) => value.rle !== undefined, mask: true },
  { name: "bitmask", fits: (value) => value.imageDataURL !== undefined, mask: true },
  { name: "vector", fits: (value) => value.vertices !== undefined, outline: vectorOutline },
  { name: "polygon", fits: (value) => value.points !== undefined, outline: polygonOutline },
  { name: "ellipse", fits: (value) => has(value, "radiusX", "radiusY"), outline: ellipseOutline },
  { name: "box", fits: (value) => has(value, "x", "y", "width", "height"), outline: boxOutline },
  { name: "key point", fits: (value) => has(value, "x", "y"), outline: keyPointOutline },
];

const PAGE_BOX = { name: "box on a page", pages: true, outline: pageBoxOutline };

/**
 * Return the kind of an item of a result, or null if it has no place on a picture.
 * @param {{type: string, value: object}} item
 */
export function kindOf(item) {
  const value = item.value;
  if (value === null || typeof value !== "object") return null;
  const kind = KINDS.find((each) => each.fits(value)) ?? null;
  return kind?.name === "box" && String(item.type).toLowerCase() === "ocrlabels" ? PAGE_BOX : kind;
}

/**
 * Return the outline of a region, or the reason why there is none.
 * @param {object} region as `readRegions` returns it
 * @param {{width: number, height: number}} size of the picture in pixels
 * @param {number} pixel the size of a pixel of the screen, in pixels of the picture
 * @returns {{outline: object|null, problem: string}}
 */
export function outlineOf(region, size, pixel = 1) {
  try {
    const options = { closable: region.attribute("closable") === "true", least: 2 * pixel };
    if (region.kind.name === "vector" && !region.hasSize) {
      throw new NotDrawn("original_width and original_height are missing, without which Label Studio draws no vector");
    }
    return { outline: region.kind.outline(region.value, size, options), problem: "" };
  } catch (error) {
    if (!(error instanceof NotDrawn)) throw error;
    return { outline: null, problem: error.message };
  }
}

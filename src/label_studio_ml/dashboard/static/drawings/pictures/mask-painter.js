// Paint brush masks and bitmasks on a canvas, piece by piece so that the page stays usable.

import { rgb } from "../parts/label-colors.js";
import { bitmaskPixels } from "./bitmask.js";
import { decodeBrush } from "./brush.js";
import { NotDrawn } from "./numbers.js";

/** The most pixels of the canvas: it has every second, third, ... row and column of larger pictures. */
const MAX_PIXELS = 16_000_000;
/** Milliseconds after which other work of the page gets a turn, and how many steps are done between two looks. */
const SLICE = 12;
const STEPS = 200;
/** The opacity of a mask. */
const OPACITY = 0.6;

/** Thrown where the painting is no longer wanted. */
class Cancelled extends Error {}

/**
 * Return every which row and column of a picture a canvas has.
 * @param {{width: number, height: number}} size
 */
export function stepOf(size) {
  return Math.max(1, Math.ceil(Math.sqrt((size.width * size.height) / MAX_PIXELS)));
}

/** Return a function that waits a moment whenever the page has been kept busy for too long. */
function takingTurns(signal) {
  let [steps, since] = [0, performance.now()];
  return () => {
    steps += 1;
    if (steps % STEPS || performance.now() - since < SLICE) return null;
    return new Promise((resolve, reject) => {
      setTimeout(() => {
        since = performance.now();
        if (signal.aborted) reject(new Cancelled());
        else resolve();
      });
    });
  };
}

/** Pixels of a canvas onto which masks are painted over each other. */
class Surface {
  constructor(size) {
    this.size = size;
    this.step = stepOf(size);
    this.width = Math.max(1, Math.floor(size.width / this.step));
    this.height = Math.max(1, Math.floor(size.height / this.step));
    this.image = new ImageData(this.width, this.height);
    this.data = this.image.data;
  }

  /** Begin a mask of a colour; `bounds` then grows around what is painted, in pixels of the picture. */
  begin(color) {
    this.color = rgb(color) ?? [128, 128, 128];
    this.bounds = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  }

  /** Paint one pixel of the canvas with an alpha from 0 to 255, over what is there. */
  blend(at, alpha) {
    const { data, color } = this;
    const share = (alpha / 255) * OPACITY;
    const below = (data[at + 3] / 255) * (1 - share);
    const sum = share + below;
    for (let channel = 0; channel < 3; channel += 1) {
      data[at + channel] = (color[channel] * share + data[at + channel] * below) / sum;
    }
    data[at + 3] = sum * 255;
  }

  /** Paint a run of the picture's pixels, counted row by row. */
  paintRun(first, end, alpha) {
    const { width } = this.size;
    for (let start = first; start < end; ) {
      const row = Math.floor(start / width);
      const stop = Math.min(end, (row + 1) * width);
      this.paintRow(row, start - row * width, stop - row * width, alpha);
      start = stop;
    }
  }

  paintRow(row, left, right, alpha) {
    this.grow(left, row, right, row + 1);
    if (row % this.step || row / this.step >= this.height) return;
    const start = (row / this.step) * this.width;
    const last = Math.min(this.width, Math.ceil(right / this.step));
    for (let column = Math.ceil(left / this.step); column < last; column += 1) {
      this.blend((start + column) * 4, alpha);
    }
  }

  grow(left, top, right, bottom) {
    const { bounds } = this;
    bounds.left = Math.min(bounds.left, left);
    bounds.top = Math.min(bounds.top, top);
    bounds.right = Math.max(bounds.right, right);
    bounds.bottom = Math.max(bounds.bottom, bottom);
  }
}

async function paintBitmask(surface, url, turn) {
  const { width, height, step } = surface;
  const pixels = await bitmaskPixels(url, width, height);
  for (let row = 0; row < height; row += 1) {
    let [left, right] = [-1, -1];
    for (let column = 0; column < width; column += 1) {
      const at = (row * width + column) * 4;
      if (!pixels[at + 3]) continue;
      surface.blend(at, pixels[at + 3]);
      if (left < 0) left = column;
      right = column + 1;
    }
    if (left >= 0) surface.grow(left * step, row * step, right * step, (row + 1) * step);
    // A row is as much work as many runs of a brush mask.
    for (let share = 0; share < STEPS / 4; share += 1) {
      const due = turn();
      if (due) await due;
    }
  }
}

/**
 * Paint masks on a canvas, which gets the size that it needs.
 * @param {HTMLCanvasElement} canvas
 * @param {Array<{key: string, value: object, color: string}>} regions
 * @param {{width: number, height: number}} size of the picture in pixels
 * @param {AbortSignal} signal ends the painting early
 * @returns {Promise<Map<string, {bounds?: object, problem?: string}>|null>} by key of a region, the box around its mask
 *   or why it has none; null if the painting was ended
 */
export async function paintMasks(canvas, regions, size, signal) {
  const surface = new Surface(size);
  const turn = takingTurns(signal);
  const results = new Map();
  for (const { key, value, color } of regions) {
    surface.begin(color);
    try {
      if (value.rle === undefined) {
        await paintBitmask(surface, value.imageDataURL, turn);
      } else {
        const paint = (first, end, alpha) => surface.paintRun(first, end, alpha);
        await decodeBrush(value.rle, size.width * size.height, paint, turn);
      }
      const isEmpty = surface.bounds.left > surface.bounds.right;
      results.set(key, isEmpty ? { problem: "the mask is empty" } : { bounds: surface.bounds });
    } catch (error) {
      if (error instanceof Cancelled) return null;
      if (!(error instanceof NotDrawn)) throw error;
      results.set(key, { problem: error.message });
    }
    if (signal.aborted) return null;
  }
  [canvas.width, canvas.height] = [surface.width, surface.height];
  canvas.getContext("2d").putImageData(surface.image, 0, 0);
  return results;
}

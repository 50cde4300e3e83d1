// Bitmasks: pictures as data URLs whose alpha is the mask.

import { NotDrawn } from "./numbers.js";

/** The most pixels of a bitmask: what a small file can make the browser unpack. */
const MAX_PIXELS = 100_000_000;

const PNG = "data:image/png;base64,";

/** Return the number of pixels that a PNG says it has. */
function pixelsOf(url) {
  let head;
  try {
    head = atob(url.slice(PNG.length, PNG.length + 32));
  } catch {
    throw new NotDrawn("imageDataURL is damaged");
  }
  const number = (at) => [0, 1, 2, 3].reduce((sum, step) => sum * 256 + head.charCodeAt(at + step), 0);
  return number(16) * number(20);
}

/**
 * Return the alpha of each pixel of a bitmask that is scaled to a size.
 * @param {string} url
 * @param {number} width
 * @param {number} height
 * @returns {Promise<Uint8ClampedArray>} red, green, blue and alpha of each pixel
 * @throws {NotDrawn} if it is no PNG
 */
export async function bitmaskPixels(url, width, height) {
  if (typeof url !== "string" || !url.startsWith(PNG)) throw new NotDrawn("imageDataURL is not the data URL of a PNG");
  if (!(pixelsOf(url) <= MAX_PIXELS)) throw new NotDrawn("imageDataURL is damaged or too large");
  const picture = new Image();
  picture.src = url;
  try {
    await picture.decode();
  } catch {
    throw new NotDrawn("imageDataURL is damaged");
  }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

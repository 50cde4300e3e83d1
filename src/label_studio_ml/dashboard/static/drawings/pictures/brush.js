// Brush masks: Label Studio's run-length code, a bit stream of
//
//     32 bits      number of values
//      5 bits      bits of a value, less 1
//      4 x 4 bits  the four widths of lengths, each less 1
//     then chunks: 1 bit: whether one value is repeated; 2 bits: which width; that many bits: the length, less 1;
//                  the value, or as many values as the length says
//
// The values are red, green, blue and alpha of each pixel, row by row. Only alpha counts.

import { NotDrawn } from "./numbers.js";

const CHANNELS = 4;
const ALPHA = 3;

/** Reads numbers of up to 16 bits from bytes, the highest bit first. */
class BitReader {
  constructor(bytes) {
    this.bytes = bytes;
    this.position = 0;
    this.end = bytes.length * 8;
  }

  /** Return the number in the next `count` bits. Throws NotDrawn after the last byte. */
  read(count) {
    if (this.position + count > this.end) throw new NotDrawn("the code of the mask ends too early");
    const { bytes, position } = this;
    const at = position >> 3;
    const window = ((bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2]) & 0xffffff;
    this.position = position + count;
    return (window >> (24 - (position & 7) - count)) & ((1 << count) - 1);
  }
}

function bytesOf(rle) {
  const isByte = (byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255;
  if (!Array.isArray(rle) || !rle.length || !rle.every(isByte)) {
    throw new NotDrawn("the code of the mask is not a list of numbers from 0 to 255");
  }
  return Uint8Array.from(rle);
}

/**
 * Decode a mask, giving the page a turn every few milliseconds.
 * @param {number[]} rle the code
 * @param {number} pixelCount the number of pixels of the picture; what the code has beyond is left out
 * @param {(first: number, end: number, alpha: number) => void} paint called in order for runs of pixels whose alpha is
 *   the same and not 0
 * @param {() => Promise<void> | null} turn called after each run of values: a promise to wait for, if other work is due
 * @throws {NotDrawn} if the code is damaged
 */
export async function decodeBrush(rle, pixelCount, paint, turn) {
  const bits = new BitReader(bytesOf(rle));
  const count = bits.read(16) * 65536 + bits.read(16);
  const valueBits = bits.read(5) + 1;
  const widths = [0, 1, 2, 3].map(() => bits.read(4) + 1);
  if (valueBits > 8) throw new NotDrawn("the code of the mask has values of more than 8 bits");
  const end = Math.min(count, pixelCount * CHANNELS);
  let index = 0;
  while (index < end) {
    const repeated = bits.read(1);
    const length = bits.read(widths[bits.read(2)]) + 1;
    if (repeated) {
      const alpha = bits.read(valueBits);
      const [first, last] = [Math.floor(index / CHANNELS), Math.floor((index + length) / CHANNELS)];
      if (alpha && last > first) paint(first, Math.min(last, pixelCount), alpha);
    } else {
      paintValues(bits, valueBits, index, length, pixelCount, paint);
    }
    index += length;
    const due = turn();
    if (due) await due;
  }
}

/** Paint pixels whose values are in the code one by one; equal ones that follow each other together. */
function paintValues(bits, valueBits, index, length, pixelCount, paint) {
  let [first, next, alpha] = [0, 0, 0];
  for (let value = index; value < index + length; value += 1) {
    const read = bits.read(valueBits);
    if (value % CHANNELS !== ALPHA) continue;
    const pixel = (value - ALPHA) / CHANNELS;
    if (read !== alpha || pixel !== next) {
      if (alpha) paint(first, Math.min(next, pixelCount), alpha);
      [first, alpha] = [pixel, read];
    }
    next = pixel + 1;
  }
  if (alpha) paint(first, Math.min(next, pixelCount), alpha);
}

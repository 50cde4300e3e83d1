/** Spans in a text: offsets, and the division of a text into pieces where spans overlap. */

/**
 * Return a function that converts an offset in code points into one in UTF-16 units, as JavaScript's strings have.
 * Offsets before the text are 0, those after it are its length.
 * @param {string} text
 * @returns {(offset: number) => number}
 */
export function unitsOfCodePoints(text) {
  if (!/[\ud800-\udfff]/.test(text)) return (offset) => Math.min(Math.max(offset, 0), text.length);
  // The index of each 1024th code point, so that a conversion reads 1024 of them at most.
  const step = 1024;
  const marks = [0];
  let count = 0;
  for (let index = 0; index < text.length; count++) {
    if (count && count % step === 0) marks.push(index);
    index += text.codePointAt(index) > 0xffff ? 2 : 1;
  }
  return (offset) => {
    if (offset <= 0) return 0;
    if (offset >= count) return text.length;
    const mark = Math.floor(offset / step);
    let index = marks[mark];
    for (let rest = offset - mark * step; rest > 0; rest--) index += text.codePointAt(index) > 0xffff ? 2 : 1;
    return index;
  };
}

/** Return the number of code points of a text. */
export function codePoints(text) {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/**
 * Return what the editor highlights of a span: it looks for the blocks in which both ends are, and highlights nothing, or
 * only the block of the start, where an end is in none, such as between two lines or outside the text.
 *
 * @param {Array<{start: number, end: number}>} blocks lines of a text, or text nodes of a page, without empty ones, in order
 * @param {boolean} lastIsBlock whether nothing comes after the last block
 * @param {number} start
 * @param {number} end
 * @returns {{start: number, end: number} | null} the part of the span that is highlighted
 */
export function highlighted(blocks, lastIsBlock, start, end) {
  const last = Math.max(start, end);
  let first = blocks.findIndex((block) => block.start <= start && start < block.end);
  let to = blocks.findIndex((block) => block.start < last && last <= block.end);
  if (first < 0) {
    if (!lastIsBlock || to !== blocks.length - 1) return null;
    first = to;
  }
  to = Math.max(first, to);
  if (first < 0) return null;
  const range = { start: Math.max(start, blocks[first].start), end: Math.min(last, blocks[to].end) };
  return range.end > range.start ? range : null;
}

/**
 * Divide a text into pieces at the ends of spans.
 *
 * @param {number} start where the first piece begins
 * @param {number} end where the last piece ends
 * @param {Array<{start: number, end: number}>} spans may overlap; those of zero length are left out
 * @returns {Array<{start: number, end: number, spans: object[]}>} all of the text in order; the spans of a piece are the
 * longest first
 */
export function pieces(start, end, spans) {
  const inside = spans.filter((span) => span.end > span.start && span.end > start && span.start < end);
  const changes = new Map([[start, []], [end, []]]);
  const at = (offset) => changes.get(offset) ?? changes.set(offset, []).get(offset);
  for (const span of inside) {
    at(Math.max(span.start, start)).push([span, true]);
    at(Math.min(span.end, end)).push([span, false]);
  }
  const offsets = [...changes.keys()].sort((one, other) => one - other);
  const open = new Set();
  const result = [];
  offsets.forEach((offset, index) => {
    for (const [span, begins] of changes.get(offset)) if (begins) open.add(span); else open.delete(span);
    const next = offsets[index + 1];
    if (next === undefined) return;
    const covering = [...open].sort((one, other) => other.end - other.start - (one.end - one.start));
    result.push({ start: offset, end: next, spans: covering });
  });
  return result;
}

/** Return a text whose control characters are symbols. Line ends, tabs and the number of lines stay. */
export function visible(text) {
  return text
    .replace(/\r\n/g, "\n")
    .replace(/\r/g, "\u240d\n")
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, (character) =>
      String.fromCharCode(0x2400 + character.charCodeAt(0)))
    .replace(/\u007f/g, "\u2421")
    .replace(/[\u0080-\u009f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

/** Return a text in one line that is cut after `length` characters. */
export function excerpt(text, length = 120) {
  const line = visible(text.slice(0, length * 4)).replace(/\s+/g, " ").trim();
  const characters = [...line];
  if (characters.length <= length && text.length <= length * 4) return line;
  return `${characters.slice(0, length).join("")}…`;
}

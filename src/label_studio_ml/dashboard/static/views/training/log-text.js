/** Lines of a log as texts that are safe and quick to show. */
import { cut, visible } from "../../parts/short-text.js";

/** The most characters of one line that are shown. */
export const LONGEST_LINE = 2000;

/** Sequences with which programs colour terminals, move cursors and set titles (ECMA-48). */
const SEQUENCES = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[PX^_][^\u001b]*(?:\u001b\\)?|\u001b[ -/]*[0-~]/g;

/** Return a line without sequences for terminals, with other control characters as symbols, cut to LONGEST_LINE. */
export function shownLine(line) {
  const text = visible(cut(line, LONGEST_LINE * 4).replace(SEQUENCES, ""));
  const left = line.length - LONGEST_LINE;
  return text.length > LONGEST_LINE ? `${cut(text, LONGEST_LINE)}… (about ${left.toLocaleString("en")} more characters: download the log)` : text;
}

/** Return the parts of `text` as `[part, found]`: `found` parts are equal to `wanted`, in upper or lower case. */
export function split(text, wanted) {
  if (!wanted) return [[text, false]];
  const parts = [];
  const pattern = new RegExp(wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    parts.push([text.slice(end, match.index), false], [match[0], true]);
    end = match.index + match[0].length;
  }
  parts.push([text.slice(end), false]);
  return parts.filter(([part]) => part);
}

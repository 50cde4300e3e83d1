/** Drawing of a `<Text>`: the text with its spans. */

import { html, useMemo, useState } from "../lib/html.js";
import { labelColors } from "./parts/label-colors.js";
import { useFile } from "./parts/loaded-file.js";
import { MarkedText, useScrollToRegion } from "./parts/marked-text.js";
import { attribute, groupRegions, hasPlace, wholeNumber } from "./parts/region-groups.js";
import { Legend, RegionList, legendLabels } from "./parts/region-list.js";
import { codePoints, highlighted, unitsOfCodePoints } from "./parts/spans.js";
import { useStyles } from "./parts/styles.js";

/** UTF-16 units of a text that are shown at first, and how many times more each "Show more" shows. */
const FIRST_LENGTH = 20_000;
const MORE = 10;

/**
 * The text of a task with the spans of a prediction or an annotation.
 * @param {object} props see `drawings/index.js`
 */
export function TextDrawing({ object, controls, regions, data, file, title }) {
  useStyles();
  const isFile = Boolean(file) && attribute(object, "valueType").toLowerCase() === "url";
  const loaded = useFile(isFile ? file : "", "text");
  if (loaded.loading && isFile) return html`<p class="drawing-note" role="status">Reading the text …</p>`;
  if (loaded.problem) return html`<p class="drawing-problem">${loaded.problem}</p>`;
  const text = decoded(isFile ? (loaded.content ?? "") : plainText(data), attribute(object, "encoding"));
  return html`<${SpansOfText} ...${{ text, controls, regions, title }} />`;
}

/** Return data as the editor shows it: a number as text, a list or an object as JSON. */
function plainText(data) {
  if (typeof data === "string") return data;
  return data === null || data === undefined ? "" : typeof data === "object" ? JSON.stringify(data) : String(data);
}

/** Return a text that the label config says to be in base64, or the text as it is. */
export function decoded(text, encoding) {
  if (!/^base64/i.test(encoding)) return text;
  try {
    const binary = atob(text);
    if (encoding === "base64") return binary;
    return new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
  } catch {
    return text;
  }
}

/**
 * Return the spans of regions in a text. Offsets count code points in the regions, UTF-16 units in what is returned.
 * @param {string} text
 * @param {object[]} groups from `groupRegions`
 * @param {(label: string) => string} color
 * @returns {Array<{key: string, start: number, end: number, color: string, label: string, problem: string}>}
 */
export function textSpans(text, groups, color) {
  const units = unitsOfCodePoints(text);
  const { lines, lastIsLine } = linesOf(text);
  return groups.map((group) => {
    const { value } = group.item;
    const [first, last] = [wholeNumber(value?.start), wholeNumber(value?.end)];
    const span = { key: group.key, start: 0, end: 0, color: color(group.labels[0]), label: group.labels.join(", ") };
    if (!hasPlace(group.item)) return { ...span, problem: "It has no position in the text." };
    if (first === null || last === null)
      return { ...span, problem: "Not drawn: start and end must be whole numbers. Label Studio drops this region." };
    if (last <= first) return { ...span, problem: "Nothing is highlighted: the end is not after the start." };
    const found = highlighted(lines, lastIsLine, first, last);
    if (!found) return { ...span, problem: "Nothing is highlighted: the start is a line end, or not in the text." };
    const isCut = found.start !== first || found.end !== last;
    const problem = isCut ? `Only characters ${found.start} to ${found.end} are highlighted, as in Label Studio.` : "";
    return { ...span, start: units(found.start), end: units(found.end), problem };
  });
}

/** Return the lines of a text that are not empty, in code points, and whether the last line is one of them. */
function linesOf(text) {
  const lines = [];
  let start = 0;
  for (const part of text.split(/[\r\n]/)) {
    const length = codePoints(part);
    if (length) lines.push({ start, end: start + length });
    start += length + 1;
  }
  return { lines, lastIsLine: text !== "" && !/[\r\n]$/.test(text) };
}

function SpansOfText({ text, controls, regions, title }) {
  const [active, setActive] = useState(null);
  const [wanted, setWanted] = useState(null);
  const [length, setLength] = useState(FIRST_LENGTH);
  const color = useMemo(() => labelColors(controls), [controls]);
  const groups = useMemo(() => groupRegions(regions), [regions]);
  const spans = useMemo(() => textSpans(text, groups, color), [text, groups, color]);
  const ref = useScrollToRegion(wanted);
  const entries = groups.map((group, index) => {
    const span = spans[index];
    const { start, end } = group.item.value ?? {};
    const place = hasPlace(group.item) ? `characters ${start} to ${end}` : "";
    return { ...group, text: text.slice(span.start, span.end), place, problem: span.problem };
  });
  const select = (key) => {
    const span = spans.find((one) => one.key === key);
    if (span.start >= length) setLength(span.end + FIRST_LENGTH);
    setWanted({ key });
  };
  const shown = cutAt(text, length);
  return html`<section class="drawing" aria-label=${`${title || "Result"} in the text`}>
    <${Legend} labels=${legendLabels(controls, groups)} color=${color} />
    <div class="drawing-text" dir="auto" ref=${ref} tabindex="0" role="group" aria-label="Text">
      <${MarkedText} ...${{ text, end: shown, spans, active, onActive: setActive }} />
    </div>
    ${shown < text.length && html`<p class="drawing-note">
      ${shown.toLocaleString("en")} of ${text.length.toLocaleString("en")} characters are shown.${" "}
      <button type="button" class="drawing-small" onClick=${() => setLength(length * MORE)}>
        ${length * MORE >= text.length ? "Show all" : "Show more"}
      </button>
    </p>`}
    <${RegionList} ...${{ entries, color, active, title, onActive: setActive, onSelect: select }} />
  </section>`;
}

/** Return where to cut a text that is longer than `length`, so that no character is cut in two. */
function cutAt(text, length) {
  if (text.length <= length) return text.length;
  const last = text.charCodeAt(length - 1);
  return last >= 0xd800 && last <= 0xdbff ? length + 1 : length;
}

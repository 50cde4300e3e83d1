/** Drawing of `<Paragraphs>`: a dialogue with its spans. */

import { html, useMemo, useState } from "../lib/html.js";
import { labelColors } from "./parts/label-colors.js";
import { useFile } from "./parts/loaded-file.js";
import { MarkedText, useScrollToRegion } from "./parts/marked-text.js";
import { attribute, groupRegions, hasPlace } from "./parts/region-groups.js";
import { Legend, RegionList, legendLabels } from "./parts/region-list.js";
import { excerpt } from "./parts/spans.js";
import { useStyles } from "./parts/styles.js";

/** Paragraphs that are shown at first, how many times more each "Show more" shows, and the longest paragraph. */
const FIRST = 200;
const MORE = 10;
const MAX_LENGTH = 200_000;

/**
 * The paragraphs of a task with the spans of a prediction or an annotation.
 * @param {object} props see `drawings/index.js`
 */
export function ParagraphsDrawing({ object, controls, regions, data, file, title }) {
  useStyles();
  const isFile = Boolean(file) && attribute(object, "valueType").toLowerCase() === "url";
  const loaded = useFile(isFile ? file : "", "text");
  const content = useMemo(() => readParagraphs(isFile ? loaded.content : data, object), [isFile, loaded, data, object]);
  if (loaded.loading && isFile) return html`<p class="drawing-note" role="status">Reading the paragraphs …</p>`;
  const problem = loaded.problem ?? content.problem;
  if (problem) return html`<p class="drawing-problem">${problem}</p>`;
  return html`<${SpansOfParagraphs} ...${{ paragraphs: content.paragraphs, controls, regions, title }} />`;
}

/**
 * Return the paragraphs of a task's data.
 * @param {unknown} data a list of objects, or its JSON
 * @param {object} object the tag, with the attributes nameKey, textKey and contextScroll
 * @returns {{paragraphs?: Array<{author: string, text: string, time: string}>, problem?: string}}
 */
export function readParagraphs(data, object) {
  let list = data;
  if (typeof data === "string" && data) {
    try {
      list = JSON.parse(data);
    } catch {
      return { problem: "The paragraphs cannot be read: the data of the task is no JSON." };
    }
  }
  if (!Array.isArray(list) || !list.length || !list.every((entry) => entry && typeof entry === "object"))
    return { problem: "The paragraphs cannot be read: the data of the task must be a list of objects." };
  const [nameKey, textKey] = [attribute(object, "nameKey") || "author", attribute(object, "textKey") || "text"];
  const sorted = attribute(object, "contextScroll").toLowerCase() === "true" ? byTime(list) : list;
  const read = (value) => (value === null || value === undefined ? "" : String(value));
  return {
    paragraphs: sorted.map((entry) => ({
      author: read(entry[nameKey]),
      text: read(entry[textKey]),
      time: timesOf(entry),
    })),
  };
}

/** With contextScroll, the editor counts paragraphs in the order of their times; those without one are the last. */
function byTime(list) {
  const endOf = (entry) => entry.end || entry.start + (entry.duration ?? NaN) || 0;
  return [...list].sort((one, other) => {
    if (!one.start || !other.start) return one.start ? -1 : 1;
    return one.start - other.start || endOf(one) - endOf(other);
  });
}

function timesOf({ start, end, duration }) {
  if (typeof start !== "number") return "";
  const last = typeof end === "number" ? end : typeof duration === "number" ? start + duration : null;
  return last === null ? `from ${start} s` : `${start} to ${Number(last.toFixed(3))} s`;
}

/**
 * Return the parts of a region in the paragraphs, by the paragraph's index.
 * @param {object} value the region's value: paragraphs as texts, offsets in UTF-16 units
 * @param {Array<{text: string}>} paragraphs
 * @returns {{parts: Map<number, {start: number, end: number}>, problem: string}}
 */
export function paragraphParts(value, paragraphs) {
  const parts = new Map();
  const { start, end, startOffset, endOffset } = value;
  if (typeof start !== "string" || typeof end !== "string" || !Number.isInteger(startOffset) || !Number.isInteger(endOffset))
    return {
      parts,
      problem: "Not drawn: start and end must be texts, startOffset and endOffset whole numbers. Label Studio drops this region.",
    };
  const [first, last] = [paragraphs[start], paragraphs[end]];
  if (!first || !last) return { parts, problem: `Not drawn: there is no paragraph ${first ? end : start}.` };
  if (startOffset < 0 || endOffset < 0 || startOffset > first.text.length || endOffset > last.text.length)
    return { parts, problem: "Not drawn: the paragraph ends before this offset." };
  const [from, to] = [Number(start), Number(end)];
  for (let index = from; index <= to; index++) {
    const part = {
      start: index === from ? startOffset : 0,
      end: index === to ? endOffset : paragraphs[index].text.length,
    };
    if (part.end > part.start) parts.set(index, part);
  }
  return { parts, problem: parts.size ? "" : "Nothing is highlighted: the end is not after the start." };
}

function SpansOfParagraphs({ paragraphs, controls, regions, title }) {
  const [active, setActive] = useState(null);
  const [wanted, setWanted] = useState(null);
  const [count, setCount] = useState(FIRST);
  const color = useMemo(() => labelColors(controls), [controls]);
  const groups = useMemo(() => groupRegions(regions), [regions]);
  const ref = useScrollToRegion(wanted);
  const { spans, entries, firsts } = useMemo(() => placed(groups, paragraphs, color), [groups, paragraphs, color]);
  const select = (key) => {
    const index = firsts.get(key) ?? 0;
    if (index >= count) setCount(index + FIRST);
    setWanted({ key });
  };
  const shown = paragraphs.slice(0, count);
  return html`<section class="drawing" aria-label=${`${title || "Result"} in the paragraphs`}>
    <${Legend} labels=${legendLabels(controls, groups)} color=${color} />
    <div class="drawing-paragraphs" ref=${ref} tabindex="0" role="group" aria-label="Paragraphs"><ol start="0">
      ${shown.map(({ author, text, time }, index) => html`<li key=${index}>
        <p class="drawing-author"><strong><bdi>${excerpt(author, 100) || "?"}</bdi></strong> <small>${time}</small></p>
        <p class="drawing-said" dir="auto"><${MarkedText}
          ...${{ text, end: Math.min(text.length, MAX_LENGTH), spans: spans.get(index) ?? NONE, active, onActive: setActive }}
        /></p>
        ${text.length > MAX_LENGTH && html`<p class="drawing-note">The rest of this paragraph is not shown.</p>`}
      </li>`)}
    </ol></div>
    ${shown.length < paragraphs.length && html`<p class="drawing-note">
      ${shown.length} of ${paragraphs.length} paragraphs are shown.${" "}
      <button type="button" class="drawing-small" onClick=${() => setCount(count * MORE)}>Show more</button>
    </p>`}
    <${RegionList} ...${{ entries, color, active, title, onActive: setActive, onSelect: select }} />
  </section>`;
}

const NONE = [];

/** Return the spans by paragraph, the entries of the list, and the first paragraph of each region by its key. */
function placed(groups, paragraphs, color) {
  const spans = new Map();
  const firsts = new Map();
  const entries = groups.map((group) => {
    if (!hasPlace(group.item)) return { ...group, text: "", place: "", problem: "It has no position in the paragraphs." };
    const { parts, problem } = paragraphParts(group.item.value, paragraphs);
    const texts = [];
    const lastIndex = [...parts.keys()].pop();
    for (const [index, part] of parts) {
      if (!firsts.has(group.key)) firsts.set(group.key, index);
      texts.push(paragraphs[index].text.slice(part.start, part.end));
      if (!spans.has(index)) spans.set(index, []);
      const label = index === lastIndex ? group.labels.join(", ") : "…";
      spans.get(index).push({ ...part, key: group.key, color: color(group.labels[0]), label });
    }
    const { start, end } = group.item.value;
    return { ...group, text: texts.join(" "), place: start === end ? `paragraph ${start}` : `paragraphs ${start} to ${end}`, problem };
  });
  return { spans, entries, firsts };
}

/** Drawing of a `<HyperText>`: the page, in a frame without scripts, with its spans. */

import { html, useMemo, useState } from "../lib/html.js";
import { HtmlFrame } from "./parts/html-frame.js";
import { bodyOf, parsePage } from "./parts/html-content.js";
import { globalOffsets, readPlaces } from "./parts/html-offsets.js";
import { labelColors } from "./parts/label-colors.js";
import { useFile } from "./parts/loaded-file.js";
import { attribute, groupRegions, hasPlace } from "./parts/region-groups.js";
import { Legend, RegionList, legendLabels } from "./parts/region-list.js";
import { highlighted } from "./parts/spans.js";
import { useStyles } from "./parts/styles.js";
import { decoded } from "./text.js";

/** UTF-16 units of a page's source that are read: browsers cannot lay out more in a reasonable time. */
const MAX_LENGTH = 2_000_000;

/**
 * The HTML page of a task with the spans of a prediction or an annotation.
 * @param {object} props see `drawings/index.js`
 */
export function HyperTextDrawing({ object, controls, regions, data, file, title }) {
  useStyles();
  const isFile = Boolean(file) && attribute(object, "valueType").toLowerCase() === "url";
  const loaded = useFile(isFile ? file : "", "text");
  if (loaded.loading && isFile) return html`<p class="drawing-note" role="status">Reading the page …</p>`;
  if (loaded.problem) return html`<p class="drawing-problem">${loaded.problem}</p>`;
  const given = isFile ? loaded.content : data;
  const source = decoded(given === null || given === undefined ? "" : String(given), attribute(object, "encoding"));
  return html`<${SpansOfPage} ...${{ source, controls, regions, title }} />`;
}

/** Return the part of a region that is highlighted, in code points of the body's text, and what is wrong with it. */
function placeOf(group, places) {
  if (!hasPlace(group.item)) return { problem: "It has no position in the page." };
  const { start, end, problem } = globalOffsets(group.item.value, places);
  if (problem) return { problem };
  const found = highlighted(places.texts, places.lastIsText, start, end);
  if (!found) return { problem: "Nothing is highlighted: there is no text at this position." };
  const isCut = found.start !== start || found.end !== end;
  return { ...found, problem: isCut ? `Only characters ${found.start} to ${found.end} are highlighted, as in Label Studio.` : "" };
}

function SpansOfPage({ source, controls, regions, title }) {
  const [active, setActive] = useState(null);
  const [wanted, setWanted] = useState(null);
  const [blocked, setBlocked] = useState(0);
  const [quotes, setQuotes] = useState({});
  const color = useMemo(() => labelColors(controls), [controls]);
  const groups = useMemo(() => groupRegions(regions), [regions]);
  const page = useMemo(() => parsePage(source.slice(0, MAX_LENGTH)), [source]);
  const places = useMemo(() => readPlaces(bodyOf(page)), [page]);
  const spans = useMemo(() => groups.map((group) => {
    const label = group.labels.join(", ");
    return { key: group.key, color: color(group.labels[0]), label, start: 0, end: 0, ...placeOf(group, places) };
  }), [groups, places, color]);
  const entries = groups.map((group, index) => {
    const { start, end, problem } = spans[index];
    return { ...group, text: quotes[group.key] ?? "", place: end > start ? `characters ${start} to ${end}` : "", problem };
  });
  return html`<section class="drawing" aria-label=${`${title || "Result"} in the page`}>
    <${Legend} labels=${legendLabels(controls, groups)} color=${color} />
    <${HtmlFrame} ...${{ page, places, spans, active, wanted, onActive: setActive }}
      onShown=${({ texts, left }) => { setQuotes(texts); setBlocked(left); }} />
    ${source.length > MAX_LENGTH && html`<p class="drawing-note">
      Only the first ${MAX_LENGTH.toLocaleString("en")} characters of the page's source are shown.
    </p>`}
    ${blocked > 0 && html`<p class="drawing-note">
      ${blocked === 1 ? "1 picture, style or other thing" : `${blocked} pictures, styles or other things`} that the page
      would load ${blocked === 1 ? "is" : "are"} not shown: this page loads nothing from other servers.
    </p>`}
    <${RegionList} ...${{ entries, color, active, title, onActive: setActive }}
      onSelect=${(key) => setWanted({ key })} />
  </section>`;
}

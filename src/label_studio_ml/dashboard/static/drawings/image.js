/** Drawing of an `<Image>` or `<Pdf>`: the picture with its regions, one of several pictures at a time. */

import { html, useMemo, useState } from "../lib/html.js";
import { Notice } from "../parts/notice.js";
import { labelColors } from "./parts/label-colors.js";
import { Legend, RegionList, legendLabels } from "./parts/region-list.js";
import { useStyles } from "./parts/styles.js";
import { entriesOf } from "./pictures/entries.js";
import { PromptTools, promptControls, promptItem, shapeOf, usePointer } from "./pictures/prompts.js";
import { readRegions, readRelations } from "./pictures/regions.js";
import { MAX_SHAPES, Stage, shapesOf } from "./pictures/stage.js";
import { CaptionSwitch, PagePicker, Zoom } from "./pictures/tools.js";

const STYLES = new URL("../styles/pictures.css", import.meta.url).href;
/** A page of a PDF file whose size is not known: A4 in points. */
const PAGE = { width: 595, height: 842 };
/** The area of regions whose picture is not there. */
const EMPTY = { width: 800, height: 600 };
/** The most regions with their labels on the picture at first, and the most pages. */
const MANY = 60;
const MAX_PAGES = 5000;

const NOTHING = new Map();
const NONE = [];

/**
 * A picture of a task with the regions of a prediction or an annotation.
 * @param {object} props see `drawings/index.js`; `relations` are further items of the result, with the relations
 */
export function ImageDrawing({ object, controls, regions: items, relations: more = NONE, data, file, onPrompt, title }) {
  useStyles(STYLES);
  const [page, setPage] = useState(0);
  const isPdf = String(object.tag).toLowerCase() === "pdf";
  const regions = useMemo(() => readRegions(items, controls), [items, controls]);
  const relations = useMemo(() => readRelations([...(items ?? []), ...more], regions), [items, more, regions]);
  const files = Array.isArray(file) ? file : [isPdf ? "" : file];
  const count = pageCount(files, regions, isPdf);
  const shown = Math.min(page, count - 1);
  const word = isPdf ? "Page" : "Picture";
  const isSeveral = count > 1 || Array.isArray(data);

  const beyond = regions.filter((region) => !(Number.isInteger(region.index) && region.index >= 0 && region.index < count));
  return html`<section class="picture-drawing" aria-label=${`${word} with the ${title || "result"}`}>
    <${PagePicker} page=${shown} count=${count} word=${word} onPage=${setPage} />
    <${Page} key=${`${shown} ${files[shown] ?? ""}`} ...${{ object, controls, regions, relations, onPrompt, title, isPdf }}
      page=${shown} isSeveral=${isSeveral} url=${files[shown] ?? ""} onPage=${setPage} />
    ${isPdf && typeof file === "string" && file && html`<p>
      <a href=${file} target="_blank" rel="noopener">Open the PDF file</a>: its pages are drawn as empty areas here.
    </p>`}
    ${beyond.length > 0 && html`<${Notice} kind="warning">
      ${beyond.length === 1 ? "1 region is" : `${beyond.length} regions are`} on pictures that the task does not have
      (item_index is ${[...new Set(beyond.map((region) => JSON.stringify(region.index)))].slice(0, 5).join(", ")}): Label
      Studio's page fails.
    </${Notice}>`}
  </section>`;
}

function pageCount(files, regions, isPdf) {
  if (!isPdf || files.length > 1) return Math.max(1, files.length);
  const last = regions.map((region) => region.index).filter((index) => Number.isInteger(index) && index < MAX_PAGES);
  return last.reduce((most, index) => Math.max(most, index + 1), 1);
}

/** One picture with its regions, tools and list. */
function Page({ object, controls, regions: all, relations, onPrompt, title, isPdf, page, isSeveral, url }) {
  const [natural, setNatural] = useState(null);
  const [problem, setProblem] = useState("");
  const [active, setActive] = useState(null);
  const [masks, setMasks] = useState(NOTHING);
  const [zoom, setZoom] = useState(1);
  const regions = useMemo(() => all.filter((region) => region.index === page), [all, page]);
  const [captions, setCaptions] = useState(regions.length <= MANY);
  const color = useMemo(() => labelColors(controls), [controls]);
  const size = natural ?? (url && !problem ? null : assumedSize(regions, isPdf));
  const prompts = usePrompts({ object, controls, onPrompt, size: natural, index: isSeveral ? page : null });

  const loaded = (event) => {
    const { naturalWidth: width, naturalHeight: height } = event.target;
    setNatural(width && height ? { width, height } : EMPTY);
  };
  const media = url
    ? html`<img class="picture-media" src=${url} alt="The picture of the task" onLoad=${loaded} draggable="false"
        onError=${() => setProblem("The picture could not be loaded. Its regions are drawn on an empty area.")} />`
    : html`<div class="picture-media"></div>`;
  const shapes = size ? shapesOf(regions, size, masks) : [];
  const here = relations.filter((relation) => [relation.from, relation.to].every((region) => region.index === page));

  return html`<div class="picture-page">
    ${problem && html`<${Notice} kind="error">${problem}</${Notice}>`}
    ${!url && !isPdf && html`<${Notice} kind="info">The picture is not available. Its regions are drawn on an empty area.</${Notice}>`}
    <div class="picture-tools">
      <${Zoom} zoom=${zoom} onZoom=${setZoom} />
      <${CaptionSwitch} captions=${captions} onCaptions=${setCaptions} />
    </div>
    ${!size && html`<p class="drawing-note" role="status">Reading the picture …</p>`}
    <${Stage} media=${problem ? html`<div class="picture-media"></div>` : media} size=${size ?? EMPTY}
      regions=${size ? regions : []} relations=${size ? here : []} ...${{ masks, active, captions, zoom }}
      onPainted=${setMasks} onActive=${setActive} pointer=${prompts.pointer}
      label=${`Picture with the ${title || "result"}, scrolls when enlarged`}>${prompts.draft}</${Stage}>
    ${regions.length > MAX_SHAPES && html`<${Notice} kind="info">Only the first ${MAX_SHAPES} regions are drawn.</${Notice}>`}
    ${prompts.tools}
    <${Legend} labels=${legendLabels(controls, regions)} color=${color} />
    <${RegionList} entries=${entriesOf(shapes, size ?? EMPTY, natural !== null)} color=${color} active=${active}
      onActive=${setActive} title=${title} />
    <${RelationList} relations=${here} />
  </div>`;
}

/** Return a size for regions whose picture is not there: the one that they say, or one with a usual ratio. */
function assumedSize(regions, isPdf) {
  return regions.find((region) => region.size)?.size ?? (isPdf ? PAGE : EMPTY);
}

/** Return the parts of the page for prompts; none of them without `onPrompt`, a picture, or a control for prompts. */
function usePrompts({ object, controls, onPrompt, size, index }) {
  const tools = useMemo(() => promptControls(controls), [controls]);
  const [choice, setChoice] = useState(() =>
    tools.length ? { control: tools[0], label: tools[0].labels?.[0]?.value ?? "", positive: true } : null);
  const isOn = Boolean(onPrompt && size && choice);
  const ask = (value) => onPrompt(promptItem({ ...choice, value, objectName: object.name, size, index }));
  const { pointer, draft } = usePointer(isOn ? shapeOf(choice) : null, ask);
  if (!isOn) return { pointer: null, draft: null, tools: null };
  const [across, down] = [size.width / 100, size.height / 100];
  return {
    pointer,
    draft: draft && html`<rect class="picture-draft" x=${draft.x * across} y=${draft.y * down}
      width=${draft.width * across} height=${draft.height * down} vector-effect="non-scaling-stroke" />`,
    tools: html`<${PromptTools} controls=${tools} choice=${choice} onChoice=${setChoice} onValue=${ask} />`,
  };
}

const ARROWS = { right: "→", left: "←", bi: "↔" };

/** The relations between regions in words. */
function RelationList({ relations }) {
  if (!relations.length) return null;
  const name = (region) => `${region.labels.join(", ") || region.kind.name} (${region.number})`;
  return html`<h4>Relations</h4>
    <ul class="picture-relations">
      ${relations.map((relation) => html`<li key=${relation.key}>
        <bdi>${name(relation.from)}</bdi> ${ARROWS[relation.direction]} <bdi>${name(relation.to)}</bdi>
        ${relation.labels.length > 0 && html`: <bdi>${relation.labels.join(", ")}</bdi>`}
      </li>`)}
    </ul>`;
}

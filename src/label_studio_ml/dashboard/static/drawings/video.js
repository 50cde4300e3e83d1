/** Drawing of a `<Video>`: the video with the regions of the frame that is shown, and a timeline of their frames. */

import { html, useMemo, useState } from "../lib/html.js";
import { Notice } from "../parts/notice.js";
import { labelColors } from "./parts/label-colors.js";
import { Legend, RegionList, legendLabels } from "./parts/region-list.js";
import { attribute } from "./parts/region-groups.js";
import { useStyles } from "./parts/styles.js";
import { kindOf } from "./pictures/kinds.js";
import { nameOf, readRegions } from "./pictures/regions.js";
import { Stage } from "./pictures/stage.js";
import { CaptionSwitch, Zoom } from "./pictures/tools.js";
import { usePlayer } from "./videos/player.js";
import { MAX_ROWS, Timeline, framesInWords } from "./videos/timeline.js";
import { TRACK, frameCount, frameRate, kindOnVideo, shapeAt, spansOf } from "./videos/tracks.js";

const STYLES = new URL("../styles/pictures.css", import.meta.url).href;
/** The area of regions whose video is not there. */
const EMPTY = { width: 640, height: 360 };
const NOTHING = new Map();

/** Return the regions that have a place in a frame, as regions of a picture. */
function regionsAt(regions, frame) {
  const shown = [];
  for (const region of regions) {
    const value = region.kind === TRACK ? shapeAt(region.value, frame) : null;
    const kind = value && kindOf({ type: "", value });
    if (kind) shown.push({ ...region, value, kind, hasSize: true });
  }
  return shown;
}

/**
 * A video of a task with the regions of a prediction or an annotation.
 * @param {object} props see `drawings/index.js`
 */
export function VideoDrawing({ object, controls, regions: items, file, title }) {
  useStyles(STYLES);
  const [media, setMedia] = useState(null);
  const [problem, setProblem] = useState("");
  const [active, setActive] = useState(null);
  const [zoom, setZoom] = useState(1);
  const [captions, setCaptions] = useState(true);
  const regions = useMemo(() => readRegions(items, controls, kindOnVideo), [items, controls]);
  const color = useMemo(() => labelColors(controls), [controls]);
  const rate = frameRate(attribute(object, "frameRate"), regions);
  const length = frameCount(media ? media.duration : Number.NaN, rate, regions);
  const player = usePlayer(rate, length);
  const shown = useMemo(() => regionsAt(regions, player.frame), [regions, player.frame]);
  const size = media ?? EMPTY;

  const loaded = ({ target }) =>
    setMedia({ width: target.videoWidth || EMPTY.width, height: target.videoHeight || EMPTY.height, duration: target.duration });
  const element = file && !problem
    ? html`<video ref=${player.video} class="picture-media" src=${file} preload="auto" playsinline
        muted=${attribute(object, "muted") === "true"} aria-label="The video of the task" onLoadedMetadata=${loaded}
        onDurationChange=${loaded} ...${player.handlers}
        onError=${() => setProblem("The video could not be played by this browser. Its regions are drawn on an empty area.")}></video>`
    : html`<div class="picture-media"></div>`;
  return html`<section class="picture-drawing" aria-label=${`Video with the ${title || "result"}`}>
    ${problem && html`<${Notice} kind="error">${problem}</${Notice}>`}
    ${!file && html`<${Notice} kind="info">The video is not available. Its regions are drawn on an empty area.</${Notice}>`}
    <div class="picture-tools">
      <${Zoom} zoom=${zoom} onZoom=${setZoom} />
      <${CaptionSwitch} captions=${captions} onCaptions=${setCaptions} />
    </div>
    <${Stage} media=${element} ...${{ size, active, captions, zoom }} regions=${shown} relations=${[]} masks=${NOTHING}
      onPainted=${() => {}} onActive=${setActive} label=${`Video with the ${title || "result"}, scrolls when enlarged`} />
    <${Controls} player=${player} length=${length} rate=${rate} />
    <${AtFrame} frame=${player.frame} regions=${regions} length=${length} playing=${player.playing} />
    <${Timeline} ...${{ regions, length, active }} frame=${player.frame} onActive=${setActive} onFrame=${player.seek} />
    ${regions.length > MAX_ROWS && html`<${Notice} kind="info">Only the first ${MAX_ROWS} regions have a row.</${Notice}>`}
    <${Legend} labels=${legendLabels(controls, regions)} color=${color} />
    <${RegionList} entries=${regions.map((region) => entryOf(region, length))} color=${color} active=${active}
      onActive=${setActive} onSelect=${(key) => goTo(regions, key, player, length)} title=${title} />
  </section>`;
}

/** Return an entry of the list of regions. */
function entryOf(region, length) {
  const { key, labels, score, details } = region;
  const place = `${region.kind.name}, ${framesInWords(region.value, length)}`;
  const isBroken = spansOf(region.value, length).length === 0;
  return { key, labels, text: "", place, score, details, problem: isBroken ? "Not drawn: it has no frames." : "" };
}

/** Show the first frame of a region, unless the present one is among its frames. */
function goTo(regions, key, player, length) {
  const region = regions.find((each) => each.key === key);
  const spans = region ? spansOf(region.value, length) : [];
  const isShown = spans.some(({ start, end }) => start <= player.frame && player.frame <= end);
  if (spans.length && !isShown) player.seek(spans[0].start);
}

/** Play, steps of frames, and a slider. */
function Controls({ player, length, rate }) {
  const { frame, playing, seek, toggle } = player;
  return html`<div class="video-tools" role="group" aria-label="Video">
    <button type="button" class="small secondary" onClick=${toggle}>${playing ? "Pause" : "Play"}</button>
    <button type="button" class="small secondary" aria-label="Previous frame" disabled=${frame <= 1} onClick=${() => seek(frame - 1)}>‹</button>
    <button type="button" class="small secondary" aria-label="Next frame" disabled=${frame >= length} onClick=${() => seek(frame + 1)}>›</button>
    <input type="range" min="1" max=${length} step="1" value=${frame} aria-label="Frame"
      aria-valuetext=${`frame ${frame} of ${length}`} onInput=${(event) => seek(Number(event.target.value))} />
    <span class="video-frame-number">frame ${frame} of ${length}, ${((frame - 1) / rate).toFixed(2)} s</span>
  </div>`;
}

/** The labels that apply to the frame that is shown. */
function AtFrame({ frame, regions, length, playing }) {
  const here = regions.filter((region) =>
    spansOf(region.value, length).some(({ start, end }) => start <= frame && frame <= end));
  const names = [...new Set(here.map(nameOf))].slice(0, 20);
  return html`<p class="drawing-note" aria-live=${playing ? "off" : "polite"}>
    In this frame: ${names.length ? names.map((name, index) => html`${index > 0 && ", "}<bdi key=${index}>${name}</bdi>`) : "no regions"}
  </p>`;
}

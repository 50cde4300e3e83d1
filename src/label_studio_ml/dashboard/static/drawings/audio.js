/** Drawing of an `<Audio>`: the waveform with the segments of each channel, and playback. */

import { html, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { useWidth } from "../lib/element-width.js";
import { labelColors, translucent } from "./parts/label-colors.js";
import { useFile } from "./parts/loaded-file.js";
import { attribute, groupRegions, hasPlace } from "./parts/region-groups.js";
import { Legend, RegionList, legendLabels } from "./parts/region-list.js";
import { useScheme } from "./parts/scheme.js";
import { excerpt } from "./parts/spans.js";
import { useStyles } from "./parts/styles.js";
import { axisTimes, clock, decode, drawPeaks } from "./parts/waveform.js";

/** Pixels of the height of a channel, of the widest canvas, and between two marks of the axis. */
const HEIGHT = 96;
const MAX_WIDTH = 16_000;
const BETWEEN_MARKS = 90;
const MAX_ZOOM = 32;

/**
 * The recording of a task with the segments of a prediction or an annotation.
 * @param {object} props see `drawings/index.js`
 */
export function AudioDrawing({ object, controls, regions, file, title }) {
  useStyles();
  const url = Array.isArray(file) ? file[0] : file;
  const loaded = useFile(url || "", "arrayBuffer");
  const sound = useDecoded(loaded.content);
  const color = useMemo(() => labelColors(controls), [controls]);
  const groups = useMemo(() => groupRegions(regions), [regions]);
  const segments = useMemo(() => groups.map((group) => segmentOf(group, color)), [groups, color]);
  if (loaded.loading || sound.loading) return html`<p class="drawing-note" role="status">Reading the recording …</p>`;
  const last = Math.max(0, ...segments.filter((one) => !one.problem).map((one) => one.end));
  const duration = sound.buffer ? sound.buffer.duration : last || 1;
  const problem = loaded.problem ?? sound.problem ?? (url ? "" : "There is no file of the recording.");
  return html`<section class="drawing" aria-label=${`${title || "Result"} in the recording`}>
    <${Legend} labels=${legendLabels(controls, groups)} color=${color} />
    ${problem && html`<p class="drawing-problem">${problem} The segments are shown without it.</p>`}
    <${Timeline} ...${{ object, groups, segments, color, title, duration, buffer: sound.buffer, url: problem ? "" : url }} />
  </section>`;
}

/** Decode a file's content. */
function useDecoded(content) {
  const [state, setState] = useState({});
  useEffect(() => {
    let current = true;
    setState({});
    if (content?.byteLength)
      decode(content).then(
        (buffer) => current && setState({ content, buffer }),
        () => current && setState({ content, problem: "This browser cannot decode the recording." }),
      );
    else if (content) setState({ content, problem: "The recording is empty." });
    return () => { current = false; };
  }, [content]);
  return { ...state, loading: Boolean(content) && state.content !== content };
}

/**
 * Return a region as a segment. Seconds and channels that are no numbers are a `problem`: the editor drops the region.
 * @param {object} group from `groupRegions`
 * @param {(label: string) => string} color
 */
export function segmentOf(group, color) {
  const { start, end, channel } = group.item.value ?? {};
  const segment = { key: group.key, start: 0, end: 0, channel: 0, color: color(group.labels[0]), label: group.labels.join(", "), problem: "" };
  if (!hasPlace(group.item)) return { ...segment, problem: "It has no position in the recording." };
  if (!Number.isFinite(start) || !Number.isFinite(end) || !(channel === undefined || Number.isInteger(channel)))
    return { ...segment, problem: "Not drawn: start, end and channel must be numbers. Label Studio drops this region." };
  return { ...segment, start: Math.min(start, end), end: Math.max(start, end), channel: channel ?? 0 };
}

function Timeline({ object, groups, segments, color, title, duration, buffer, url }) {
  const [active, setActive] = useState(null);
  const [zoom, setZoom] = useState(1);
  const [time, setTime] = useState(0);
  const player = useRef(null);
  const box = useRef(null);
  const width = useWidth(box);
  useCursor(player, setTime);
  const split = attribute(object, "splitChannels").toLowerCase() === "true" || segments.some((one) => one.channel > 0);
  const channels = split ? Math.max(buffer?.numberOfChannels ?? 1, ...segments.map((one) => one.channel + 1)) : 1;
  const entries = groups.map((group, index) => {
    const { start, end, channel, problem } = segments[index];
    const place = problem ? "" : `${clock(start)} to ${clock(end)}${channels > 1 ? `, channel ${channel}` : ""}`;
    const beyond = !problem && (start < 0 || end > duration + 1e-3);
    return { ...group, text: "", place, problem: beyond ? "Part of the segment is outside the recording." : problem };
  });
  const select = (key) => {
    const { start } = segments.find((one) => one.key === key);
    setTime(start);
    if (player.current) player.current.currentTime = Math.max(0, start);
    const inner = box.current;
    inner.scrollTo({ left: (start / duration) * inner.scrollWidth - inner.clientWidth / 4 });
  };
  const marks = axisTimes(duration, Math.max(2, (width * zoom) / BETWEEN_MARKS));
  return html`
    <div class="drawing-timeline" ref=${box} tabindex="0" role="group" aria-label="Waveform">
      <div class="drawing-track" style=${{ width: `${zoom * 100}%` }}>
        ${Array.from({ length: Math.min(channels, 16) }, (_, channel) => html`<${Channel} key=${channel}
          ...${{ channel, channels, buffer, width: width * zoom, duration, active, onActive: setActive }}
          segments=${segments.filter((one) => !one.problem && (channels === 1 || one.channel === channel))} />`)}
        <div class="drawing-axis" aria-hidden="true">
          ${marks.map((at) => html`<span key=${at} style=${{ left: `${(at / duration) * 100}%` }}>${clock(at)}</span>`)}
        </div>
        <div class="drawing-cursor" aria-hidden="true" style=${{ left: `${Math.min(100, (time / duration) * 100)}%` }}></div>
      </div>
    </div>
    <div class="drawing-tools">
      ${url && html`<audio controls preload="metadata" src=${url} ref=${player} aria-label="Recording of the task"></audio>`}
      <button type="button" class="drawing-small" disabled=${zoom <= 1} onClick=${() => setZoom(zoom / 2)}>Zoom out</button>
      <button type="button" class="drawing-small" disabled=${zoom >= MAX_ZOOM} onClick=${() => setZoom(zoom * 2)}>Zoom in</button>
      <span>${clock(duration)}</span>
    </div>
    <${RegionList} ...${{ entries, color, active, title, onActive: setActive, onSelect: select }} />`;
}

/** One channel: its waveform, with the segments over it. */
function Channel({ channel, channels, buffer, width, duration, segments, active, onActive }) {
  const canvas = useRef(null);
  const scheme = useScheme();
  useEffect(() => {
    if (!buffer || !width || channel >= buffer.numberOfChannels) return;
    const element = canvas.current;
    element.width = Math.round(Math.min(MAX_WIDTH, width * Math.min(2, devicePixelRatio)));
    element.height = HEIGHT;
    drawPeaks(element, samplesOf(buffer, channel, channels), getComputedStyle(element).color);
  }, [buffer, width, channel, channels, scheme]);
  return html`<div class="drawing-channel" data-channel=${channel} style=${{ height: `${HEIGHT}px` }}>
    <canvas ref=${canvas} aria-hidden="true"></canvas>
    ${channels > 1 && html`<span class="drawing-channel-name">channel ${channel}</span>`}
    ${segments.map((segment) => {
      const [left, right] = [segment.start, segment.end].map((at) => Math.min(1, Math.max(0, at / duration)) * 100);
      return html`<div
        key=${segment.key}
        class=${`drawing-segment ${segment.key === active ? "is-active" : ""}`}
        data-regions=${segment.key}
        title=${`${excerpt(segment.label, 80) || "no label"}: ${clock(segment.start)} to ${clock(segment.end)}`}
        style=${{ left: `${left}%`, width: `${right - left}%`, background: translucent(segment.color, 0.35), borderColor: segment.color }}
        onClick=${() => onActive(segment.key)}
      ><span dir="auto">${excerpt(segment.label, 60)}</span></div>`;
    })}
  </div>`;
}

/** Return the samples of a channel; of a file that is shown as one channel, the mean of all. */
function samplesOf(buffer, channel, channels) {
  if (channels > 1 || buffer.numberOfChannels === 1) return buffer.getChannelData(channel);
  const all = Array.from({ length: buffer.numberOfChannels }, (_, index) => buffer.getChannelData(index));
  return all[0].map((_, at) => all.reduce((sum, samples) => sum + samples[at], 0) / all.length);
}

/** Follow the player's time: at each frame while it plays, and after each jump. */
function useCursor(player, setTime) {
  useEffect(() => {
    const element = player.current;
    if (!element) return undefined;
    let frame = 0;
    const follow = () => {
      setTime(element.currentTime);
      frame = element.paused ? 0 : requestAnimationFrame(follow);
    };
    const events = ["play", "pause", "seeked", "timeupdate"];
    const begin = () => { cancelAnimationFrame(frame); follow(); };
    for (const name of events) element.addEventListener(name, begin);
    return () => {
      cancelAnimationFrame(frame);
      for (const name of events) element.removeEventListener(name, begin);
    };
  }, [player.current]);
}

/** Drawing of a `<TimeSeries>`: a plot for each channel, with the regions as bands. */

import { html, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import uPlot from "../vendor/uplot.js";
import { labelColors, translucent } from "./parts/label-colors.js";
import { useFile } from "./parts/loaded-file.js";
import { attribute, groupRegions, hasPlace } from "./parts/region-groups.js";
import { Legend, RegionList, legendLabels } from "./parts/region-list.js";
import { useScheme } from "./parts/scheme.js";
import { excerpt } from "./parts/spans.js";
import { useStyles } from "./parts/styles.js";
import { columnIndex, readColumns } from "./parts/table-data.js";
import { showTime, timeParser } from "./parts/time-format.js";

const PLOT_STYLES = new URL("../vendor/uplot.css", import.meta.url).href;
/** Pixels of the height of a plot. */
const HEIGHT = 150;
/** How many channels are shown at first, and the most points of a line. */
const FIRST_CHANNELS = 8;
const MAX_POINTS = 200_000;

/**
 * The time series of a task with the regions of a prediction or an annotation.
 * @param {object} props see `drawings/index.js`. `object.channels`, a list of `{column, legend, units}`, says which
 * columns are shown; without it, all of numbers
 */
export function TimeSeriesDrawing({ object, controls, regions, data, file, title }) {
  useStyles(PLOT_STYLES);
  const loaded = useFile(typeof data === "string" || data === undefined ? (file ?? "") : "", "text");
  const color = useMemo(() => labelColors(controls), [controls]);
  const groups = useMemo(() => groupRegions(regions), [regions]);
  const series = useMemo(
    () => (loaded.loading ? null : readSeries(loaded.content ?? data, object)),
    [loaded, data, object],
  );
  if (!series) return html`<p class="drawing-note" role="status">Reading the time series …</p>`;
  const problem = loaded.problem ?? series.problem;
  const bands = groups.map((group) => bandOf(group, series, color));
  return html`<section class="drawing" aria-label=${`${title || "Result"} in the time series`}>
    <${Legend} labels=${legendLabels(controls, groups)} color=${color} />
    ${problem && html`<p class="drawing-problem">${problem}</p>`}
    <${Plots} ...${{ series, groups, bands, color, title }} />
  </section>`;
}

/**
 * Return the times and channels of a time series.
 * @param {unknown} data columns, or the text of a file
 * @param {object} object the tag
 * @returns {{times: number[], channels: Array<{name: string, units: string, values: Array<number | null>}>,
 *   isDate: boolean, read: (value: unknown) => number, problem?: string}} `read` reads a time of a region; times are
 * milliseconds since 1970 if `isDate`
 */
export function readSeries(data, object) {
  const format = attribute(object, "timeFormat");
  const timeColumn = attribute(object, "timeColumn");
  const isDate = Boolean(format && timeColumn);
  const parse = isDate ? timeParser(format) : Number;
  const read = (value) => (typeof value === "number" ? value : typeof value === "string" && value ? parse(value) : NaN);
  const table = readColumns(data, attribute(object, "sep"));
  const empty = { times: [], channels: [], isDate, read };
  if (table.problem) return { ...empty, problem: table.problem };
  const index = timeColumn ? columnIndex(table.names, timeColumn) : -1;
  if (timeColumn && index < 0)
    return { ...empty, problem: `The time series has no column ${JSON.stringify(excerpt(timeColumn, 80))} (timeColumn).` };
  const times = index < 0 ? table.columns[0].map((_, row) => row) : table.columns[index].map((value) => (isDate ? parse(value) : Number(value)));
  const channels = channelsOf(object, table, index);
  const wrong = times.findIndex((time, row) => Number.isNaN(time) || (row > 0 && time < times[row - 1]));
  if (wrong >= 0) {
    const cell = JSON.stringify(excerpt(String(table.columns[Math.max(index, 0)][wrong]), 60));
    const cause = Number.isNaN(times[wrong]) ? `is no time${format ? ` in the format ${format}` : ""}` : "is before the one above it";
    return { ...empty, problem: `The time series cannot be drawn: the time ${cell} in row ${wrong + 1} ${cause}.` };
  }
  return { times, channels, isDate, read, problem: channels.length ? undefined : "The time series has no column of numbers." };
}

/** Return the channels that the tag names; all columns of numbers if it names none. */
function channelsOf(object, table, timeIndex) {
  const declared = (object.channels ?? []).map(({ column, legend, units }) => ({ index: columnIndex(table.names, column), legend, units }));
  const all = table.names.map((_, index) => ({ index })).filter(({ index }) => index !== timeIndex && table.columns[index].some((value) => typeof value === "number"));
  return (declared.length ? declared.filter(({ index }) => index >= 0) : all).map(({ index, legend, units }) => ({
    name: excerpt(legend || table.names[index], 60),
    units: excerpt(units || "", 20),
    values: table.columns[index].map((value) => {
      const number = value === null || value === "" ? NaN : Number(value);
      return Number.isFinite(number) ? number : null;
    }),
  }));
}

/** Return a region as a band. A time that cannot be read is a `problem`. */
function bandOf(group, series, color) {
  const value = group.item.value ?? {};
  const band = { key: group.key, start: 0, end: 0, color: color(group.labels[0]), label: group.labels.join(", "), problem: "" };
  if (!hasPlace(group.item)) return { ...band, problem: "It has no position in the time series." };
  const [start, end] = [series.read(value.start), series.read(value.end)];
  if (!Number.isFinite(start) || !Number.isFinite(end))
    return { ...band, problem: "Not drawn: start and end are no times of this time series." };
  return { ...band, start: Math.min(start, end), end: Math.max(start, end), instant: value.instant === true || start === end };
}

function Plots({ series, groups, bands, color, title }) {
  const [active, setActive] = useState(null);
  const [range, setRange] = useState(null);
  const [all, setAll] = useState(false);
  const scheme = useScheme();
  const show = (time) => (series.isDate ? showTime(time) : String(Number(time.toPrecision(10))));
  const entries = groups.map((group, index) => {
    const { start, end, instant, problem } = bands[index];
    return { ...group, text: "", place: problem ? "" : instant ? `at ${show(start)}` : `${show(start)} to ${show(end)}`, problem };
  });
  const zoomTo = (key) => {
    const band = bands.find((one) => one.key === key);
    const { times } = series;
    if (band.problem || !times.length) return;
    const margin = Math.max(band.end - band.start, (times[times.length - 1] - times[0]) / 50) || 1;
    setRange([band.start - margin, band.end + margin]);
  };
  const drawn = bands.filter((band) => !band.problem);
  const shown = all ? series.channels : series.channels.slice(0, FIRST_CHANNELS);
  return html`
    ${shown.map((channel, index) => html`<${ChannelPlot} key=${`${index} ${scheme}`}
      ...${{ channel, index, series, bands: drawn, range, onRange: setRange, active, onActive: setActive, show }} />`)}
    ${shown.length < series.channels.length && html`<button type="button" class="drawing-small" onClick=${() => setAll(true)}>
      Show all ${series.channels.length} channels
    </button>`}
    ${range && html`<p class="drawing-note">A part of the time series is shown.${" "}
      <button type="button" class="drawing-small" onClick=${() => setRange(null)}>Show all of it</button></p>`}
    <${RegionList} ...${{ entries, color, active, title, onActive: setActive, onSelect: zoomTo }} />`;
}

/** Return times and values with at most MAX_POINTS points: each stretch keeps its lowest and its highest value. */
export function thinned(times, values) {
  if (times.length <= MAX_POINTS) return [times, values];
  const step = Math.ceil(times.length / (MAX_POINTS / 2));
  const rows = [];
  for (let first = 0; first < times.length; first += step) {
    let [low, high] = [first, first];
    for (let row = first; row < Math.min(first + step, times.length); row++) {
      if (values[row] !== null && (values[low] === null || values[row] < values[low])) low = row;
      if (values[row] !== null && (values[high] === null || values[row] > values[high])) high = row;
    }
    rows.push(...(low === high ? [low] : [Math.min(low, high), Math.max(low, high)]));
  }
  if (rows[0] !== 0) rows.unshift(0);
  if (rows[rows.length - 1] !== times.length - 1) rows.push(times.length - 1);
  return [rows.map((row) => times[row]), rows.map((row) => values[row])];
}

function ChannelPlot({ channel, index, series, bands, range, onRange, active, onActive, show }) {
  const host = useRef(null);
  const plot = useRef(null);
  const [layer, setLayer] = useState(null);
  const whole = useMemo(() => [series.times[0], series.times[series.times.length - 1]], [series]);
  useEffect(() => {
    const [times, values] = thinned(series.times, channel.values);
    const options = plotOptions(channel, index, series.isDate, host.current, show, onRange);
    options.hooks = { setScale: [(made, key) => key === "x" && setLayer({ over: made.over, scale: [made.scales.x.min, made.scales.x.max] })] };
    plot.current = new uPlot(options, [times, values], host.current);
    const observer = new ResizeObserver(() => plot.current.setSize({ width: Math.max(200, host.current.clientWidth), height: HEIGHT }));
    observer.observe(host.current);
    return () => {
      observer.disconnect();
      plot.current.destroy();
    };
  }, [channel, series]);
  useEffect(() => {
    const [min, max] = range ?? whole;
    if (min < max) plot.current.setScale("x", { min, max });
  }, [range, whole]);
  useBands(layer, bands, active, onActive);
  const name = channel.units ? `${channel.name} (${channel.units})` : channel.name;
  return html`<figure class="drawing-plot">
    <figcaption><bdi>${name}</bdi></figcaption>
    <div ref=${host} role="img" aria-label=${`${name}: ${series.times.length} values from ${show(whole[0])} to ${show(whole[1])}`}></div>
  </figure>`;
}

function plotOptions(channel, index, isDate, element, show, onRange) {
  const look = getComputedStyle(document.documentElement);
  const ink = look.getPropertyValue("--plot-ink").trim() || "#555";
  const grid = { stroke: look.getPropertyValue("--plot-grid").trim() || "#ddd", width: 1 };
  const line = look.getPropertyValue(`--plot-${(index % 6) + 1}`).trim() || "#0b6b58";
  const axis = { stroke: ink, grid, ticks: { show: false } };
  return {
    width: Math.max(200, element.clientWidth),
    height: HEIGHT,
    ms: 1,
    tzDate: (time) => uPlot.tzDate(new Date(time), "Etc/UTC"),
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
    scales: { x: { time: isDate, range: (_, min, max) => (min === max ? [min - 1, max + 1] : [min, max]) } },
    axes: [axis, { ...axis, size: 56 }],
    series: [
      { value: (_, time) => (time === null ? "" : show(time)) },
      { label: channel.name, stroke: line, width: 1.5, points: { show: channel.values.length < 60 } },
    ],
    plugins: [{ hooks: { setSelect: [(made) => {
      const { left, width } = made.select;
      if (width > 4) onRange([made.posToVal(left, "x"), made.posToVal(left + width, "x")]);
      made.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    }] } }],
  };
}

/** Draw the bands over a plot: in shares of its width, so that they stay right when the plot is resized. */
function useBands(layer, bands, active, onActive) {
  useEffect(() => {
    if (!layer) return undefined;
    const [min, max] = layer.scale;
    const box = document.createElement("div");
    box.className = "drawing-bands";
    for (const band of bands) {
      const [left, right] = [band.start, band.end].map((at) => ((at - min) / (max - min)) * 100);
      if (right < 0 || left > 100 || !Number.isFinite(left)) continue;
      box.append(bandElement(band, left, right, active, onActive));
    }
    layer.over.prepend(box);
    return () => box.remove();
  }, [layer, bands, active]);
}

function bandElement(band, left, right, active, onActive) {
  const element = document.createElement("div");
  const [from, to] = [Math.max(0, left), Math.min(100, right)];
  element.className = `drawing-band ${band.instant ? "is-instant" : ""} ${band.key === active ? "is-active" : ""}`;
  element.dataset.regions = band.key;
  element.title = excerpt(band.label, 80) || "no label";
  Object.assign(element.style, { left: `${from}%`, width: `${to - from}%`, background: translucent(band.color, 0.3), borderColor: band.color });
  const name = document.createElement("span");
  name.dir = "auto";
  name.textContent = excerpt(band.label, 40);
  element.append(name);
  element.addEventListener("click", () => onActive(band.key));
  return element;
}

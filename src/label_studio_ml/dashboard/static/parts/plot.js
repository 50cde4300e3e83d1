import { html, useEffect, useRef } from "../lib/html.js";
import { dateTime, number } from "../lib/format.js";
import { visible } from "./short-text.js";
import uPlot from "../vendor/uplot.js";

const COLOURS = ["--plot-1", "--plot-2", "--plot-3", "--plot-4", "--plot-5", "--plot-6"];

/**
 * A line chart. `x` is an array of numbers (seconds since 1970 if `time`), `lines` an array of `{label, values}` with one
 * value or null for each x. `label` is its accessible name, with the last values. With `gaps`, a line is interrupted
 * where it has no value, and has a point at each of its ends.
 */
export function Plot({ label, x, lines, time = false, unit = "", height = 180, gaps = false }) {
  const host = useRef(null);
  const chart = useRef(null);
  const names = lines.map((line) => line.label).join("\u0000");

  useEffect(() => {
    const element = host.current;
    const make = () => {
      chart.current?.destroy();
      const look = getComputedStyle(document.documentElement);
      const ink = look.getPropertyValue("--plot-ink").trim();
      const axis = { stroke: ink, grid: { stroke: look.getPropertyValue("--plot-grid").trim(), width: 1 }, ticks: { show: false } };
      chart.current = new uPlot(
        {
          width: Math.max(200, element.clientWidth),
          height,
          scales: { x: { time }, y: { range } },
          cursor: { drag: { x: false, y: false } },
          legend: { show: true, live: true },
          axes: [{ ...axis, size: 30, ...(time ? { values: clock } : {}) }, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => `${number(tick)}${unit && ` ${unit}`}`) }],
          series: [
            time ? { value: (_, at) => (at ? dateTime(at) : "–") } : { label: "step", value: (_, step) => number(step) },
            ...lines.map((line, index) => ({
              label: visible(line.label),
              stroke: look.getPropertyValue(COLOURS[index % COLOURS.length]).trim(),
              dash: index >= COLOURS.length ? [6, 4] : undefined,
              width: 2,
              spanGaps: !gaps,
              points: gaps ? { show: true, size: 5, filter: ends } : { show: x.length < 30 },
              value: (_, value) => (value === null || value === undefined ? "–" : `${number(value)}${unit && ` ${unit}`}`),
            })),
          ],
        },
        [x, ...lines.map((line) => line.values)],
        element,
      );
    };
    make();
    const resized = new ResizeObserver(() => chart.current?.setSize({ width: Math.max(200, element.clientWidth), height }));
    resized.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", make);
    addEventListener("schemechange", make);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", make);
      removeEventListener("schemechange", make);
      chart.current?.destroy();
      chart.current = null;
    };
  }, [names, time, unit, height]);

  useEffect(() => chart.current?.setData([x, ...lines.map((line) => line.values)]));

  return html`<figure class="plot">
    <figcaption><bdi>${visible(label)}</bdi></figcaption>
    <div ref=${host} class="plot-canvas" role="img" aria-label=${summary(label, lines, unit)}></div>
  </figure>`;
}

/** Return the times of an axis on a 24-hour clock, and dates where the axis covers more than a day. */
function clock(_, times) {
  const days = times.length > 1 && times[times.length - 1] - times[0] > 86400;
  const style = days ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" };
  return times.map((at) => new Date(at * 1000).toLocaleString("en-GB", style));
}

/** Return the ends of the vertical axis: from 0 to 1 where there are no values, or only zeros. */
function range(_, least, most) {
  return (least ?? 0) === 0 && (most ?? 0) === 0 ? [0, 1] : uPlot.rangeNum(least, most, 0.1, true);
}

/** Return the indices of the values of a series that are beside a gap: alone there, a value has no line. */
function ends(chart, index) {
  const values = chart.data[index];
  const missing = (value) => value === null || value === undefined;
  return [...values.keys()].filter((at) => !missing(values[at]) && (missing(values[at - 1]) || missing(values[at + 1])));
}

function summary(label, lines, unit) {
  const parts = lines.map((line) => {
    const last = [...line.values].reverse().find((value) => value !== null && value !== undefined);
    return `${line.label}: last value ${number(last)} ${unit}`.trim();
  });
  return `${label}. ${parts.join("; ")}`;
}

import { html, useEffect, useRef } from "../lib/html.js";
import { number } from "../lib/format.js";
import uPlot from "../vendor/uplot.js";

const COLOURS = ["--plot-1", "--plot-2", "--plot-3", "--plot-4", "--plot-5", "--plot-6"];

/**
 * A line chart. `x` is an array of numbers (seconds since 1970 if `time`), `lines` an array of `{label, values}` with one
 * value or null for each x. `label` is its accessible name; the figures are also given as a table below it.
 */
export function Plot({ label, x, lines, time = false, unit = "", height = 180 }) {
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
          scales: { x: { time } },
          cursor: { drag: { x: false, y: false } },
          legend: { show: true, live: true },
          axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => `${number(tick)}${unit && ` ${unit}`}`) }],
          series: [
            time ? {} : { label: "step" },
            ...lines.map((line, index) => ({
              label: line.label,
              stroke: look.getPropertyValue(COLOURS[index % COLOURS.length]).trim(),
              dash: index >= COLOURS.length ? [6, 4] : undefined,
              width: 2,
              spanGaps: true,
              points: { show: x.length < 30 },
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
    <figcaption>${label}</figcaption>
    <div ref=${host} class="plot-canvas" role="img" aria-label=${summary(label, lines, unit)}></div>
  </figure>`;
}

function summary(label, lines, unit) {
  const parts = lines.map((line) => {
    const last = [...line.values].reverse().find((value) => value !== null && value !== undefined);
    return `${line.label}: last value ${number(last)} ${unit}`.trim();
  });
  return `${label}. ${parts.join("; ")}`;
}

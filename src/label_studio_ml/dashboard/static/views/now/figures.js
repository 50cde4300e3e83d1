import { html } from "../../lib/html.js";
import { number } from "../../lib/format.js";
import { Loading } from "../../parts/loading.js";
import { Notice } from "../../parts/notice.js";
import { Plot } from "../../parts/plot.js";

/** Return a latency in seconds in milliseconds, null stays null. */
function milliseconds(seconds) {
  return seconds === null || seconds === undefined ? null : seconds * 1000;
}

/** Prediction requests of the last minute in numbers, and of the last hour in charts. */
export function Figures({ value }) {
  if (!value) return html`<${Loading} what="the figures" />`;
  if (value.error) return html`<${Notice} kind="error">${value.error}</${Notice}>`;
  const { recent, series } = value;
  return html`<section aria-labelledby="now-figures">
    <h2 id="now-figures">Predictions</h2>
    <dl class="now-numbers" aria-live="polite" aria-label="Predictions in the last minute">
      <${Figure} name="Requests per second" value=${number(recent.requests, 3)} />
      <${Figure} name="Failed per second" value=${number(recent.failed, 3)} bad=${recent.failed > 0} />
      <${Figure} name="Tasks in the last minute" value=${number(recent.tasks)} />
      <${Figure} name="Median latency" value=${latency(recent.median)} />
      <${Figure} name="95th percentile" value=${latency(recent.p95)} />
      <${Figure} name="Tasks per call of predict" value=${number(recent.batch, 3)} />
    </dl>
    <div class="now-charts">
      <${Plot} label="Requests per second, last hour" time=${true} gaps=${true} x=${series.at} lines=${[
        { label: "requests", values: series.requests },
        { label: "failed", values: series.failed },
      ]} />
      <${Plot} label="Latency, last hour" time=${true} gaps=${true} unit="ms" x=${series.at} lines=${[
        { label: "median", values: series.median.map(milliseconds) },
        { label: "95th percentile", values: series.p95.map(milliseconds) },
      ]} />
      <${Plot} label="Requests that wait, last hour" time=${true} gaps=${true} x=${series.at} lines=${[
        { label: "queued", values: series.queue },
        { label: "not answered yet", values: series.in_flight },
      ]} />
      <${Plot} label="Tasks per call of predict, last hour" time=${true} gaps=${true} x=${series.at} lines=${[
        { label: "tasks", values: series.batch },
      ]} />
    </div>
  </section>`;
}

function latency(seconds) {
  const value = milliseconds(seconds);
  return value === null ? "–" : `${number(value, 3)} ms`;
}

function Figure({ name, value, bad = false }) {
  return html`<div><dt>${name}</dt><dd class=${bad ? "now-bad" : undefined}>${value}</dd></div>`;
}

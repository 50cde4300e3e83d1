import { html, useState } from "../../lib/html.js";
import { dateTime, number } from "../../lib/format.js";
import { Plot } from "../../parts/plot.js";
import { ScrollBox } from "../../parts/scroll-box.js";
import { ShortText } from "../../parts/short-text.js";
import { namesOf, plotsOf } from "./series.js";

/** The most rows of the table of figures. */
const MOST_ROWS = 100;

/** The metrics of a training over time: plots, and the same figures as tables. */
export function Metrics({ points }) {
  const [by, setBy] = useState("step");
  const names = namesOf(points);
  if (!names.length) return html`<section aria-labelledby="metrics-heading"><h2 id="metrics-heading">Metrics</h2><p>None were reported while it ran (<code>job.log</code> in fit).</p></section>`;
  const plots = plotsOf(points, by);
  return html`<section aria-labelledby="metrics-heading">
    <h2 id="metrics-heading">Metrics</h2>
    <div class="toolbar">
      <label>Plotted over
        <select value=${by} onChange=${(event) => setBy(event.target.value)}>
          <option value="step">steps</option>
          <option value="time">time</option>
        </select>
      </label>
    </div>
    <div class="plots">
      ${plots.map((plot) => html`<${Plot} key=${`${by} ${plot.label}`} label=${plot.label} x=${plot.x} lines=${plot.lines} time=${by === "time"} />`)}
    </div>
    <details>
      <summary>Figures as a table</summary>
      <${Figures} points=${points} names=${names} />
    </details>
  </section>`;
}

function Figures({ points, names }) {
  const shown = points.slice(-MOST_ROWS);
  return html`
    ${shown.length < points.length && html`<p>The last ${number(MOST_ROWS)} of ${number(points.length)} points.</p>`}
    <${ScrollBox} label="Metrics over time">
      <table>
        <thead><tr><th scope="col" class="number">Step</th><th scope="col">Time</th>
          ${names.map((name) => html`<th scope="col" class="number"><${ShortText} text=${name} most=${60} /></th>`)}</tr></thead>
        <tbody>${shown.map((point) => html`<tr>
          <th scope="row" class="number">${number(point.step)}</th><td>${dateTime(point.time)}</td>
          ${names.map((name) => html`<td class="number">${number(point[name])}</td>`)}
        </tr>`)}</tbody>
      </table>
    </${ScrollBox}>`;
}

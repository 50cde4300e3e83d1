import { html, useEffect, useState } from "../lib/html.js";
import { get } from "../lib/api.js";
import { count, duration, number, percent } from "../lib/format.js";
import { go } from "../lib/router.js";
import { CommandForm } from "../parts/command-form.js";
import { CommandHistory } from "../parts/command-progress.js";
import { Empty } from "../parts/empty.js";
import { Loading } from "../parts/loading.js";
import { Notice } from "../parts/notice.js";
import { ProjectPicker } from "../parts/project-picker.js";
import { ScrollBox } from "../parts/scroll-box.js";
import { ShortText } from "../parts/short-text.js";
import { Ago } from "../parts/time.js";
import { useStyles } from "../parts/stylesheet.js";

export const title = "Value";

useStyles("value");

/** Whether predictions help: how many annotators accept, change and throw away, and the time they need. */
export default function ValueView({ route }) {
  const project = route.query.project || "";
  return html`<h1>Do predictions help?</h1>
    <${ProjectPicker} project=${project} onProject=${(uid) => go(["value"], { project: uid }, !project)} />
    ${project && html`<${ProjectValue} key=${project} project=${project} />`}`;
}

function ProjectValue({ project }) {
  const [answer, setAnswer] = useState(null);
  const [command, setCommand] = useState(null);
  const [problem, setProblem] = useState("");

  function read() {
    get("value", { project }).then(setAnswer, (error) => setProblem(error.message));
  }

  useEffect(() => {
    read();
    get("commands", { project, limit: 1 }).then(
      (list) => setCommand(list.available.find((one) => one.name === "value")),
      (error) => setProblem(error.message),
    );
  }, []);

  if (problem) return html`<${Notice} kind="error">${problem}</${Notice}>`;
  if (!answer) return html`<${Loading} what="the report" />`;
  const { report } = answer;
  return html`
    ${report ? html`<${Report} report=${report} />` : html`<${Empty} title="Not measured yet">
      Start the measurement below: it reads the project's annotations and compares them with the predictions that annotators saw.
    </${Empty}>`}
    <h2>${report ? "Measure again" : "Measure"}</h2>
    ${command && html`<${CommandForm} command=${command} project=${project} action=${report ? "Measure again" : "Measure"} />`}
    <${CommandHistory} project=${project} names=${["value"]} onEnd=${read} />`;
}

function Report({ report }) {
  const seen = report.versions.reduce((sum, version) => sum + version.annotations, 0);
  const accepted = report.versions.reduce((sum, version) => sum + version.accepted, 0);
  return html`
    <p>${count(report.tasks, "annotated task")}, read <${Ago} at=${report.made} />.</p>
    <dl class="cards value-figures">
      <div class="card"><dt>accepted as they were</dt><dd>${percent(accepted / seen)}</dd>
        <dd><small>${number(accepted)} of ${count(seen, "annotation")} that began as a prediction</small></dd></div>
      <${Times} report=${report} />
    </dl>
    ${!report.versions.length && html`<${Notice} kind="info">No annotation began as a prediction. Annotators see predictions in the
      project's settings, "Annotation", "Use predictions to prelabel tasks".</${Notice}>`}
    ${report.versions.length > 0 && html`<h2>By version</h2><${Versions} versions=${report.versions} />`}
    ${report.lost > 0 && html`<p>${count(report.lost, "annotation")} began as a prediction that Label Studio has no longer.</p>`}
    ${report.versions.map((version) => html`<${Labels} key=${version.version} version=${version} />`)}`;
}

/** The median time of annotations with and without a prediction. The newest version with times is compared. */
function Times({ report }) {
  const aided = report.versions.find((version) => version.seconds !== null);
  return html`
    <div class="card"><dt>time of an annotation with a prediction</dt><dd>${aided ? duration(aided.seconds) : "–"}</dd>
      <dd><small>${aided ? html`median of ${count(aided.timed, "annotation")}, version <bdi>${aided.version}</bdi>` : "none yet"}</small></dd></div>
    <div class="card"><dt>time without one</dt><dd>${report.unaided_seconds === null ? "–" : duration(report.unaided_seconds)}</dd>
      <dd><small>median of ${count(report.unaided_timed, "annotation")}</small></dd></div>`;
}

function Versions({ versions }) {
  return html`<${ScrollBox} label="Predictions by version">
    <table>
      <thead><tr>
        <th scope="col">Version</th><th scope="col" class="number">Seen</th><th scope="col" class="number">Accepted</th>
        <th scope="col" class="number">Changed</th><th scope="col" class="number">Thrown away</th>
        <th scope="col" class="number">Not used</th><th scope="col" class="number">Skipped</th><th scope="col" class="number">Median time</th>
      </tr></thead>
      <tbody>${versions.map((version) => html`<tr key=${version.version}>
        <th scope="row"><${ShortText} text=${version.version} most=${60} /></th>
        <td class="number">${number(version.annotations)}</td>
        ${["accepted", "changed", "discarded"].map((name) => html`<td class="number">
          ${number(version[name])} <small>(${percent(version[name] / version.annotations)})</small></td>`)}
        <td class="number">${number(version.unused)}</td><td class="number">${number(version.skipped)}</td>
        <td class="number">${version.seconds === null ? "–" : duration(version.seconds)}</td>
      </tr>`)}</tbody>
    </table>
  </${ScrollBox}>
  <p><small>Seen: annotations that began as a prediction of the version. Not used: annotations that were begun from nothing although the
    task had one. Times are medians, since some include breaks.</small></p>`;
}

function Labels({ version }) {
  if (!version.labels.length) return null;
  return html`<details>
    <summary>Labels of version <bdi>${version.version}</bdi></summary>
    <${ScrollBox} label=${`Labels of version ${version.version}`}>
      <table>
        <thead><tr><th scope="col">Label</th><th scope="col" class="number">Kept</th><th scope="col" class="number">Changed</th>
          <th scope="col" class="number">Removed</th><th scope="col" class="number">Added by annotators</th></tr></thead>
        <tbody>${version.labels.map((label) => html`<tr key=${label.label}>
          <th scope="row"><${ShortText} text=${label.label} most=${80} /></th>
          ${["kept", "changed", "removed", "added"].map((name) => html`<td class="number">${number(label[name])}</td>`)}
        </tr>`)}</tbody>
      </table>
    </${ScrollBox}>
  </details>`;
}

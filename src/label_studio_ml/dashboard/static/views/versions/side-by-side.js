import { html } from "../../lib/html.js";
import { get, part } from "../../lib/api.js";
import { dateTime, number, size } from "../../lib/format.js";
import { link } from "../../lib/router.js";
import { Loading } from "../../parts/loading.js";
import { Notice } from "../../parts/notice.js";
import { ScrollBox } from "../../parts/scroll-box.js";
import { ShortText } from "../../parts/short-text.js";
import { Change, directionWords, Value } from "./numbers.js";
import { ProjectLine } from "./project-picker.js";
import { useLoaded } from "../../lib/use-loaded.js";
import { VersionState } from "./version-state.js";
import { VersionName } from "./version-table.js";

/** Two to four versions side by side; differences are from the first one. `versions` are ids, separated by commas. */
export function SideBySide({ project, versions }) {
  const { value, error } = useLoaded(() => get(`version-comparison/${part(project)}`, { versions }), [project, versions]);
  const back = html`<p><a href=${link(["versions", project])}>Back to all versions</a></p>`;
  if (error) return html`${back}<${Notice} kind="error">${error.message}</${Notice}>`;
  if (!value) return html`<${Loading} what="the versions" />`;
  const compared = value.versions;
  const facts = [
    ["State", (version) => html`<${VersionState} version=${version} />`],
    ["Trained", (version) => dateTime(version.created)],
    ["Annotations", (version) => number(version.annotations)],
    ["Annotations from", (version) => html`<${ShortText} text=${version.source || "–"} most=${80} />`],
    ["Parent", (version) => (version.parent ? html`<${VersionName} name=${version.parent} />` : "–")],
    ["Size", (version) => size(version.size)],
    ["Code", (version) => version.code || "–"],
    ["Against the version before", (version) => html`<${ShortText} text=${version.comparison || "–"} most=${160} />`],
    ["Evaluated", (version) => (version.evaluation ? `${dateTime(version.evaluation.created)}, ${number(version.evaluation.used)} tasks (${version.evaluation.how})` : "not yet")],
  ];
  return html`${back}
    <${ProjectLine} project=${value.project} path=${["versions"]} />
    <h2>Side by side</h2>
    ${value.notes.map((note) => html`<${Notice} kind="info">${note}</${Notice}>`)}
    <${ScrollBox} label="Versions side by side">
      <table class="side-by-side">
        <thead><tr><th scope="col"><span class="visually-hidden">Property</span></th>
          ${compared.map((version, at) => html`<th scope="col"><a href=${link(["versions", project, version.id])}><${VersionName} name=${version.name} /></a>
            ${at === 0 && html`<br /><small>the others are compared with it</small>`}</th>`)}</tr></thead>
        <tbody>
          ${facts.map(([name, show]) => html`<tr><th scope="row">${name}</th>${compared.map((version) => html`<td>${show(version)}</td>`)}</tr>`)}
          <${MetricRows} title="Metrics that fit returned" rows=${value.fit} columns=${compared.length} />
          <${MetricRows} title="Metrics of evaluations" rows=${value.evaluation} columns=${compared.length} />
        </tbody>
      </table>
    </${ScrollBox}>`;
}

function MetricRows({ title, rows, columns }) {
  if (!rows.length) return null;
  return html`<tr class="group"><th scope="rowgroup" colspan=${columns + 1}>${title}</th></tr>
    ${rows.map((row) => html`<tr>
      <th scope="row"><${ShortText} text=${row.metric} most=${80} />${row.direction && html`<br /><small>${directionWords(row.direction)}</small>`}</th>
      ${row.values.map((value, at) => html`<td class="metric"><${Value} value=${value} focusable /> <${Change} change=${row.differences[at]} /></td>`)}
    </tr>`)}`;
}

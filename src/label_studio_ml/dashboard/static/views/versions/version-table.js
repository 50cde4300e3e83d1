import { html, useEffect, useState } from "../../lib/html.js";
import { get, part } from "../../lib/api.js";
import { number, size } from "../../lib/format.js";
import { useTopic } from "../../lib/live.js";
import { go, link } from "../../lib/router.js";
import { Empty } from "../../parts/empty.js";
import { Loading } from "../../parts/loading.js";
import { Notice } from "../../parts/notice.js";
import { Pager } from "../../parts/pager.js";
import { ScrollBox } from "../../parts/scroll-box.js";
import { SearchField } from "../../parts/search-field.js";
import { ShortText, visible } from "../../parts/short-text.js";
import { Ago } from "../../parts/time.js";
import { Change, directionWords, Value } from "./numbers.js";
import { ProjectLine } from "./project-picker.js";
import { useLoaded } from "../../lib/use-loaded.js";
import { DeleteButton, PromoteButton, RollbackButton, UnpinButton } from "./version-actions.js";
import { VersionState } from "./version-state.js";

const PAGE = 25;
/** The most versions that are compared at once. */
const MOST_COMPARED = 4;

/** The versions of one project, newest first, with buttons to serve another one and to compare several. */
export function VersionTable({ project, route }) {
  const search = route.query.search || "";
  const first = Math.max(0, Number.parseInt(route.query.first, 10) || 0);
  const changes = useTopic(`versions:${project}`);
  const [selected, setSelected] = useState([]);
  const [done, setDone] = useState("");
  const { value, error, reload } = useLoaded(
    () => get(`versions/${part(project)}`, { search, offset: first, limit: PAGE }),
    [project, search, first],
  );

  useEffect(() => {
    if (changes) reload();
  }, [JSON.stringify(changes)]);

  if (error) return html`<${Notice} kind="error">${error.message}</${Notice}>`;
  if (!value) return html`<${Loading} what="the versions" />`;

  function acted(answer) {
    setDone(answer.done);
    setSelected([]);
    reload();
  }
  function toggle(version, on) {
    setSelected(on ? [...selected, version] : selected.filter((other) => other.id !== version.id));
  }
  const show = (query) => go(["versions", project], query, true);

  if (!value.all) {
    return html`<${ProjectLine} project=${value.project} path=${["versions"]} />
      <${Empty} title="No version yet" command="label-studio-ml train DIR">
        The first training makes the first version. Annotate some tasks and start one in Label Studio, or with this command:</${Empty}>`;
  }
  return html`
    <${ProjectLine} project=${value.project} path=${["versions"]} />
    ${value.problem && html`<${Notice} kind="error"><${ShortText} text=${value.problem} /></${Notice}>`}
    ${value.pinned_by_setting && html`<${Notice} kind="info">MODEL_VERSION keeps version <bdi>${value.pinned_by_setting}</bdi> served.</${Notice}>`}
    <div class="served-line" aria-live="polite">
      ${done && html`<${Notice} kind="success"><bdi>${visible(done)}</bdi></${Notice}>`}
      <p>${value.served
        ? html`Served: <a href=${link(["versions", project, value.served.id])}><bdi>${visible(value.served.name)}</bdi></a>
            ${value.pinned ? " (pinned: newer versions do not replace it)" : ""}`
        : "No trained version is served."}</p>
    </div>
    <div class="actions">
      <${RollbackButton} project=${project} to=${value.rollback} onDone=${acted} />
      ${value.pinned && !value.pinned_by_setting && html`<${UnpinButton} project=${project} onDone=${acted} />`}
    </div>
    <div class="toolbar">
      <${SearchField} label="Search by name, state, parent or job" value=${search} onSearch=${(text) => show({ search: text })} />
      <${CompareLink} project=${project} selected=${selected} />
      <${DeleteButton} project=${project} versions=${selected} onDone=${acted}>Delete selected</${DeleteButton}>
    </div>
    ${value.total
      ? html`<${Rows} value=${value} project=${project} selected=${selected} onToggle=${toggle} onDone=${acted} />`
      : html`<p>No version matches.</p>`}
    <${Pager} first=${first} size=${PAGE} total=${value.total} onPage=${(page) => show({ search, first: page || "" })} label="Pages of versions" />
  `;
}

function CompareLink({ project, selected }) {
  const ready = selected.length >= 2 && selected.length <= MOST_COMPARED;
  if (ready) {
    const ids = [...selected].sort((one, other) => (one.created < other.created ? -1 : 1)).map((version) => version.id);
    return html`<a class="small" role="button" href=${link(["versions", project], { compare: ids.join(",") })}>Compare ${selected.length} versions</a>`;
  }
  const hint = selected.length > MOST_COMPARED ? `Select at most ${MOST_COMPARED} to compare` : "Select 2 to 4 versions to compare";
  return html`<button type="button" class="small" disabled>${hint}</button>`;
}

function Rows({ value, project, selected, onToggle, onDone }) {
  const chosen = new Set(selected.map((version) => version.id));
  return html`<${ScrollBox} label="Versions">
    <table class="versions">
      <caption class="visually-hidden">Versions, newest first; differences are from the parent</caption>
      <thead><tr>
        <th scope="col"><span class="visually-hidden">Select</span></th>
        <th scope="col">Version</th><th scope="col">State</th><th scope="col">Action</th><th scope="col">Trained</th>
        <th scope="col" class="number">Annotations</th>
        ${value.metrics.map((metric) => html`<th scope="col" class="number" title=${directionWords(metric.direction)}><${MetricName} name=${metric.name} /></th>`)}
        <th scope="col">Parent</th><th scope="col" class="number">Size</th><th scope="col">Evaluation</th>
      </tr></thead>
      <tbody>${value.versions.map((version) => html`<tr key=${version.id} class=${version.state === "served" ? "served" : ""}>
        <td><input type="checkbox" aria-label=${`Select ${version.name}`} checked=${chosen.has(version.id)}
          onChange=${(event) => onToggle(version, event.target.checked)} /></td>
        <th scope="row"><a href=${link(["versions", project, version.id])}><${VersionName} name=${version.name} /></a></th>
        <td><${VersionState} version=${version} /></td>
        <td>${version.state !== "damaged" && html`<${PromoteButton} project=${project} version=${version} onDone=${onDone}>
          ${version.state === "served" ? "Promote again" : "Promote"}</${PromoteButton}>`}</td>
        <td><${Ago} at=${version.created} /></td>
        <td class="number">${number(version.annotations)}</td>
        ${value.metrics.map((metric) => html`<td class="number metric">
          ${metric.name in version.metrics ? html`<${Value} value=${version.metrics[metric.name]} />` : "–"}
          ${" "}<${Change} change=${version.differences[metric.name]} /></td>`)}
        <td>${version.parent ? html`<${VersionName} name=${version.parent} />` : "–"}</td>
        <td class="number">${size(version.size)}</td>
        <td>${version.evaluated ? html`<a href=${link(["versions", project, version.id], { part: "evaluation" })}
          aria-label=${`Evaluation of ${version.name}`}>report</a>` : "–"}</td>
      </tr>`)}</tbody>
    </table>
  </${ScrollBox}>`;
}

/** A version's name, cut in the list; the whole name is its title and is on the version's page. */
export function VersionName({ name }) {
  const shown = visible(name);
  return html`<bdi class="version-name" title=${shown.length > 30 ? shown : undefined}>${shown}</bdi>`;
}

function MetricName({ name }) {
  return html`<bdi class="metric-name" title=${name.length > 16 ? visible(name.slice(0, 1000)) : undefined}>${visible(name.slice(0, 200))}</bdi>`;
}

import { html } from "../../lib/html.js";
import { count } from "../../lib/format.js";
import { link } from "../../lib/router.js";
import { ScrollBox } from "../../parts/scroll-box.js";
import { ShortText } from "../../parts/short-text.js";
import { Status } from "../../parts/status.js";
import { Ago } from "../../parts/time.js";

const PARAMS = { default: "default parameters", set: "parameters set", refused: "parameters refused" };

/** A link to a project: its title, else its number. */
export function ProjectLink({ uid, titles, title = "" }) {
  const number = uid.split(".")[0];
  const words = title || titles[uid] || (uid === "default" ? "No project" : `Project ${number}`);
  return html`<a href=${link(["projects", uid])}><${ShortText} text=${words} most=${100} /></a>`;
}

/** What is served to the projects that need a person or were asked last. */
export function Projects({ projects, titles }) {
  const hidden = projects.served + projects.failing - projects.rows.length;
  return html`<section aria-labelledby="now-projects">
    <h2 id="now-projects">Served projects</h2>
    <p aria-live="polite">
      ${count(projects.served, "project has", "projects have")} a loaded model${projects.failing > 0 && html`, ${" "}
      <strong class="now-bad">${count(projects.failing, "needs", "need")} attention</strong>`}.
      ${projects.rows.length === 0 && " A model is loaded when Label Studio asks for a first prediction."}
      ${hidden > 0 && projects.rows.length >= 20 && " Those that need attention or were asked last are shown."}
    </p>
    ${projects.rows.length > 0 && html`<${ScrollBox} label="Served projects">
      <table class="now-table">
        <thead><tr><th scope="col">Project</th><th scope="col">State</th><th scope="col">Version</th>
          <th scope="col">Served since</th><th scope="col">Last asked</th><th scope="col">Where</th></tr></thead>
        <tbody>${projects.rows.map((row) => html`<${Row} key=${row.uid} row=${row} titles=${titles} />`)}</tbody>
      </table>
    </${ScrollBox}>`}
  </section>`;
}

function Row({ row, titles }) {
  return html`<tr>
    <th scope="row"><${ProjectLink} uid=${row.uid} titles=${titles} title=${row.title} />
      ${row.number && html`<div class="now-detail">number ${row.number}</div>`}</th>
    <td><${State} row=${row} /></td>
    <td>${row.version
      ? html`<a href=${link(row.version_id ? ["versions", row.uid, row.version_id] : ["versions", row.uid])}>
          <${ShortText} text=${row.version} most=${60} /></a>`
      : "–"}
      <div class="now-detail"><bdi>${row.model_class}</bdi>${row.params && html`, ${PARAMS[row.params] || row.params}`}</div></td>
    <td>${row.since ? html`<${Ago} at=${row.since} />` : "–"}</td>
    <td>${row.last_request ? html`<${Ago} at=${row.last_request} />` : "not yet"}</td>
    <td>${row.places.map((place) => html`<div><bdi>${place.host}</bdi>${place.pids.length > 0 && `, ${processes(place.pids)}`}
      ${place.devices.length > 0 && html`, <bdi>${place.devices.join(", ")}</bdi>`}
      ${place.version !== row.version && place.version && html` (<bdi>${place.version}</bdi>)`}</div>`)}</td>
  </tr>`;
}

function processes(pids) {
  return `${pids.length === 1 ? "process" : "processes"} ${pids.slice(0, 8).join(", ")}${pids.length > 8 ? " …" : ""}`;
}

function State({ row }) {
  const words = { loaded: ["good", "served"], loading: ["busy", "is being loaded"], failed: ["bad", "does not load"] };
  const [kind, word] = words[row.state] || ["neutral", "not loaded"];
  return html`<${Status} kind=${kind}>${word}</${Status}>
    ${row.error && html`<div class="now-bad">${row.failed_version && html`Version <bdi>${row.failed_version}</bdi> does not load: `}
      <${ShortText} text=${row.error} most=${160} /></div>`}
    ${row.stalled && html`<div class="now-bad">Its events wait, and no training begins</div>`}
    ${row.parked > 0 && html`<div class="now-bad">${count(row.parked, "event was", "events were")} set aside</div>`}`;
}

import { html, useEffect, useState } from "../lib/html.js";
import { get } from "../lib/api.js";
import { count } from "../lib/format.js";
import { go, link } from "../lib/router.js";
import { Loading } from "../parts/loading.js";
import { NoProject } from "../parts/no-project.js";
import { Notice } from "../parts/notice.js";
import { Pager } from "../parts/pager.js";
import { ScrollBox } from "../parts/scroll-box.js";
import { SearchField } from "../parts/search-field.js";
import { ShortText, visible } from "../parts/short-text.js";
import { Status } from "../parts/status.js";
import { Ago } from "../parts/time.js";

export const title = "Projects";

const SIZE = 25;

/** The projects of the backend, searched and paged on the server. */
export default function View({ route }) {
  const search = route.query.search || "";
  const first = Math.max(0, Number.parseInt(route.query.first || "0", 10) || 0);
  const [found, setFound] = useState(null);
  const [error, setError] = useState("");
  const [times, setTimes] = useState(0);

  useEffect(() => {
    let wanted = true;
    get("projects", { search: search.trim(), first, size: SIZE }).then(
      (answer) => {
        if (!wanted) return;
        setFound(answer);
        setError("");
      },
      (problem) => wanted && setError(problem.message),
    );
    return () => {
      wanted = false;
    };
  }, [search, first, times]);

  return html`<h1>${title}</h1>
    ${(search || !found || found.total > 0) && html`<div class="toolbar">
      <${SearchField} label="Search by title, id or address" value=${search}
        onSearch=${(text) => go(["projects"], { search: text }, true)} />
    </div>`}
    ${error && html`<${Notice} kind="error">${error}</${Notice}>`}
    ${!found && !error && html`<${Loading} what="the projects" />`}
    ${found && (found.total > 0 || search) && html`<p role="status">${count(found.total, "project")}${search && html` with “<bdi>${search}</bdi>”`}</p>`}
    ${found && found.total > 0 && html`<${Table} projects=${found.projects} />`}
    ${found && found.total > 0 && html`<${Pager} first=${first} size=${SIZE} total=${found.total} onPage=${(to) => go(["projects"], { search, first: to || "" })} />`}
    ${found && found.total === 0 && !search && html`<${NoProject} again=${() => setTimes((before) => before + 1)} />`}`;
}

function Table({ projects }) {
  return html`<${ScrollBox} label="Projects">
    <table class="projects-table">
      <thead><tr>
        <th scope="col">Project</th><th scope="col">State</th><th scope="col">Served version</th>
        <th scope="col">Last /setup</th><th scope="col">Last event</th><th scope="col">Label Studio</th>
      </tr></thead>
      <tbody>${projects.map((project) => html`<tr key=${project.uid}>
        <th scope="row"><a href=${link(["projects", project.uid])}><bdi>${short(project.title) || `Project ${project.number}`}</bdi></a>
          <br /><small>${project.uid}</small></th>
        <td><${State} project=${project} /></td>
        <td><${ShortText} text=${project.served || "–"} most=${80} /></td>
        <td><${Ago} at=${project.heard.setup} /></td>
        <td><${Ago} at=${project.heard.webhook} /></td>
        <td>${project.links.data ? html`<a href=${project.links.data} target="_blank" rel="noreferrer noopener"><bdi>${short(project.hostname)}</bdi></a>` : html`<${ShortText} text=${project.hostname || "–"} most=${80} />`}</td>
      </tr>`)}</tbody>
    </table>
  </${ScrollBox}>`;
}

function State({ project }) {
  if (project.forgotten) return html`<${Status}>forgotten, versions left</${Status}>`;
  if (!project.heard.setup && !project.heard.webhook) return html`<${Status} kind="waiting">no call yet</${Status}>`;
  if (!project.token) return html`<${Status} kind="warning">no token</${Status}>`;
  if (!project.heard.webhook) return html`<${Status} kind="warning">no event yet</${Status}>`;
  return html`<${Status} kind="good">connected</${Status}>`;
}

function short(text) {
  return visible(text.length > 120 ? `${text.slice(0, 119)}…` : text);
}

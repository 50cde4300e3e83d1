import { html, useEffect, useRef, useState } from "../lib/html.js";
import { get } from "../lib/api.js";
import { duration, number } from "../lib/format.js";
import { useTopic } from "../lib/live.js";
import { go, link } from "../lib/router.js";
import { useStyles } from "../parts/stylesheet.js";
import { Empty } from "../parts/empty.js";
import { Loading } from "../parts/loading.js";
import { Notice } from "../parts/notice.js";
import { Pager } from "../parts/pager.js";
import { Progress } from "../parts/progress.js";
import { ScrollBox } from "../parts/scroll-box.js";
import { SearchField } from "../parts/search-field.js";
import { ShortText } from "../parts/short-text.js";
import { Status } from "../parts/status.js";
import { Ago } from "../parts/time.js";
import { TrainingActions } from "./trainings/actions.js";
import { ParkedList } from "./trainings/parked-list.js";
import { LISTS, projectName, secondsOf, stateOf } from "./trainings/states.js";
import { TrainNow } from "./trainings/train-now.js";
import { Why } from "./trainings/why.js";

export const title = "Trainings";

const PAGE = 50;

/** The view of all trainings: lists by state, page by page; what waits and runs is live. */
export default function Trainings({ route }) {
  useStyles("trainings");
  const { state = "", project = "", first: start = "0" } = route.query;
  const first = Math.max(0, Number.parseInt(start, 10) || 0);
  const live = useTopic("trainings");
  const [numbers, setNumbers] = useState(null);
  const { page, error, reload } = usePage(state, project, first, live, setNumbers);
  const counts = project ? numbers : live?.counts ?? numbers;
  const show = (changes) => go(["trainings"], { state, project, ...changes });

  return html`
    <h1>Trainings</h1>
    <${Banners} live=${live} />
    <${TrainNow} />
    <nav aria-label="Lists of trainings" class="lists">
      <ul>${LISTS.map(([name, words]) => html`<li>
        <a href=${link(["trainings"], { state: name, project })} aria-current=${name === state ? "page" : undefined}>
          ${words}${counts && html` <span class="number">${number(countOf(counts, name))}</span>`}
        </a>
      </li>`)}</ul>
    </nav>
    <div class="toolbar">
      <${SearchField} label="Project number" value=${project.split(".")[0]} onSearch=${(text) => show({ project: text.trim(), first: "" })} />
    </div>
    ${error && html`<${Notice} kind="error">${error}</${Notice}>`}
    ${!page && !error && html`<${Loading} what="the trainings" />`}
    ${page && (state === "parked"
      ? html`<${ParkedList} parked=${page.parked} titles=${page.titles} />`
      : html`<${List} jobs=${merged(page, live, state)} titles=${{ ...page.titles, ...live?.titles }} filtered=${state || project} onDone=${reload} />`)}
    ${page && html`<${Pager} first=${first} size=${PAGE} total=${page.total} label="Pages of trainings"
      onPage=${(next) => show({ first: next || "" })} />`}
  `;
}

/** Read a page of the list, again whenever the live numbers change. */
function usePage(state, project, first, live, setNumbers) {
  const [page, setPage] = useState(null);
  const [error, setError] = useState("");
  const [again, setAgain] = useState(0);
  const shown = useRef("");
  const key = `${state} ${project} ${first}`;
  const changes = JSON.stringify(live?.counts ?? null);

  useEffect(() => {
    let wanted = true;
    if (shown.current !== key) setPage(null);
    const query = { project, offset: first, count: PAGE };
    const read = state === "parked" ? get("trainings/parked", query) : get("trainings", { ...query, state });
    Promise.all([read, project ? get("trainings/counts", { project }) : null]).then(
      ([answer, numbers]) => {
        if (!wanted) return;
        shown.current = key;
        setError("");
        setPage(answer);
        if (numbers) setNumbers(numbers);
      },
      (problem) => wanted && setError(problem.message),
    );
    return () => {
      wanted = false;
    };
  }, [key, changes, again]);
  return { page, error, reload: () => setAgain((value) => value + 1) };
}

/** Return the jobs of a page with the live values of those that wait or run. */
function merged(page, live, state) {
  const values = new Map([...(live?.running ?? []), ...(live?.waiting ?? [])].map((job) => [job.job, job]));
  return (page.jobs ?? []).map((job) => values.get(job.job) ?? job).filter((job) => !state || job.state === state);
}

function countOf(counts, name) {
  if (name) return counts[name];
  return ["queued", "started", "finished", "failed", "interrupted", "cancelled"].reduce((sum, state) => sum + counts[state], 0);
}

/** What keeps trainings from running at all. */
function Banners({ live }) {
  if (!live) return null;
  if (live.error) return html`<${Notice} kind="error">${live.error}</${Notice}>`;
  return html`
    ${live.workers === 0 && live.counts.queued > 0 && html`<${Notice} kind="warning">
      Trainings wait, and no worker is alive. Start the backend, or a worker: <code>label-studio-ml worker DIR</code></${Notice}>`}
    ${live.spooled > 0 && html`<${Notice} kind="warning">
      ${number(live.spooled)} events wait on this server's disk, because Redis does not answer. They are delivered when it is back.</${Notice}>`}
  `;
}

function List({ jobs, titles, filtered, onDone }) {
  if (!jobs.length && filtered) return html`<${Empty} title="No such training">Choose another list, or another project.</${Empty}>`;
  if (!jobs.length) {
    return html`<${Empty} title="Nothing was trained yet" command="label-studio-ml connect DIR --url http://localhost:8080 --project NUMBER">
      A training begins when somebody submits an annotation in a connected project, or with Train now. If no project is
      connected yet, run this in a terminal:
    </${Empty}>`;
  }
  return html`<${ScrollBox} label="Trainings">
    <table class="trainings">
      <thead><tr>
        <th scope="col">State</th><th scope="col">Training</th><th scope="col">Project</th><th scope="col">Begun</th>
        <th scope="col" class="number">Took</th><th scope="col" class="number">Tasks</th><th scope="col">Version</th>
        <th scope="col">Message</th><th scope="col">Actions</th>
      </tr></thead>
      <tbody>${jobs.map((job) => html`<${Row} key=${job.job} job=${job} titles=${titles} onDone=${onDone} />`)}</tbody>
    </table>
  </${ScrollBox}>`;
}

function Row({ job, titles, onDone }) {
  const [kind, words] = stateOf(job);
  return html`<tr data-job=${job.job}>
    <td><${Status} kind=${kind}>${words}</${Status}>
      ${job.state === "started" && html`<${Progress} label=${`Progress of training ${job.job}`} value=${job.progress} />`}</td>
    <th scope="row"><a href=${link(["trainings", job.job])}>${job.job}</a></th>
    <td class="project" data-name="Project"><${ShortText} text=${projectName(job, titles)} most=${60} /></td>
    <td data-name=${job.started ? "Begun" : "Created"}><${Ago} at=${job.started || job.created} /></td>
    <td class=${`number ${job.started ? "" : "none"}`} data-name="Took">${job.started ? duration(secondsOf(job)) : "–"}</td>
    <td class=${`number ${job.annotations === undefined ? "none" : ""}`} data-name="Tasks">${number(job.annotations)}</td>
    <td class=${`version ${job.version ? "" : "none"}`} data-name="Version">${job.version
      ? html`<a href=${link(["versions", job.project, job.version])}><${ShortText} text=${job.version} most=${40} /></a>` : "–"}</td>
    <td class="why"><${Why} training=${job} /></td>
    <td><${TrainingActions} training=${job} onDone=${onDone} /></td>
  </tr>`;
}

import { html, useCallback, useEffect, useRef, useState } from "../lib/html.js";
import { get, part, post } from "../lib/api.js";
import { count, number } from "../lib/format.js";
import { useTopic } from "../lib/live.js";
import { go, link } from "../lib/router.js";
import { ActionButton } from "../parts/action-button.js";
import { CommandForm } from "../parts/command-form.js";
import { CommandHistory } from "../parts/command-progress.js";
import { Loading } from "../parts/loading.js";
import { Notice } from "../parts/notice.js";
import { Progress } from "../parts/progress.js";
import { ScrollBox } from "../parts/scroll-box.js";
import { ShortText, visible } from "../parts/short-text.js";
import { Status } from "../parts/status.js";
import { Ago } from "../parts/time.js";

export const title = "Project";

const WORDS = { ok: "OK", warning: "Attention", problem: "Problem", unknown: "Not known" };
const KINDS = { ok: "good", warning: "warning", problem: "bad", unknown: "neutral" };
/** The commands that are started here, in this order. */
const NAMES = ["predict", "rank"];

/** One project: its connection with Label Studio, its predictions, the commands that work on it. */
export default function View({ route }) {
  const uid = route.path[1];
  const [project, setProject] = useState(null);
  const [error, setError] = useState("");
  const [name, setName] = useState("");
  const moving = useTopic(`project:${uid}`);

  useEffect(() => {
    let wanted = true;
    setProject(null);
    setName("");
    setError("");
    get(`projects/${part(uid)}`).then((answer) => wanted && setProject(answer), (problem) => wanted && setError(problem.message));
    return () => {
      wanted = false;
    };
  }, [uid]);

  if (error) return html`<h1>${title}</h1><${Notice} kind="error">${error}</${Notice}><p><a href=${link(["projects"])}>All projects</a></p>`;
  if (!project) return html`<h1>${title}</h1><${Loading} what="the project" />`;
  const now = moving && !moving.error ? { ...project, ...moving } : project;
  return html`<h1><bdi>${visible((name || project.title).slice(0, 300)) || `Project ${project.number}`}</bdi></h1>
    <${Links} project=${project} />
    ${project.forgotten && html`<${Notice} kind="info">This project was forgotten, or Label Studio has never described it: it comes back with Label Studio's next call.</${Notice}>`}
    <${Facts} project=${now} />
    ${!project.forgotten && html`<${Studio} uid=${uid} served=${now.served} ended=${now.last_command_ended} onTitle=${setName} />`}
    <${Commands} uid=${uid} />
    <${Heard} events=${project.events} login=${project.login} />
    <${Texts} project=${project} />
    <${Forget} uid=${uid} />`;
}

function Links({ project }) {
  const outside = [["data", "Tasks"], ["model", "Model settings"], ["webhooks", "Webhooks"], ["instructions", "Labelling interface"]];
  return html`<nav aria-label="This project" class="toolbar">
    <a href=${link(["projects"])}>All projects</a>
    <a href=${link(["trainings"], { project: project.uid })}>Trainings</a>
    <a href=${link(["versions", project.uid])}>Versions</a>
    <a href=${link(["try"], { project: project.uid })}>Try it</a>
    ${project.links.data && html`<span>In Label Studio:</span>`}
    ${outside.filter(([name]) => project.links[name]).map(([name, words]) => html`<a href=${project.links[name]} target="_blank" rel="noreferrer noopener">${words}</a>`)}
  </nav>`;
}

function Facts({ project }) {
  return html`<dl class="facts">
    <dt>Id</dt><dd>${project.uid}</dd>
    <dt>Label Studio</dt><dd><${ShortText} text=${project.hostname || "not known"} /></dd>
    <dt>Model class</dt><dd>${project.model_class || "not imported yet"}</dd>
    <dt>Served version</dt><dd><${ShortText} text=${project.served || "none"} /></dd>
    <dt>Last /setup</dt><dd><${Ago} at=${project.heard.setup} /></dd>
    <dt>Last event</dt><dd><${Ago} at=${project.heard.webhook} /></dd>
    <dt>Trainings</dt><dd aria-live="polite">${trainings(project.trainings)}</dd>
  </dl>`;
}

function trainings(jobs) {
  if (jobs === null || jobs === undefined) return "not known: Redis does not answer";
  if (!jobs.length) return "none waits or runs";
  return jobs.map((job) => html`<a href=${link(["trainings", job.job || ""])}>${job.job_status === "started" ? "running" : "waiting"}</a>${" "}`);
}

/** What Label Studio says: token, ML backend, webhook, and how many tasks have predictions. */
function Studio({ uid, served, ended, onTitle }) {
  const [state, setState] = useState(null);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const latest = useRef(0);

  const ask = useCallback(async (fresh) => {
    const call = ++latest.current;
    setBusy(true);
    try {
      const answer = await get(`projects/${part(uid)}/studio`, { fresh: fresh ? 1 : "" });
      if (call === latest.current) {
        setState(answer);
        onTitle(answer.title);
        setError("");
      }
    } catch (problem) {
      if (call === latest.current) setError(problem.message);
    } finally {
      if (call === latest.current) setBusy(false);
    }
  }, [uid]);

  const before = useRef({ served, ended });
  useEffect(() => {
    ask(false);
  }, [ask]);
  useEffect(() => {
    // A command that has ended, or a new version, changes what Label Studio has.
    const known = ended ?? before.current.ended; // null while Redis does not answer
    if (known !== before.current.ended || served !== before.current.served) ask(true);
    before.current = { served, ended: known };
  }, [served, ended]);

  return html`<section aria-labelledby="studio-heading">
    <h2 id="studio-heading">What Label Studio says</h2>
    ${error && html`<${Notice} kind="error">${error}</${Notice}>`}
    ${!state && !error && html`<${Loading} what="what Label Studio says" />`}
    ${state && html`<div aria-live="polite" aria-busy=${busy}>
      <dl class="facts">
        ${[["Token", state.token], ["ML backend", state.backend], ["Webhook", state.webhook]].map(([name, value]) => html`<dt>${name}</dt>
          <dd><${Status} kind=${KINDS[value.kind]}>${WORDS[value.kind]}</${Status}> <${ShortText} text=${value.text} />
            ${value.fix && html`<br /><small><${ShortText} text=${value.fix} /></small>`}</dd>`)}
        <dt>Predictions</dt><dd><${Coverage} coverage=${state.coverage} /></dd>
      </dl>
    </div>`}
    <p><button type="button" class="small secondary" disabled=${busy} aria-busy=${busy} onClick=${() => ask(true)}>Ask again</button>
      ${state && html` <small>asked <${Ago} at=${state.at} /></small>`}</p>
  </section>`;
}

function Coverage({ coverage }) {
  if (!coverage || coverage.predicted === null) return html`<${Status}>Not known</${Status}>`;
  const { predicted, tasks, version } = coverage;
  if (!tasks) return "The project has no task";
  return html`<span class="coverage">${number(predicted)} of ${count(tasks, "task")} ${predicted === 1 ? "has" : "have"} a prediction of version <bdi>${version}</bdi>
    <${Progress} label="Tasks with a prediction" value=${predicted / tasks} /></span>`;
}

function Commands({ uid }) {
  const history = useRef(null);
  const [available, setAvailable] = useState(null);
  const [error, setError] = useState("");
  useEffect(() => {
    get("commands", { limit: 1 }).then(
      (answer) => setAvailable(NAMES.map((name) => answer.available.find((command) => command.name === name)).filter(Boolean)),
      (problem) => setError(problem.message),
    );
  }, []);
  return html`<section aria-labelledby="commands-heading">
    <h2 id="commands-heading">Work on its tasks</h2>
    ${error && html`<${Notice} kind="error">${error}</${Notice}>`}
    <div class="cards command-forms">${available?.map((command) => html`<details class="card" key=${command.name}>
      <summary>${command.title} …</summary>
      <${CommandForm} command=${command} project=${uid} onStarted=${() => history.current?.scrollIntoView({ block: "nearest" })} />
    </details>`)}</div>
    <div ref=${history}>
      <h3>Started from the dashboard</h3>
      <${CommandHistory} project=${uid} />
    </div>
  </section>`;
}

function Heard({ events, login }) {
  const rows = Object.entries(events).sort(([, one], [, other]) => other.at - one.at);
  return html`<section aria-labelledby="events-heading">
    <h2 id="events-heading">Events of its webhook</h2>
    ${!rows.length && html`<p>None has arrived. Label Studio sends one when a task is annotated, or its settings are saved.</p>`}
    ${rows.length > 0 && html`<${ScrollBox} label="Last event of each kind"><table>
      <thead><tr><th scope="col">Event</th><th scope="col">Last</th>${login && html`<th scope="col">Login</th>`}</tr></thead>
      <tbody>${rows.map(([action, event]) => html`<tr key=${action}><th scope="row"><${ShortText} text=${action} most=${80} /></th><td><${Ago} at=${event.at} /></td>
        ${login && html`<td>${event.authorized ? html`<${Status} kind="good">with login</${Status}>` : html`<${Status} kind="warning">without login</${Status}>`}</td>`}</tr>`)}</tbody>
    </table></${ScrollBox}>`}
  </section>`;
}

function Texts({ project }) {
  const more = project.label_config_size - project.label_config.length;
  return html`<section aria-labelledby="config-heading">
    <h2 id="config-heading">Label config and extra params</h2>
    ${project.label_config ? html`<details><summary>Label config, ${count(project.label_config_size, "character")}</summary>
      <pre tabindex="0" role="group" aria-label="Label config"><code>${visible(project.label_config)}</code></pre>
      ${more > 0 && html`<p>${count(more, "further character is", "further characters are")} not shown.</p>`}</details>`
    : html`<p>Label Studio has sent no label config.</p>`}
    ${project.extra_params ? html`<details><summary>Extra params</summary>
      <pre tabindex="0" role="group" aria-label="Extra params"><code>${visible(project.extra_params)}</code></pre></details>`
    : html`<p>The project gives the model no extra params.</p>`}
  </section>`;
}

function Forget({ uid }) {
  const [versions, setVersions] = useState(false);
  async function forget() {
    await post(`projects/${part(uid)}/forget`, { versions });
    go(["projects"]);
  }
  return html`<section aria-labelledby="forget-heading">
    <h2 id="forget-heading">Forget the project</h2>
    <p>Removes what the backend has of it: its description, its waiting events and its jobs. Nothing changes in Label Studio;
      the project comes back with Label Studio's next call, unless the backend is removed from it there.</p>
    <p><label><input type="checkbox" checked=${versions} onChange=${(event) => setVersions(event.target.checked)} /> Delete its model versions, too</label></p>
    <${ActionButton} act=${forget} kind="danger" label="Forget" question="Forget this project?"
      consequence=${versions ? "Its events, jobs and all of its model versions are deleted. That cannot be undone." : "Its events and jobs are deleted; its model versions stay."}>Forget …</${ActionButton}>
  </section>`;
}

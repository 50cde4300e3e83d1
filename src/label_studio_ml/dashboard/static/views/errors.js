import { html, useEffect, useState } from "../lib/html.js";
import { get, post } from "../lib/api.js";
import { useTopic } from "../lib/live.js";
import { go } from "../lib/router.js";
import { count, number } from "../lib/format.js";
import { ActionButton } from "../parts/action-button.js";
import { Empty } from "../parts/empty.js";
import { Loading } from "../parts/loading.js";
import { Notice } from "../parts/notice.js";
import { Pager } from "../parts/pager.js";
import { SearchField } from "../parts/search-field.js";
import { ErrorCard, KINDS } from "./errors/error-card.js";
import { ServerLog } from "./errors/server-log.js";

export const title = "Errors";

/** Groups of errors on one page. */
const SIZE = 20;

/** The view Errors: the last errors of all servers and workers with their tasks, and the log of this server. */
export default function View({ route }) {
  return html`<h1>${title}</h1>
    <${ErrorList} query=${route.query} />
    <${ServerLog} query=${route.query} />`;
}

function ErrorList({ query }) {
  const { project = "", kind = "", search = "" } = query;
  const first = Math.max(0, Number.parseInt(query.first ?? "0", 10) || 0);
  const live = useTopic("errors");
  const filtered = Boolean(project || kind || search || first);
  const [answer, setAnswer] = useState(null);
  const [problem, setProblem] = useState("");

  useEffect(() => {
    if (!filtered) return undefined;
    let wanted = true;
    get("errors", { project, kind, search, first, size: SIZE }).then(
      (value) => {
        if (!wanted) return;
        setAnswer(value);
        setProblem("");
      },
      (error) => wanted && setProblem(error.message),
    );
    return () => {
      wanted = false;
    };
  }, [project, kind, search, first, live]);

  const shown = filtered ? answer : live;
  const choose = (changes) => go(["errors"], { ...query, first: "", ...changes }, true);

  if (problem || live?.error) return html`<${Notice} kind="error">${problem || live.error}</${Notice}>`;
  if (!shown || !live) return html`<${Loading} what="the errors" />`;
  if (!live.all) {
    return html`${live.problem && html`<${Missing} problem=${live.problem} />`}
      <${Empty} title="No errors">
        Errors of predictions, requests, trainings and versions are shown here, with the tasks that caused them.
      </${Empty}>`;
  }
  const select = (label, name, value, options) => html`<label><span>${label}</span>
    <select value=${value} onChange=${(event) => choose({ [name]: event.target.value })}>
      ${options.map(([key, words]) => html`<option value=${key} selected=${key === value}>${words}</option>`)}
    </select></label>`;
  return html`<section aria-labelledby="errors-heading">
    <h2 id="errors-heading">Last errors</h2>
    ${live.problem && html`<${Missing} problem=${live.problem} />`}
    <div class="toolbar">
      ${select("Project", "project", project, [["", "all projects"], ...live.projects.map((one) => [one.uid, short(one.title)])])}
      ${select("Kind", "kind", kind, [["", "all kinds"], ...Object.entries(live.kinds).map(([key, times]) => [key, `${KINDS[key] ?? key} (${times})`])])}
      <${SearchField} label="Search the errors" value=${search} onSearch=${(text) => choose({ search: text })} />
      <${ActionButton} kind="secondary" act=${() => post("errors/clear", { all: true })}
        question="Remove all errors from this list?"
        consequence="All servers stop showing them. An error that happens again is shown again.">Clear all</${ActionButton}>
    </div>
    <p role="status">${count(shown.total, "error")}, which happened ${count(shown.occurrences, "time")}${filtered ? ` (of ${number(live.all)} in all)` : ""}.</p>
    <ul class="error-list">
      ${shown.errors.map((error) => html`<li key=${error.id}><${ErrorCard} error=${error} /></li>`)}
    </ul>
    <${Pager} first=${first} size=${SIZE} total=${shown.total} label="Pages of errors"
      onPage=${(start) => go(["errors"], { ...query, first: start || "" })} />
  </section>`;
}

function Missing({ problem }) {
  return html`<${Notice} kind="warning">Only the errors of this server are shown, because Redis cannot be read: ${problem}</${Notice}>`;
}

function short(text) {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

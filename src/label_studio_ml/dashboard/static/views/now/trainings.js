import { html } from "../../lib/html.js";
import { count, number } from "../../lib/format.js";
import { link } from "../../lib/router.js";
import { Progress } from "../../parts/progress.js";
import { ShortText } from "../../parts/short-text.js";
import { Status } from "../../parts/status.js";
import { Ago } from "../../parts/time.js";
import { ProjectLink } from "./projects.js";

const STATES = { running: ["busy", "running"], waiting: ["waiting", "waits"], postponed: ["waiting", "postponed"] };

/** The trainings that run and wait, in all projects. */
export function Trainings({ trainings, parked, titles }) {
  const { running, waiting, postponed, rows } = trainings;
  const hidden = running + waiting + postponed - rows.length;
  return html`<section aria-labelledby="now-trainings">
    <h2 id="now-trainings">Trainings</h2>
    <p aria-live="polite">
      ${running + waiting + postponed === 0
        ? "No training runs or waits."
        : `${number(running)} running, ${number(waiting)} waiting, ${number(postponed)} postponed.`}
      ${parked > 0 && html` <a href=${link(["trainings"], { state: "parked" })}>${count(parked, "event was", "events were")} set aside</a>.`}
    </p>
    ${rows.length > 0 && html`<ul class="cards now-cards">
      ${rows.map((row) => html`<${Training} key=${row.job} row=${row} titles=${titles} />`)}
    </ul>`}
    <p>${hidden > 0 && html`${count(hidden, "more is", "more are")} not shown. `}<a href=${link(["trainings"])}>All trainings</a></p>
  </section>`;
}

function Training({ row, titles }) {
  const [kind, words] = STATES[row.state] || ["neutral", row.state];
  return html`<li class="card">
    <h3><${ProjectLink} uid=${row.uid} titles=${titles} /></h3>
    <p><${Status} kind=${kind}>${row.cancelling ? "is being cancelled" : words}</${Status}>${" "}
      <${Ago} at=${row.state === "running" ? row.started : row.created} /></p>
    ${row.state === "running" && html`<${Progress} label=${`Progress of training ${row.job}`} value=${row.progress ?? undefined} />`}
    ${row.message && html`<p><${ShortText} text=${row.message} most=${160} /></p>`}
    <p class="now-detail"><a href=${link(["trainings", row.job])}>Training <bdi>${row.job}</bdi></a>,
      ${" "}${count(row.events, "event")}</p>
  </li>`;
}

/** The projects whose tasks are predicted again after a training; nothing if there are none. */
export function Repredictions({ repredictions, titles }) {
  if (!repredictions.projects) return null;
  return html`<section aria-labelledby="now-repredictions">
    <h2 id="now-repredictions">Predictions of new versions</h2>
    <p aria-live="polite">The tasks of ${count(repredictions.projects, "project")} are predicted again.</p>
    <ul class="cards now-cards">
      ${repredictions.rows.map((row) => html`<li class="card" key=${row.uid}>
        <h3><${ProjectLink} uid=${row.uid} titles=${titles} /></h3>
        <p>Version <bdi>${row.version}</bdi></p>
        <${Progress} label=${`Predictions for project ${row.uid}`} value=${row.tasks ? (row.done + row.failed) / row.tasks : undefined} />
        <p>${count(row.done, "task")} of ${row.tasks}${row.failed > 0 && html`, <span class="now-bad">${row.failed} failed</span>`}</p>
        ${row.error && html`<p class="now-bad"><${ShortText} text=${row.error} most=${160} /></p>`}
      </li>`)}
    </ul>
  </section>`;
}

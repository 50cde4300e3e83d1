import { html, useEffect, useState } from "../lib/html.js";
import { get, part } from "../lib/api.js";
import { count, dateTime, duration, number } from "../lib/format.js";
import { useTopic } from "../lib/live.js";
import { link } from "../lib/router.js";
import { useStyles } from "../parts/stylesheet.js";
import { Loading } from "../parts/loading.js";
import { Notice } from "../parts/notice.js";
import { Progress } from "../parts/progress.js";
import { ShortText } from "../parts/short-text.js";
import { Status } from "../parts/status.js";
import { Ago } from "../parts/time.js";
import { Log } from "./training/log.js";
import { Metrics } from "./training/metrics.js";
import { ErrorCode } from "../parts/error-code.js";
import { Failure } from "./trainings/why.js";
import { TrainingActions } from "./trainings/actions.js";
import { TRACKERS, isActive, isError, projectName, secondsOf, stateOf } from "./trainings/states.js";

export const title = "Training";

/** The view of one training: progress, metrics and log as it runs, and what came of it. */
export default function Training({ route }) {
  useStyles("trainings");
  const job = route.path[1];
  const training = useTopic(`training:${job}`);
  const stored = useStoredPoints(job, training);
  const heading = html`<p class="back"><a href=${link(["trainings"])}>All trainings</a></p><h1>Training ${job}</h1>`;
  if (!training) return html`${heading}<${Loading} what="the training" />`;
  if (training.error && !training.job) return html`${heading}<${Notice} kind="error">${training.error}</${Notice}>`;
  const active = isActive(training);
  return html`
    ${heading}
    <div class="actions">
      <p class="state" role="status"><${State} training=${training} /></p>
      <${TrainingActions} training=${training} />
    </div>
    ${training.state === "started" && html`<${Running} training=${training} />`}
    <${Outcome} training=${training} />
    <${TrackerGaps} training=${training} />
    <${Facts} training=${training} />
    <${Metrics} points=${training.points.length ? training.points : stored} />
    <${Log} key=${job} job=${job} log=${training.log} active=${active} />
  `;
}

function State({ training }) {
  const [kind, words] = stateOf(training);
  return html`<${Status} kind=${kind}>${words}</${Status}>`;
}

/** Progress, last message, and the time that is left at this pace. */
function Running({ training }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = secondsOf(training, now);
  const share = training.progress;
  const left = share > 0.01 && share < 1 && seconds > 5 ? (seconds / share) * (1 - share) : undefined;
  return html`<div class="running">
    <${Progress} label="Progress of the training" value=${share} />
    <p>${training.message && html`<${ShortText} text=${training.message} />, `}${duration(seconds)} so far${left !== undefined && `, about ${duration(left)} left`}</p>
  </div>`;
}

/** What a waiting training waits for, or how an ended one ended, and what a person can do. */
function Outcome({ training }) {
  const { wait, advice, state, ending } = training;
  if (wait) {
    return html`<${Notice} kind=${wait.kind === "worker" || wait.kind === "retry" || wait.kind === "class" ? "warning" : "info"}>
      This training <${ShortText} text=${wait.text} />${wait.until && html` (next check <${Ago} at=${wait.until} />)`}. ${wait.fix}
    </${Notice}>`;
  }
  if (isError(training)) {
    return html`<${Notice} kind=${state === "failed" ? "error" : "warning"}>
      <${Failure} training=${training} most=${1000} />${state === "interrupted" && "."}
      ${training.error_code && html`<br /><${ErrorCode} code=${training.error_code} />`}
      ${advice && html`<br />What to do: ${advice.fix}.`}
    </${Notice}>`;
  }
  if (state === "cancelled") return html`<${Notice} kind="info">It was cancelled${ending && html`: <${ShortText} text=${ending} />`}.</${Notice}>`;
  if (state !== "finished") return null;
  if (!training.version) return html`<${Notice} kind="info"><${ShortText} text=${training.message || "There is no new version: fit changed nothing, or an earlier training had its events already"} /></${Notice}>`;
  return html`<${Notice} kind=${training.held_back ? "warning" : "success"}>
    ${training.held_back
      ? html`Version <${VersionLink} training=${training} /> is held back and not served: <${ShortText} text=${training.held_back} />. Promote it if it shall be served all the same.`
      : html`Version <${VersionLink} training=${training} /> was made.`}
    ${training.comparison && html`<br />Compared with the version before: <${ShortText} text=${training.comparison} most=${1000} />`}
  </${Notice}>`;
}

function VersionLink({ training }) {
  return html`<a href=${link(["versions", training.project, training.version])}><${ShortText} text=${training.version} most=${80} /></a>`;
}

function Facts({ training }) {
  const metrics = Object.entries(training.metrics ?? {});
  return html`<dl class="facts">
    <dt>Project</dt><dd><a href=${link(["projects", training.project])}><${ShortText} text=${projectName(training, training.titles)} most=${100} /></a></dd>
    <dt>Asked for by</dt><dd>${training.asked_by ? html`<${ShortText} text=${training.asked_by} />` : "an event without a login"}</dd>
    ${training.retry_of && html`<dt>Repeats</dt><dd><a href=${link(["trainings", training.retry_of])}>${training.retry_of}</a>, which was interrupted</dd>`}
    <dt>Created</dt><dd>${dateTime(training.created)}</dd>
    ${training.started && html`<dt>Begun</dt><dd>${dateTime(training.started)}</dd>`}
    ${training.ended && html`<dt>Ended</dt><dd>${dateTime(training.ended)}${training.started && ` (took ${duration(secondsOf(training))})`}</dd>`}
    ${training.events > 0 && html`<dt>Events</dt><dd>${number(training.events)}</dd>`}
    ${training.annotations !== undefined && html`<dt>Learned from</dt><dd>${count(training.annotations, "labelled task")}${training.source && html`, from <${ShortText} text=${training.source} />`}</dd>`}
    ${Object.entries(training.trackers ?? {}).filter(([, tracker]) => tracker.url || tracker.place).map(([name, link]) => html`<dt>${TRACKERS[name] ?? name}</dt><dd><${TrackedRun} link=${link} name=${TRACKERS[name] ?? name} /></dd>`)}
    ${training.model_class && html`<dt>Model class</dt><dd><${ShortText} text=${training.model_class} /></dd>`}
    ${metrics.length > 0 && html`<dt>Last metrics</dt><dd>${metrics.map(([name, value], index) => html`${index > 0 && ", "}<${ShortText} text=${name} most=${60} /> ${number(value)}`)}</dd>`}
  </dl>`;
}

/** Where a tracker has the training: a link to its page, or the folder or database on the backend's machine. */
function TrackedRun({ link: { url, place }, name }) {
  if (!/^https?:\/\//.test(url ?? "")) return html`<${ShortText} text=${place ?? url ?? ""} most=${200} />`;
  return html`<a href=${url} target="_blank" rel="noopener noreferrer">This training in ${name}<span class="visually-hidden">, in a new tab</span></a>`;
}

/** What trackers lack of the training, why, and what to do. */
function TrackerGaps({ training }) {
  return Object.entries(training.trackers ?? {}).filter(([, tracker]) => tracker.text).map(([name, tracker]) => html`<${Notice} kind=${tracker.fix ? "warning" : "info"} key=${name}>
    <${ShortText} text=${tracker.text} most=${600} />.
    ${tracker.fix && html`<br />What to do: ${tracker.fix}.`}
  </${Notice}>`);
}

/** Read the points of an ended training that Redis has forgotten. */
function useStoredPoints(job, training) {
  const [points, setPoints] = useState([]);
  const wanted = Boolean(training?.job) && !isActive(training) && !training.points.length;
  useEffect(() => {
    if (!wanted) return undefined;
    let current = true;
    get(`trainings/${part(job)}/metrics`).then((answer) => current && setPoints(answer.points), () => {});
    return () => {
      current = false;
    };
  }, [job, wanted]);
  return points;
}

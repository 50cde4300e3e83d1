import { html } from "../../lib/html.js";
import { post } from "../../lib/api.js";
import { count } from "../../lib/format.js";
import { link } from "../../lib/router.js";
import { ActionButton } from "../../parts/action-button.js";
import { ErrorCode } from "../../parts/error-code.js";
import { ShortText } from "../../parts/short-text.js";
import { Status } from "../../parts/status.js";
import { Ago } from "../../parts/time.js";

/** Words for the kinds of errors. */
export const KINDS = {
  prediction: "Prediction failed",
  invalid_prediction: "Invalid prediction",
  model_process: "Model process ended",
  model_load: "Model does not load",
  deadline: "Prediction too late",
  overload: "Overloaded",
  request: "Request failed",
  events: "Event not kept",
  training: "Training failed",
  interrupted_training: "Training interrupted",
  prediction_job: "Prediction job",
  studio: "Label Studio refused",
};

/** Kinds that are less than a failure of something. */
const WARNINGS = new Set(["deadline", "overload", "interrupted_training", "prediction_job"]);

/** One group of errors: what is wrong, how often, for which tasks, and what to do. */
export function ErrorCard({ error }) {
  const heading = `error-${error.id}`;
  return html`<article class="card error-card" aria-labelledby=${heading}>
    <div class="error-head">
      <h3 id=${heading}><${Status} kind=${WARNINGS.has(error.kind) ? "warning" : "bad"}>${KINDS[error.kind] ?? error.kind}</${Status}></h3>
      <span class="error-count">${count(error.count, "time")}, last <${Ago} at=${error.last} /></span>
    </div>
    <p class="error-message"><${ShortText} text=${error.message} most=${400} /></p>
    ${error.fix && html`<p class="error-fix"><strong>What to do:</strong> <${ShortText} text=${error.fix} most=${400} /></p>`}
    <dl class="facts">
      ${error.title && html`<dt>Project</dt><dd>${outside(error.link, html`<${ShortText} text=${error.title} most=${120} />`)}</dd>`}
      ${error.tasks.length > 0 && html`<dt>${error.tasks.length === 1 ? "Task" : "Last tasks"}</dt>
        <dd class="error-tasks">${error.tasks.map((task) => html`<span key=${task.id}>${outside(task.link, html`<bdi>${task.id}</bdi>`, `Task ${task.id} in Label Studio`)}</span>`)}</dd>`}
      ${error.version && html`<dt>Version</dt><dd><a href=${link(["versions", error.project])}><${ShortText} text=${error.version} most=${80} /></a></dd>`}
      ${error.job && html`<dt>Training</dt><dd><a href=${link(["trainings", error.job])}><bdi>${error.job}</bdi></a></dd>`}
      ${error.field && html`<dt>Field</dt><dd><code><${ShortText} text=${error.field} most=${120} /></code></dd>`}
      ${error.code && html`<dt>Code</dt><dd><${ErrorCode} code=${error.code} /></dd>`}
      <dt>First seen</dt><dd><${Ago} at=${error.first} /></dd>
      ${error.server && html`<dt>Last on</dt><dd><bdi>${error.server}</bdi></dd>`}
    </dl>
    <${ActionButton} kind="secondary" label=${`Remove this error: ${error.message.slice(0, 80)}`}
      act=${() => post("errors/clear", { ids: [error.id] })}>Remove</${ActionButton}>
  </article>`;
}

/** A link to another site in a new tab, or only its words if there is no address. */
function outside(address, words, label = undefined) {
  if (!/^https?:\/\//.test(address)) return words;
  return html`<a href=${address} target="_blank" rel="noopener noreferrer" aria-label=${label}>${words}</a>`;
}

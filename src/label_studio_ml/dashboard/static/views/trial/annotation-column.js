import { html, useState } from "../../lib/html.js";
import { dateTime, duration } from "../../lib/format.js";
import { RawJson } from "../../parts/raw-json.js";
import { Disclosure } from "./disclosure.js";
import { ResultDrawing } from "./result-drawing.js";

/**
 * The annotations of a task, one at a time.
 * @param {object} props
 * @param {object} props.config the label config's objects and controls
 * @param {object} props.described the task, and what each object shows of it
 */
export function AnnotationColumn({ config, described }) {
  const annotations = (described.task.annotations ?? []).filter((one) => one !== null && typeof one === "object");
  const kept = annotations.filter((one) => !one.was_cancelled);
  const listed = [...kept, ...annotations.filter((one) => one.was_cancelled)];
  const [shown, setShown] = useState(0);
  const annotation = listed[Math.min(shown, listed.length - 1)];
  return html`<section class="trial-column" aria-label="Annotation">
    <header class="trial-heading">
      <h3>Annotation</h3>
      ${listed.length > 1 && html`<label class="trial-choice">Which
        <select value=${String(shown)} onChange=${(event) => setShown(Number(event.target.value))}>
          ${listed.map((one, index) => html`<option key=${index} value=${String(index)}>${name(one, index)}</option>`)}
        </select>
      </label>`}
    </header>
    ${described.left_out && html`<p>Left out: ${described.left_out}.</p>`}
    ${!annotation && html`<p>The task has no annotation.</p>`}
    ${annotation && html`
      <dl class="facts">
        ${annotation.completed_by !== undefined && html`<dt>By user</dt><dd>${person(annotation.completed_by)}</dd>`}
        ${annotation.created_at && html`<dt>Made</dt><dd>${dateTime(annotation.created_at)}</dd>`}
        ${typeof annotation.lead_time === "number" && html`<dt>Took</dt><dd>${duration(annotation.lead_time)}</dd>`}
        ${annotation.ground_truth && html`<dt>Ground truth</dt><dd>yes</dd>`}
        ${annotation.was_cancelled && html`<dt>Skipped</dt><dd>yes</dd>`}
      </dl>
      <${ResultDrawing} key=${shown} title="annotation" result=${annotation.result ?? []} config=${config}
        task=${described.task} objects=${described.objects} />
      <${Disclosure} key=${`json ${shown}`} label="JSON of the annotation"><${RawJson} value=${annotation} label="JSON of the annotation" /></${Disclosure}>`}
  </section>`;
}

function name(annotation, index) {
  return `${index + 1}: id ${annotation.id ?? "–"}${annotation.was_cancelled ? ", skipped" : ""}`;
}

function person(value) {
  return String((value !== null && typeof value === "object" ? (value.id ?? value.email) : value) ?? "–").slice(0, 100);
}

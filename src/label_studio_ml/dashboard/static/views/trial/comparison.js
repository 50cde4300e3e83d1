import { html, useState } from "../../lib/html.js";
import { post } from "../../lib/api.js";
import { size } from "../../lib/format.js";
import { mayAct } from "../../lib/session.js";
import { Loading } from "../../parts/loading.js";
import { Notice } from "../../parts/notice.js";
import { RawJson } from "../../parts/raw-json.js";
import { ShortText } from "../../parts/short-text.js";
import { AnnotationColumn } from "./annotation-column.js";
import { Disclosure } from "./disclosure.js";
import { TextForm, parseJson } from "./json-input.js";
import { PredictionColumn } from "./prediction-column.js";
import { useAnswer } from "./use-answer.js";

/**
 * A task with the predictions of one or two versions, and its annotations beside them.
 * @param {object} props
 * @param {object} props.subject `{project}` or `{label_config}`
 * @param {object} props.about the label config's objects and controls in `config`, the versions on trial in `models`
 * @param {object} props.selection `{task_id}`, `{sample}` or `{task}`
 * @param {string[]} props.versions ids of the versions, "" for the served one
 */
export function Comparison({ subject, about, selection, versions }) {
  const key = JSON.stringify([subject.project ?? "", selection.task_id, selection.sample, selection.number]);
  const fields = { ...subject, ...fieldsOf(selection) };
  const { value, error } = useAnswer(key, () => post("trial/task", fields));
  const [interactive, setInteractive] = useState(about.config.interactive);
  const [params, setParams] = useState(undefined);
  const [models, setModels] = useState(about.models ?? []);
  if (error) return html`<${Notice} kind="error">${error.message}</${Notice}>`;
  if (!value) return html`<${Loading} what="the task" />`;
  return html`<section aria-labelledby="trial-comparison">
    <h2 id="trial-comparison">Task ${String(value.task.id ?? "").slice(0, 40)}</h2>
    <div class="toolbar">
      <label><input type="checkbox" role="switch" checked=${interactive} onChange=${(event) => setInteractive(event.target.checked)} />
        Ask with clicks and boxes (interactive)</label>
    </div>
    <div class="trial-columns">
      ${versions.map((version, index) => html`<${PredictionColumn} key=${`${key} ${version} ${index} ${JSON.stringify(params)}`}
        heading=${versions.length > 1 ? `Prediction ${index + 1}` : "Prediction"} fields=${{ ...fields, version }}
        config=${about.config} described=${value} ...${{ interactive, params }} onModels=${setModels} />`)}
      <${AnnotationColumn} key=${key} config=${about.config} described=${value} />
    </div>
    <${Models} models=${models} />
    <${Disclosure} key=${`task ${key}`} label="JSON of the task"><${RawJson} value=${value.task} label="JSON of the task" /></${Disclosure}>
    ${mayAct() && html`<${Disclosure} label="Params of the request"><${Params} onChange=${setParams} /></${Disclosure}>`}
  </section>`;
}

function fieldsOf({ task_id: id, sample, task }) {
  if (id) return { task_id: id };
  return sample ? { sample } : { task };
}

/** The versions whose models run on this server because somebody tries them, with their memory. */
function Models({ models }) {
  if (!models.length) return null;
  return html`<p><small>Loaded on this server to be tried: ${models.map(({ version, memory }, index) => html`${index > 0 && ", "}
    <${ShortText} text=${version || "a version that is being loaded"} most=${80} />${memory ? ` (${size(memory)} of memory)` : ""}`)}.
    Each is closed after 5 minutes without use.</small></p>`;
}

function Params({ onChange }) {
  function submit(text) {
    if (!text.trim()) {
      onChange(undefined);
      return "";
    }
    const { value, problem } = parseJson(text);
    if (problem) return problem;
    if (value === null || typeof value !== "object" || Array.isArray(value)) return "Params must be a JSON object.";
    onChange(value);
    return "";
  }
  return html`<${TextForm} label="Params as a JSON object" button="Predict with these" onSubmit=${submit}
    help="What predict gets as keyword arguments beside the tasks. Empty: none." />`;
}

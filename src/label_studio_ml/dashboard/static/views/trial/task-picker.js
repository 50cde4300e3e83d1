import { html, useState } from "../../lib/html.js";
import { get } from "../../lib/api.js";
import { count, number } from "../../lib/format.js";
import { ActionButton } from "../../parts/action-button.js";
import { Loading } from "../../parts/loading.js";
import { Notice } from "../../parts/notice.js";
import { Pager } from "../../parts/pager.js";
import { ScrollBox } from "../../parts/scroll-box.js";
import { ShortText } from "../../parts/short-text.js";
import { TextForm, parseJson } from "./json-input.js";
import { useAnswer } from "./use-answer.js";

const SOURCES = [
  ["task", "A task of the project"],
  ["sample", "A generated task"],
  ["own", "A task of your own"],
];

/**
 * The choice of the task to predict.
 * @param {object} props
 * @param {string} props.project uid of the project, "" without one
 * @param {{task?: string, sample?: string, own?: object}} props.chosen what is chosen now
 * @param {number} props.samples how many tasks can be generated
 * @param {(choice: {task?: number, sample?: number, own?: object}) => void} props.onChoose
 */
export function TaskPicker({ project, chosen, samples, onChoose }) {
  const first = chosen.own ? "own" : chosen.sample ? "sample" : project ? "task" : "sample";
  const [source, setSource] = useState(first);
  const sources = project ? SOURCES : SOURCES.slice(1);
  return html`<fieldset class="trial-task">
    <legend>Task</legend>
    <div class="trial-sources">
      ${sources.map(([name, words]) => html`<label key=${name}>
        <input type="radio" name="trial-source" value=${name} checked=${source === name} onChange=${() => setSource(name)} /> ${words}
      </label>`)}
    </div>
    ${source === "task" && html`<${ProjectTask} ...${{ project, onChoose }} task=${chosen.task ?? ""} />`}
    ${source === "sample" && html`<${SampleTask} ...${{ samples, onChoose }} sample=${Number(chosen.sample ?? 0)} />`}
    ${source === "own" && html`<${OwnTask} onChoose=${onChoose} />`}
  </fieldset>`;
}

function ProjectTask({ project, task, onChoose }) {
  const [note, setNote] = useState("");
  const [open, setOpen] = useState(false);
  async function step(direction) {
    setNote("");
    const answer = await get("trial/neighbour", { project, direction, task: direction === "any" ? "" : task });
    if (answer.task === null) setNote(direction === "any" ? "The project has no tasks." : `There is no ${direction} task.`);
    else onChoose({ task: answer.task });
  }
  function submit(event) {
    event.preventDefault();
    const id = Number(new FormData(event.target).get("id"));
    if (Number.isInteger(id) && id > 0) onChoose({ task: id });
  }
  return html`<div>
    <div class="toolbar">
      <form class="trial-id" onSubmit=${submit} key=${task}>
        <label>Task id <input name="id" type="number" min="1" max="999999999" step="1" required value=${task} /></label>
        <button type="submit" class="small">Show</button>
      </form>
      <${ActionButton} viewer=${true} kind="secondary" disabled=${!task} act=${() => step("previous")}>Previous task</${ActionButton}>
      <${ActionButton} viewer=${true} kind="secondary" act=${() => step("next")}>${task ? "Next task" : "First task"}</${ActionButton}>
      <${ActionButton} viewer=${true} kind="secondary" act=${() => step("any")}>Random task</${ActionButton}>
    </div>
    <p aria-live="polite">${note}</p>
    <details onToggle=${(event) => setOpen(event.target.open)}>
      <summary>Tasks of the project</summary>
      ${open && html`<${TaskList} ...${{ project, task, onChoose }} />`}
    </details>
  </div>`;
}

function TaskList({ project, task, onChoose }) {
  const [page, setPage] = useState(1);
  const { value, error, loading } = useAnswer(`${project} ${page}`, () => get("trial/tasks", { project, page }));
  if (error) return html`<${Notice} kind="error">${error.message}</${Notice}>`;
  if (loading || !value) return html`<${Loading} what="the tasks" />`;
  if (!value.tasks.length) return html`<p>The project has no tasks.</p>`;
  return html`
    <${ScrollBox} label="Tasks">
      <table>
        <thead><tr><th scope="col">Id</th><th scope="col">Data</th><th scope="col">Annotations</th><th scope="col">Predictions</th></tr></thead>
        <tbody>
          ${value.tasks.map((entry) => html`<tr key=${entry.id}>
            <td><button type="button" class="plain" aria-current=${String(entry.id) === String(task) ? "true" : undefined}
              onClick=${() => onChoose({ task: entry.id })}>${entry.id}</button></td>
            <td><${ShortText} text=${entry.text} most=${100} /></td>
            <td class="number">${number(entry.total_annotations)}</td>
            <td class="number">${number(entry.total_predictions)}</td>
          </tr>`)}
        </tbody>
      </table>
    </${ScrollBox}>
    <${Pager} first=${(page - 1) * value.size} size=${value.size} total=${value.total} label="Pages of tasks"
      onPage=${(first) => setPage(Math.floor(first / value.size) + 1)} />`;
}

function SampleTask({ samples, sample, onChoose }) {
  const next = (sample % samples) + 1;
  return html`<div class="toolbar">
    <button type="button" class="small" onClick=${() => onChoose({ sample: next })}>
      ${sample ? "Another generated task" : "Generate a task"}
    </button>
    <span aria-live="polite">${sample ? `Generated task ${sample} of ${samples}, with made-up data for the label config.` : `${count(samples, "task")} can be made up from the label config.`}</span>
  </div>`;
}

function OwnTask({ onChoose }) {
  function submit(text) {
    const { value, problem } = parseJson(text);
    if (problem) return problem;
    const one = Array.isArray(value) && value.length === 1 ? value[0] : value;
    if (Array.isArray(one)) return `The text is a list of ${count(one.length, "entry", "entries")}. Paste one task.`;
    if (one === null || typeof one !== "object") return "The text must be a JSON object: a task, or its data.";
    onChoose({ own: one });
    return "";
  }
  return html`<${TextForm} label="Task as JSON" button="Try this task" onSubmit=${submit}
    help=${'Its data, such as {"text": "Nice!"}, or a whole task of Label Studio with "data", and "annotations" if you like.'} />`;
}

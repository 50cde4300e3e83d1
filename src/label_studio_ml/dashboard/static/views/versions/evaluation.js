import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { get, part } from "../../lib/api.js";
import { count, dateTime, number, percent } from "../../lib/format.js";
import { Loading } from "../../parts/loading.js";
import { Notice } from "../../parts/notice.js";
import { ScrollBox } from "../../parts/scroll-box.js";
import { ShortText, visible } from "../../parts/short-text.js";
import { ConfusionTable } from "./confusion-table.js";
import { directionWords, Value } from "./numbers.js";
import { useLoaded } from "../../lib/use-loaded.js";

const HOW = { "held out": "tasks that it was not trained on", "test split": "the test half of the split", all: "all annotated tasks" };

/** The evaluation of a version: its newest report, and a form that starts another one. */
export function Evaluation({ project, version, evaluated, scroll, onEnd }) {
  const heading = useRef(null);
  useEffect(() => {
    if (scroll) heading.current?.scrollIntoView();
  }, []);
  const path = `versions/${part(project.uid)}/${part(version.id)}/evaluation`;
  const { value, error, reload } = useLoaded(async () => (evaluated ? get(path) : null), [path, evaluated]);

  return html`<section aria-labelledby="evaluation-heading">
    <h2 id="evaluation-heading" ref=${heading}>Evaluation</h2>
    ${error && html`<${Notice} kind="error">${error.message}</${Notice}>`}
    ${evaluated && !value && !error && html`<${Loading} what="the report" />`}
    ${!evaluated && html`<p>This version has not been evaluated yet: its predictions have not been compared with annotations.</p>`}
    ${value && html`<${Report} report=${value} />`}
    <${Start} project=${project} version=${version} open=${!evaluated} onEnd=${() => { reload(); onEnd(); }} />
  </section>`;
}

/** The form that starts an evaluation, if this server runs commands. */
function Start({ project, version, open, onEnd }) {
  const [Form, setForm] = useState(null);
  const { value, error } = useLoaded(() => get("commands", { project: project.uid, limit: 1 }), [project.uid]);
  const command = value?.available.find((each) => each.name === "evaluate");

  useEffect(() => {
    if (command) import("./evaluation-start.js").then((module) => setForm(() => module.EvaluationStart));
  }, [Boolean(command)]);

  if (error) return html`<p><small>Evaluations cannot be started from this page: ${error.message}</small></p>`;
  if (!command || !Form) return null;
  return html`<${Form} command=${command} project=${project} version=${version} open=${open} onEnd=${onEnd} />`;
}

function Report({ report }) {
  const { tasks } = report;
  const seen = tasks.seen === null ? "it is not known which of them the model was trained on"
    : tasks.seen ? `the model was trained on ${number(tasks.seen)} of them` : "the model was trained on none of them";
  return html`
    <p>Evaluated ${dateTime(report.created)}, annotations from <bdi>${visible(report.source)}</bdi>: ${number(tasks.used)} of
      ${" "}${number(tasks.annotated)} ${tasks.ground_truth_only ? "tasks with a ground truth" : "annotated tasks"} (${HOW[tasks.how] || tasks.how}); ${seen}.</p>
    ${report.failed > 0 && html`<${Notice} kind="warning">${count(report.failed, "task has", "tasks have")} no prediction:
      ${" "}<${ShortText} text=${report.failures.join("; ")} /></${Notice}>`}
    ${report.controls.map((control) => html`<${Control} key=${control.name} control=${control} />`)}
    ${report.not_measured.length > 0 && html`<p>Not measured:</p><ul>${report.not_measured.map(([name, reason]) => html`<li>
      <${ShortText} text=${name} most=${80} />: <${ShortText} text=${reason} /></li>`)}</ul>`}
    <${WorstTasks} tasks=${report.worst_tasks} />`;
}

function Control({ control }) {
  return html`<section class="control" aria-label=${`Control ${control.name}`}>
    <h3><${ShortText} text=${control.name} most=${80} /> <small>(${control.kind}, ${count(control.tasks, "task")})</small></h3>
    <dl class="metric-list">${control.metrics.map((metric) => html`<div title=${directionWords(metric.direction) || undefined}>
      <dt>${metric.name}</dt><dd><${Value} value=${metric.value} focusable /></dd></div>`)}</dl>
    ${control.confusion?.labels.length > 0 && html`<${ConfusionTable} confusion=${control.confusion} name=${control.name} />`}
    ${control.labels.length > 0 && html`<${LabelTable} control=${control} />`}
  </section>`;
}

function LabelTable({ control }) {
  return html`<h4>By label</h4><${ScrollBox} label=${`Metrics of ${control.name} by label`}>
    <table class="labels">
      <thead><tr><th scope="col">Label</th>${control.columns.map((name) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
      <tbody>${control.labels.map(([label, ...values]) => html`<tr><th scope="row"><${ShortText} text=${label} most=${100} /></th>
        ${values.map((value) => html`<td class="number"><${Value} value=${value} /></td>`)}</tr>`)}</tbody>
    </table>
  </${ScrollBox}>
  ${control.label_count > control.labels.length && html`<p>The ${number(control.labels.length)} most frequent of ${number(control.label_count)} labels.</p>`}`;
}

function WorstTasks({ tasks }) {
  if (!tasks.length) return html`<h3>Worst tasks</h3><p>No task differs from its annotation, or the report is of an earlier release: evaluate again to see them.</p>`;
  return html`<h3>Worst tasks</h3>
    <p>Tasks whose prediction agrees least with the annotation. Look at them first: the annotation may be the one that is wrong.</p>
    <${ScrollBox} label="Worst tasks">
      <table class="worst-tasks">
        <thead><tr><th scope="col">Task</th><th scope="col" class="number">Agreement</th><th scope="col">Annotated</th><th scope="col">Predicted</th></tr></thead>
        <tbody>${tasks.map((task) => html`<tr key=${task.task}>
          <th scope="row">${task.url ? html`<a href=${task.url} target="_blank" rel="noopener noreferrer">Task ${task.task}<span class="visually-hidden"> in Label Studio, in a new tab</span></a>` : `Task ${task.task}`}</th>
          <td class="number">${percent(task.agreement)}</td>
          <td><${Labels} labels=${task.annotated} /></td>
          <td>${task.error ? html`no prediction: <${ShortText} text=${task.error} most=${120} />` : html`<${Labels} labels=${task.predicted} />`}</td>
        </tr>`)}</tbody>
      </table>
    </${ScrollBox}>`;
}

function Labels({ labels }) {
  if (!labels.length) return "nothing";
  return labels.map(([label, times], at) => html`${at > 0 && ", "}<${ShortText} text=${label} most=${80} />${times > 1 ? ` × ${number(times)}` : ""}`);
}

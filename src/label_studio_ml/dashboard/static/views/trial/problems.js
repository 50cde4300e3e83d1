import { html } from "../../lib/html.js";
import { post } from "../../lib/api.js";
import { count } from "../../lib/format.js";
import { Notice } from "../../parts/notice.js";
import { ShortText } from "../../parts/short-text.js";
import { Status } from "../../parts/status.js";
import { useAnswer } from "./use-answer.js";

/**
 * What our checks and the validator of label-studio-sdk say of a prediction.
 * @param {object} props
 * @param {string} props.id a text that differs for each prediction
 * @param {object} props.fields the fields of the request: project or label config, task
 * @param {object} props.prediction
 * @param {boolean} props.interactive whether it answers a prompt
 */
export function Problems({ id, fields, prediction, interactive }) {
  const { value, error } = useAnswer(id, () => post("trial/check", { ...fields, prediction, interactive }));
  return html`<section class="trial-problems" aria-live="polite">
    <h4>Checks</h4>
    ${error && html`<${Notice} kind="warning">${error.message}</${Notice}>`}
    ${!value && !error && html`<p class="loading">Checking the prediction against the label config …</p>`}
    ${value && html`<${Report} ...${value} />`}
  </section>`;
}

function Report({ findings, more, sdk, checked }) {
  if (!checked) return html`<p>The answer is not checked: there is no label config, or the page's own code reads it.</p>`;
  const by = sdk ? `This backend's checks and the validator of label-studio-sdk ${sdk}` : "This backend's checks (label-studio-sdk is not installed)";
  if (!findings.length) return html`<p><${Status} kind="good">Fits the label config</${Status}> ${by} find nothing wrong.</p>`;
  return html`
    <p>${by} find ${count(findings.length + more, "problem")}.</p>
    <ul>
      ${findings.map((finding, index) => html`<li key=${index}>
        <${Status} kind=${finding.severity === "fault" ? "bad" : "warning"}>${finding.severity === "fault" ? "Fault" : "Warning"}</${Status}>${" "}
        ${finding.region >= 0 && html`<span>Region ${finding.region}${finding.from_name && html` of <bdi>${finding.from_name.slice(0, 80)}</bdi>`}: </span>`}
        <${ShortText} text=${finding.text} />${finding.detail && html` (<${ShortText} text=${finding.detail} most=${200} />)`}.
        ${finding.field && html` Field: <code>${finding.field.slice(0, 80)}</code>.`}
        ${finding.fix && html` What to do: ${finding.fix}.`}
      </li>`)}
    </ul>
    ${more > 0 && html`<p>${count(more, "more problem")} not listed.</p>`}`;
}

import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { post } from "../../lib/api.js";
import { count, duration, number } from "../../lib/format.js";
import { Loading } from "../../parts/loading.js";
import { Notice } from "../../parts/notice.js";
import { RawJson } from "../../parts/raw-json.js";
import { ShortText } from "../../parts/short-text.js";
import { Disclosure } from "./disclosure.js";
import { Problems } from "./problems.js";
import { ResultDrawing } from "./result-drawing.js";

/**
 * The prediction of one version: it is asked at once, and again on demand; prompts are sent as context.
 * @param {object} props
 * @param {string} props.heading
 * @param {object} props.fields the fields of the request: project or label config, task, version
 * @param {object} props.config the label config's objects and controls
 * @param {object} props.described the task, and what each object shows of it
 * @param {boolean} props.interactive whether prompts can be drawn
 * @param {object} [props.params] further params of the request
 * @param {(models: object[]) => void} props.onModels called with the versions on trial on this server
 */
export function PredictionColumn({ heading, fields, config, described, interactive, params, onModels }) {
  const [state, setState] = useState({ busy: true });
  const [shown, setShown] = useState(0);
  const waiting = useRef([]);
  const latest = useRef(0);

  async function ask(prompt) {
    waiting.current = prompt ? [...waiting.current, prompt] : [];
    const asked = (latest.current += 1);
    const context = prompt ? { result: waiting.current } : undefined;
    setState((before) => ({ ...before, busy: true, error: null }));
    try {
      const answer = await post("trial/predict", { ...fields, params, context });
      onModels(answer.models);
      if (asked !== latest.current) return;
      waiting.current = [];
      setShown(0);
      setState({ answer, context, asked });
    } catch (error) {
      if (asked !== latest.current) return;
      waiting.current = [];
      setState({ error });
    }
  }
  useEffect(() => {
    ask();
    return () => {
      latest.current += 1;
    };
  }, []);

  const { answer, error, busy, context } = state;
  const predictions = answer?.predictions ?? [];
  const prediction = predictions[shown];
  return html`<section class="trial-column" aria-label=${heading} aria-busy=${Boolean(busy)}>
    <header class="trial-heading">
      <h3>${heading}</h3>
      <button type="button" class="small secondary" disabled=${busy} onClick=${() => ask()}>
        ${context ? "Predict without prompts" : "Predict again"}
      </button>
    </header>
    <div role="status">${busy && html`<${Loading} what="the prediction" />`}</div>
    ${error && html`<${Notice} kind="error">${error.message}</${Notice}>`}
    ${answer && html`<${Facts} ...${{ answer, prediction, context }} />`}
    ${answer?.error && html`<${Notice} kind="error">
      <${ShortText} text=${answer.error} most=${1000} />${answer.fix && html`${" "}<strong>What to do:</strong> ${answer.fix}.`}
    </${Notice}>`}
    ${predictions.length > 1 && html`<div class="toolbar">
      <label>Prediction
        <select value=${String(shown)} onChange=${(event) => setShown(Number(event.target.value))}>
          ${predictions.map((_, index) => html`<option key=${index} value=${String(index)}>${index + 1} of ${predictions.length}</option>`)}
        </select>
      </label>
    </div>`}
    ${(prediction || interactive) && html`<${ResultDrawing} title="prediction" result=${prediction?.result ?? []} config=${config}
      task=${described.task} objects=${described.objects} onPrompt=${interactive ? ask : undefined} />`}
    ${prediction && html`<${Problems} id=${`${state.asked} ${shown}`} ...${{ fields, prediction, interactive: Boolean(context) }} />`}
    ${answer?.log.length > 0 && html`<${Disclosure} label=${`Log while the model answered (${count(answer.log.length, "line")})`} open=${Boolean(answer.error)}>
      <pre tabindex="0" role="group" aria-label="Log"><code><${ShortText} text=${answer.log.join("\n")} most=${8000} /></code></pre>
      <small>Lines of logs/server.log, also of other requests at the same time.</small>
    </${Disclosure}>`}
    ${prediction && html`<${Disclosure} label="JSON of the prediction"><${RawJson} value=${prediction} label="JSON of the prediction" /></${Disclosure}>`}
    ${context && html`<${Disclosure} label="JSON of the prompt"><${RawJson} value=${{ context }} label="JSON of the prompt" /></${Disclosure}>`}
  </section>`;
}

function Facts({ answer, prediction, context }) {
  const version = prediction?.model_version ?? answer.version;
  return html`<dl class="facts" aria-live="polite">
    <dt>Version</dt><dd><${ShortText} text=${version} most=${100} />${answer.served ? " (served now)" : " (not served)"}</dd>
    <dt>Time</dt><dd>${duration(answer.seconds)}</dd>
    ${prediction && html`<dt>Score</dt><dd>${number(prediction.score)}</dd>`}
    ${prediction && html`<dt>Regions</dt><dd>${number(Array.isArray(prediction.result) ? prediction.result.length : NaN)}</dd>`}
    ${context && html`<dt>Prompts</dt><dd>${number(context.result.length)} sent</dd>`}
  </dl>`;
}

import { html, useEffect, useState } from "../lib/html.js";
import { get, part } from "../lib/api.js";
import { number, size } from "../lib/format.js";
import { useTopic } from "../lib/live.js";
import { go, link } from "../lib/router.js";
import { Loading } from "../parts/loading.js";
import { Notice } from "../parts/notice.js";
import { ScrollBox } from "../parts/scroll-box.js";
import { ShortText, visible } from "../parts/short-text.js";
import { Evaluation } from "./versions/evaluation.js";
import { Change, directionWords, Value } from "./versions/numbers.js";
import { ProjectLine } from "./versions/project-picker.js";
import { useLoaded } from "../lib/use-loaded.js";
import { DeleteButton, DownloadLink, PromoteButton, RollbackButton, UnpinButton } from "./versions/version-actions.js";
import { VersionFacts, VersionOrigin } from "./versions/version-facts.js";
import { VersionState } from "./versions/version-state.js";

export const title = "Version";

/** One version: `#/versions/PROJECT/VERSION`. */
export default function Version({ route }) {
  const [, project, id] = route.path;
  return html`<${VersionPage} key=${`${project}/${id}`} project=${project} id=${id} route=${route} />`;
}

function VersionPage({ project, id, route }) {
  const changes = useTopic(`versions:${project}`);
  const [done, setDone] = useState("");
  const { value, error, reload } = useLoaded(() => get(`versions/${part(project)}/${part(id)}`), [project, id]);

  useEffect(() => {
    if (changes) reload();
  }, [JSON.stringify(changes)]);

  const back = html`<p class="back"><a href=${link(["versions", project])}>All versions of the project</a></p>`;
  if (error) return html`${back}<h1>${title}</h1><${Notice} kind="error">${error.message}</${Notice}>`;
  if (!value) return html`<${Loading} what="the version" />`;
  const { version } = value;
  const acted = (answer) => {
    setDone(answer.done);
    reload();
  };
  const served = value.served?.id === version.id;
  return html`<div class="version-tables">
    ${back}
    <h1>${title} <${ShortText} text=${version.name} most=${100} /></h1>
    <${ProjectLine} project=${value.project} path=${["versions"]} />
    <div aria-live="polite">${done && html`<${Notice} kind="success"><bdi>${visible(done)}</bdi></${Notice}>`}</div>
    <p><${VersionState} version=${version} most=${2000} /></p>
    <div class="actions">
      ${value.manifest && html`
        <${PromoteButton} project=${project} version=${version} onDone=${acted}>${served ? "Promote again" : "Promote"}</${PromoteButton}>
        ${!version.pinned && html`<${PromoteButton} project=${project} version=${version} pin onDone=${acted}>${served ? "Pin" : "Promote and pin"}</${PromoteButton}>`}
        ${version.pinned && !value.pinned_by_setting && html`<${UnpinButton} project=${project} onDone=${acted} />`}
        ${served && html`<${RollbackButton} project=${project} to=${value.rollback} onDone=${acted} />`}
        <${DownloadLink} project=${project} version=${version} />`}
      <${DeleteButton} project=${project} versions=${[version]} disabled=${served} onDone=${() => go(["versions", project])}>
        ${served ? "Delete (not while it is served)" : "Delete"}</${DeleteButton}>
    </div>
    ${value.manifest && html`
      <${VersionFacts} value=${value} />
      <${Metrics} value=${value} />
      <${Evaluation} project=${value.project} version=${version} evaluated=${value.evaluated} scroll=${route.query.part === "evaluation"} onEnd=${reload} />
      <${VersionOrigin} value=${value} project=${project} />
      <${Files} value=${value} />`}
  </div>`;
}

function Metrics({ value }) {
  const { version, comparison } = value;
  const names = Object.keys(version.metrics);
  return html`<section aria-labelledby="metrics-heading">
    <h2 id="metrics-heading">Metrics</h2>
    ${!names.length && html`<p>Its fit returned no metrics.</p>`}
    ${names.length > 0 && html`<${ScrollBox} label="Metrics">
      <table>
        <thead><tr><th scope="col">Metric</th><th scope="col" class="number">Value</th><th scope="col">Difference from the parent</th>
          ${comparison && html`<th scope="col">On the same tasks: this version, <bdi>${visible(comparison.version)}</bdi></th>`}</tr></thead>
        <tbody>${names.map((name) => html`<tr>
          <th scope="row"><${ShortText} text=${name} most=${80} />${directionWords(directionOf(value, name)) && html` <small>(${directionWords(directionOf(value, name))})</small>`}</th>
          <td class="number"><${Value} value=${version.metrics[name]} focusable /></td>
          <td><${Change} change=${value.differences[name]} /></td>
          ${comparison && html`<td>${name in comparison.new ? html`<${Value} value=${comparison.new[name]} focusable />, <${Value} value=${comparison.previous[name]} focusable />` : "–"}</td>`}
        </tr>`)}</tbody>
      </table></${ScrollBox}>`}
    ${comparison?.text && html`<p><${ShortText} text=${comparison.text} most=${500} /></p>`}
  </section>`;
}

function directionOf(value, name) {
  return value.directions?.[name] || "";
}

function Files({ value }) {
  return html`<section aria-labelledby="files-heading">
    <h2 id="files-heading">Files</h2>
    <p>${number(value.file_count)} ${value.file_count === 1 ? "file" : "files"}, ${size(value.version.size)}.</p>
    ${value.files.length > 0 && html`<details><summary>Names, sizes and sha256</summary><${ScrollBox} label="Files">
      <table><thead><tr><th scope="col">File</th><th scope="col" class="number">Size</th><th scope="col">sha256</th></tr></thead>
      <tbody>${value.files.map((file) => html`<tr><th scope="row"><${ShortText} text=${file.name} most=${120} /></th>
        <td class="number" title=${file.size === null ? undefined : `${file.size} bytes`}>${size(file.size)}</td><td><code>${file.sha256}</code></td></tr>`)}</tbody></table>
      ${value.file_count > value.files.length && html`<p>The first ${number(value.files.length)} are shown.</p>`}
    </${ScrollBox}></details>`}
  </section>`;
}

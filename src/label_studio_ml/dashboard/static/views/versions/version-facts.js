import { html } from "../../lib/html.js";
import { count, dateTime, number, size } from "../../lib/format.js";
import { link } from "../../lib/router.js";
import { ShortText, visible } from "../../parts/short-text.js";
import { Ago } from "../../parts/time.js";

/** Training data, decision and origin of a version. */
export function VersionFacts({ value }) {
  const { version, training, decision } = value;
  const rows = [
    ["Id", version.id !== version.name && html`<code>${version.id}</code>`],
    ["Trained", html`<${Ago} at=${version.created} /> (${dateTime(version.created)})`],
    ["Training", training.job && html`<a href=${link(["trainings", training.job])}>${training.job}</a>`],
    ["Annotations used", `${number(training.annotations)}${training.held_out === null ? "" : `; ${count(training.held_out, "task")} held out for measuring`}`],
    ["Annotations from", training.source && html`<${ShortText} text=${training.source} />`],
    ["Events", training.events > 0 && number(training.events)],
    ["Copy of the training data", training.snapshot_size !== null && size(training.snapshot_size)],
    ["Metric gate", html`<${Decision} decision=${decision} />`],
    ["Failed to load", decision.failure && html`<${ShortText} text=${decision.failure} most=${1000} />`],
    ["Size", html`<span title=${`${version.size} bytes`}>${size(version.size)}</span>`],
  ];
  return html`<dl class="facts">${rows.filter(([, shown]) => shown).map(([name, shown]) => html`<dt>${name}</dt><dd>${shown}</dd>`)}</dl>`;
}

function Decision({ decision }) {
  const chosen = decision.chosen_at ? html` A person chose it <${Ago} at=${decision.chosen_at} />.` : decision.promoted ? " A person has promoted it." : "";
  if (!decision.refusal) return html`passed (or there is none).${chosen}`;
  return html`rejected: <${ShortText} text=${decision.refusal} most=${500} />.${chosen}`;
}

/** Parents and children of a version, the code that trained it, what its fit returned and stored. */
export function VersionOrigin({ value, project }) {
  const { parents, children, code, version } = value;
  const named = (other) => (other.id && other.exists !== false
    ? html`<a href=${link(["versions", project, other.id])}><bdi>${visible(other.name)}</bdi></a>`
    : html`<bdi>${visible(other.name)}</bdi> (deleted)`);
  return html`<section aria-labelledby="origin-heading">
    <h2 id="origin-heading">Origin</h2>
    <dl class="facts">
      <dt>Trained from</dt><dd>${parents.length ? parents.map((parent, at) => html`${at > 0 && " ← "}${named(parent)}`) : "no earlier version"}</dd>
      ${children.length > 0 && html`<dt>Versions trained from it</dt><dd>${children.map((child, at) => html`${at > 0 && ", "}${named(child)}`)}</dd>`}
      <dt>Code</dt><dd>${code.hash ? html`<code>${code.hash.slice(0, 8)}</code>: ${code.files.map((file) => visible(file)).join(", ")}` : "not recorded"}</dd>
      ${version.code_differs.length > 0 && html`<dt>Different from the code that serves</dt><dd>${version.code_differs.map((line) => visible(line)).join(", ")}</dd>`}
      ${Object.keys(code.packages).length > 0 && html`<dt>Packages</dt><dd>${Object.entries(code.packages).map(([name, release]) => `${name} ${release}`).join(", ")}</dd>`}
    </dl>
    ${value.output && html`<details><summary>What its fit returned</summary><pre tabindex="0" role="group" aria-label="What its fit returned"><code>${visible(value.output)}</code></pre></details>`}
    ${value.keys.length > 0 && html`<details><summary>Keys that its fit set</summary><ul>${value.keys.map((pair) => html`<li>
      <${ShortText} text=${pair.key} most=${80} /> (${count(pair.length, "character")})</li>`)}</ul></details>`}
  </section>`;
}

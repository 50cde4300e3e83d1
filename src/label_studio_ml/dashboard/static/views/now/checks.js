import { html } from "../../lib/html.js";
import { count } from "../../lib/format.js";
import { ShortText } from "../../parts/short-text.js";
import { Status } from "../../parts/status.js";
import { Ago } from "../../parts/time.js";

/** What `label-studio-ml doctor` complains of, as its quick checks found it in the background. */
export function Checks({ checks }) {
  return html`<section aria-labelledby="now-checks">
    <h2 id="now-checks">Checks</h2>
    <p aria-live="polite">${summary(checks)}</p>
    ${checks && checks.findings.length > 0 && html`<ul class="now-findings">
      ${checks.findings.map((finding) => html`<li key=${`${finding.project} ${finding.name} ${finding.what}`}>
        <${Status} kind=${finding.status === "fail" ? "bad" : "warning"}>${finding.status === "fail" ? "fails" : "warning"}</${Status}>
        <div><strong>${finding.project && `Project ${finding.project}, `}${finding.name}</strong>: <${ShortText} text=${finding.what} />
          ${finding.fix && html`<div class="now-fix">${fix(finding.fix)}</div>`}</div>
      </li>`)}
    </ul>`}
  </section>`;
}

function summary(checks) {
  if (!checks) return "The checks of label-studio-ml doctor run for the first time.";
  if (checks.error) return html`The checks of label-studio-ml doctor failed: <bdi>${checks.error}</bdi>, <${Ago} at=${checks.at} />.`;
  const found = checks.findings.length
    ? `${count(checks.findings.length, "complaint")} among ${count(checks.made, "check")}`
    : `${count(checks.made, "check")}, nothing to complain of`;
  return html`${found}, <${Ago} at=${checks.at} /> on <bdi>${checks.host}</bdi>. For all checks, run ${" "}<code>label-studio-ml doctor</code>.`;
}

/** Show the command of a fix such as "Run: label-studio-ml connect …" as one. */
function fix(text) {
  const command = /^Run: (.*)$/.exec(text);
  return command ? html`Run: <code>${command[1]}</code>` : html`<${ShortText} text=${text} />`;
}

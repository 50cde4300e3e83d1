import { html } from "../../lib/html.js";
import { ShortText } from "../../parts/short-text.js";
import { Status } from "../../parts/status.js";

const KINDS = { served: "good", ready: "neutral", "held back": "warning", "failed to load": "bad", damaged: "bad" };
const REASONS = { "held back": "The metric gate rejected it: ", "failed to load": "Cause: ", damaged: "" };

/** The state of a version in words and a sign, whether it is pinned, and why it is not served. */
export function VersionState({ version, most = 120 }) {
  return html`<span class="version-state">
    <${Status} kind=${KINDS[version.state] || "neutral"}>${version.state}</${Status}>
    ${version.pinned && html`${" "}<span class="pinned"><span aria-hidden="true">📌</span> pinned</span>`}
    ${version.note && html`<span class="version-note">${REASONS[version.state] ?? ""}<${ShortText} text=${version.note} most=${most} /></span>`}
  </span>`;
}

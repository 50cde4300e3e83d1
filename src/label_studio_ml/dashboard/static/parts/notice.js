import { html } from "../lib/html.js";

const WORDS = { error: "Error", warning: "Attention", info: "Note", success: "Done" };

/** A framed message. `kind` is error, warning, info or success; errors and warnings are announced at once. */
export function Notice({ kind = "info", children }) {
  const role = kind === "error" || kind === "warning" ? "alert" : "status";
  return html`<div class="notice notice-${kind}" role=${role}>
    <strong>${WORDS[kind]}:</strong> <span>${children}</span>
  </div>`;
}

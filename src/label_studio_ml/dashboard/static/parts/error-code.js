import { html } from "../lib/html.js";

/** An error's code, and the command that explains it. */
export function ErrorCode({ code }) {
  return html`<code>${code}</code>, explained by <code>label-studio-ml explain ${code}</code>`;
}

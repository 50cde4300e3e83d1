import { html, useState } from "../lib/html.js";
import { mayAct } from "../lib/session.js";
import { confirm } from "./confirm.js";
import { Notice } from "./notice.js";

/**
 * A button that acts: `act` is an async function; while it runs the button is busy, and its error, or the text that it
 * returns, is shown beside it.
 * With `question` (and `consequence`) a dialog asks first. Viewers see the button disabled, with the reason. `viewer`:
 * viewers may use it, too.
 */
export function ActionButton({ act, question = "", consequence = "", kind = "", disabled = false, viewer = false, label, children }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const [message, setMessage] = useState("");
  const allowed = viewer || mayAct();

  async function press() {
    if (question && !(await confirm({ question, consequence, action: label || children, danger: kind === "danger" }))) return;
    setBusy(true);
    setError("");
    setMessage("");
    try {
      const answer = await act();
      if (typeof answer === "string") setMessage(answer);
    } catch (problem) {
      setError(problem.message);
    } finally {
      setBusy(false);
    }
  }

  const reason = allowed ? undefined : "Your login may only look";
  return html`<span class="action">
    <button type="button" class=${`small ${kind}`} disabled=${disabled || busy || !allowed} aria-busy=${busy}
      title=${reason} aria-label=${label} onClick=${press}>${children}</button>
    ${!allowed && html`<span class="visually-hidden">(your login may only look)</span>`}
    ${error && html`<${Notice} kind="error">${error}</${Notice}>`}
    ${message && html`<${Notice}>${message}</${Notice}>`}
  </span>`;
}

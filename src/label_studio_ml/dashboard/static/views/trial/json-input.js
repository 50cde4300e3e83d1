import { html, useId, useState } from "../../lib/html.js";
import { firstError } from "../../lib/json-position.js";
import { Notice } from "../../parts/notice.js";

/** The longest text that is taken, in characters. */
const MOST = 8_000_000;

/**
 * Parse a JSON text. Return `{value}`, or `{problem}`: a sentence that names line and column.
 * @param {string} text
 */
export function parseJson(text) {
  if (!text.trim()) return { problem: "The field is empty. Paste JSON, such as {\"text\": \"…\"}." };
  if (text.length > MOST) return { problem: "The text is longer than 8 million characters. Paste a smaller task." };
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    const cause = error.message.replace(/ in JSON at position.*$/s, "").replace(/^JSON\.parse: /, "");
    const before = text.slice(0, firstError(text) ?? text.length).split("\n");
    return { problem: `The text is not JSON: ${cause}, at line ${before.length}, column ${before.at(-1).length + 1}.` };
  }
}

/**
 * A form with a large text field. `onSubmit(text)` returns the problem in words, "" if there is none, or a promise of it.
 */
export function TextForm({ label, help, button, initial = "", onSubmit }) {
  const [text, setText] = useState(initial);
  const [problem, setProblem] = useState("");
  const id = useId();
  async function submit(event) {
    event.preventDefault();
    setProblem("");
    setProblem((await onSubmit(text)) ?? "");
  }
  return html`<form class="trial-text" onSubmit=${submit}>
    <label for=${`${id}-text`}>${label}</label>
    <textarea id=${`${id}-text`} rows="6" spellcheck="false" aria-describedby=${`${id}-help`} aria-invalid=${problem ? "true" : undefined}
      value=${text} onInput=${(event) => setText(event.target.value)}></textarea>
    <small id=${`${id}-help`}>${help}</small>
    ${problem && html`<${Notice} kind="error">${problem}</${Notice}>`}
    <button type="submit" class="small">${button}</button>
  </form>`;
}

import { html, useState } from "../lib/html.js";
import { visible } from "./short-text.js";

/** The most characters that are shown at once. */
const MOST = 20_000;

/** A value as indented JSON that can be copied. */
export function RawJson({ value, label }) {
  const [copied, setCopied] = useState(false);
  const [whole, setWhole] = useState(false);
  const text = JSON.stringify(value, null, 2) ?? "";
  async function copy() {
    await navigator.clipboard?.writeText(text);
    setCopied(true);
  }
  return html`<div class="raw-json">
    <pre tabindex="0" role="group" aria-label=${label}><code>${visible(whole ? text : text.slice(0, MOST))}</code></pre>
    ${text.length > MOST && !whole && html`<button type="button" class="small secondary" onClick=${() => setWhole(true)}>Show all</button>`}
    ${navigator.clipboard && html`<button type="button" class="small secondary" onClick=${copy}>${copied ? "Copied" : "Copy"}</button>`}
  </div>`;
}

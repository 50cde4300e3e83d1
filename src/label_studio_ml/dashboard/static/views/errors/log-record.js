import { html, useState } from "../../lib/html.js";
import { get } from "../../lib/api.js";
import { visible } from "../../parts/short-text.js";

/** The most places of a search that are marked in one record. */
const MOST_MARKS = 100;

/** One record of the log, with its level, and the places that a search has found. */
export function LogRecord({ record, file, search }) {
  const [whole, setWhole] = useState("");
  const [problem, setProblem] = useState("");

  async function showAll() {
    try {
      setWhole((await get("errors/log/record", { file, at: record.at })).text);
    } catch (error) {
      setProblem(error.message);
    }
  }

  return html`<li class=${`log-record log-${(record.level || "none").toLowerCase()}`}>
    <bdi>${marked(visible(whole || record.text), search)}</bdi>
    ${record.length && !whole && html`… <button type="button" class="plain small" onClick=${showAll}>show all ${record.length.toLocaleString("en")} characters</button>`}
    ${problem && html` <strong role="alert">${problem}</strong>`}
  </li>`;
}

/** Return a text as its parts, those that equal `search` in any case as marks. */
function marked(text, search) {
  if (!search) return text;
  const parts = [];
  const lower = text.toLowerCase();
  const needle = search.toLowerCase();
  if (lower.length !== text.length) return text;
  let start = 0;
  for (let found = lower.indexOf(needle); found >= 0 && parts.length < 2 * MOST_MARKS; found = lower.indexOf(needle, start)) {
    parts.push(text.slice(start, found), html`<mark>${text.slice(found, found + needle.length)}</mark>`);
    start = found + needle.length;
  }
  return [...parts, text.slice(start)];
}

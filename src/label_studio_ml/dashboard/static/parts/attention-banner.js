import { html, useState } from "../lib/html.js";
import { useTopic } from "../lib/live.js";
import { count } from "../lib/format.js";
import { link } from "../lib/router.js";
import { ShortText } from "./short-text.js";

/** The entries that are shown before a person asks for all of them. */
const FIRST = 2;

/** What needs a person, at the top of every page: nothing if all is well. Changes are announced to screen readers. */
export function AttentionBanner() {
  const value = useTopic("attention");
  const [whole, setWhole] = useState(false);
  const entries = value?.entries || [];
  const shown = whole ? entries : entries.slice(0, FIRST);
  const hidden = entries.length - shown.length;
  return html`<div role="status" class="attention" aria-label="What needs a person">
    ${entries.length > 0 && html`<div class="notice notice-error">
      <strong>${value.total === 1 ? "This needs you:" : `${count(value.total, "thing")} need you:`}</strong>
      <ul>
        ${shown.map((entry) => html`<li key=${entry.text}>
          <${ShortText} text=${sentence(entry.text)} most=${240} />${" "}
          ${entry.fix && html`<span class="attention-fix"><${ShortText} text=${sentence(entry.fix)} most=${240} /></span>${" "}`}
          ${entry.link?.length > 0 && html`<a href=${link(entry.link, Object.fromEntries(entry.query))}>See ${entry.link[0]}</a>`}
        </li>`)}
      </ul>
      ${(hidden > 0 || whole) && entries.length > FIRST && html`<button type="button" class="plain small"
        aria-expanded=${whole} onClick=${() => setWhole(!whole)}>${whole ? "Show less" : `Show ${hidden} more`}</button>`}
      ${whole && value.total > entries.length && html`<p>The first ${entries.length} of ${value.total} are shown.</p>`}
    </div>`}
  </div>`;
}

function sentence(text) {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

import { html } from "../../lib/html.js";
import { count } from "../../lib/format.js";
import { post } from "../../lib/api.js";
import { ActionButton } from "../../parts/action-button.js";
import { Empty } from "../../parts/empty.js";
import { ShortText } from "../../parts/short-text.js";
import { Ago } from "../../parts/time.js";
import { projectName } from "./states.js";
import { showBegun } from "./begun.js";

/** Projects with events that were set aside because their trainings failed too often: what, since when, why, retry. */
export function ParkedList({ parked, titles }) {
  if (!parked.length) {
    return html`<${Empty} title="No events are set aside">
      Events are set aside when their trainings have failed too often. They are kept until somebody retries them.
    </${Empty}>`;
  }
  return html`<ul class="parked">
    ${parked.map((entry) => html`<li class="card" key=${entry.project}>
      <h2><${ShortText} text=${projectName(entry, titles)} most=${80} /></h2>
      <p>${count(entry.events, "event is set aside", "events are set aside")} and not trained on.</p>
      <ul>
        ${entry.sets.map((set) => html`<li>
          ${count(set.events, "event")}, <${Ago} at=${set.since} />:${" "}
          ${set.advice && html`<strong>${set.advice.cause}:</strong> `}<${ShortText} text=${set.why} />
          ${set.advice && html`<br /><small>${set.advice.fix}</small>`}
        </li>`)}
      </ul>
      <${ActionButton} label=${`Retry the events of project ${entry.project_id}`} act=${async () => {
        const begun = await post("trainings/retry-parked", { project: entry.project });
        return showBegun(begun);
      }}>Retry</${ActionButton}>
    </li>`)}
  </ul>`;
}

/** The regions of a result as a table, for objects of which there is no drawing. */

import { html } from "../lib/html.js";
import { number } from "../lib/format.js";
import { ScrollBox } from "../parts/scroll-box.js";
import { ShortText } from "../parts/short-text.js";

/** The most regions that are listed. */
const MOST = 200;

/** A table of regions: control, type, value, score. For the properties see `drawings/index.js`. */
export function RegionTable({ object, regions, data, title }) {
  const listed = (regions ?? []).slice(0, MOST);
  return html`<section aria-label=${`Regions of the ${title} on ${object?.name ?? "the task"}`}>
    ${data !== undefined && data !== null && html`<p><${ShortText} text=${asText(data)} /></p>`}
    ${!listed.length && html`<p>No regions.</p>`}
    ${listed.length > 0 && html`<${ScrollBox} label="Regions">
      <table>
        <thead><tr><th scope="col">Control</th><th scope="col">Type</th><th scope="col">Value</th><th scope="col">Score</th></tr></thead>
        <tbody>
          ${listed.map((item) => html`<tr>
            <td><${ShortText} text=${item?.from_name ?? "–"} most=${80} /></td>
            <td><${ShortText} text=${item?.type ?? "–"} most=${40} /></td>
            <td><${ShortText} text=${asText(item?.value ?? item)} most=${200} /></td>
            <td class="number">${number(item?.score)}</td>
          </tr>`)}
        </tbody>
      </table>
    </${ScrollBox}>`}
    ${(regions ?? []).length > MOST && html`<p>${number(regions.length - MOST)} more are in the JSON.</p>`}
  </section>`;
}

function asText(value) {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

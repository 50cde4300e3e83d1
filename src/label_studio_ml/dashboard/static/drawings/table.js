/** Drawings of a `<Table>` and a `<List>`: the data of the task as a table, or as a list of items. */

import { html } from "../lib/html.js";
import { MoreOf } from "./parts/more-of.js";
import { groupRegions } from "./parts/region-groups.js";
import { excerpt } from "./parts/spans.js";
import { useStyles } from "./parts/styles.js";

const MAX_COLUMNS = 50;

/**
 * The data of a `<Table>`: an object as names and values, a list of objects as rows.
 * @param {object} props see `drawings/index.js`
 */
export function TableDrawing({ data, object }) {
  useStyles();
  const rows = Array.isArray(data) ? data : null;
  if (!rows) {
    const entries = data && typeof data === "object" ? Object.entries(data) : [[object?.name ?? "value", data]];
    return html`<div class="drawing-table" tabindex="0" role="group" aria-label="Table of the task"><table><tbody>
      <${Rows} rows=${entries.map(([name, value]) => [name, value])} headed=${true} />
    </tbody></table></div>`;
  }
  const names = [...new Set(rows.slice(0, 1000).flatMap((row) => (row && typeof row === "object" ? Object.keys(row) : [])))].slice(0, MAX_COLUMNS);
  if (!names.length) return html`<ul><${MoreOf} list=${rows} what="rows" show=${(row, index) => html`<li key=${index}><bdi>${cell(row)}</bdi></li>`} /></ul>`;
  return html`<div class="drawing-table" tabindex="0" role="group" aria-label="Table of the task"><table>
    <thead><tr>${names.map((name) => html`<th scope="col" key=${name}><bdi>${excerpt(name, 60)}</bdi></th>`)}</tr></thead>
    <tbody><${Rows} rows=${rows.map((row) => names.map((name) => row?.[name]))} headed=${false} /></tbody>
  </table></div>`;
}

function Rows({ rows, headed }) {
  const shown = rows.slice(0, 200);
  return html`${shown.map((row, index) => html`<tr key=${index}>${row.map((value, at) =>
    headed && at === 0 ? html`<th scope="row"><bdi>${cell(value)}</bdi></th>` : html`<td dir="auto">${cell(value)}</td>`)}</tr>`)}
    ${shown.length < rows.length && html`<tr><td colspan=${rows[0].length}>The first ${shown.length} of ${rows.length} rows</td></tr>`}`;
}

function cell(value) {
  if (value === undefined || value === null) return "";
  return excerpt(typeof value === "object" ? JSON.stringify(value) : String(value), 500);
}

/**
 * The items of a `<List>` that a `<Ranker>` ranks, in the order of the task.
 * @param {object} props see `drawings/index.js`
 */
export function ListDrawing({ data, regions }) {
  useStyles();
  const list = Array.isArray(data) ? data : [];
  const ranked = groupRegions(regions).length;
  return html`<div class="drawing"><ol class="drawing-list">
    <${MoreOf} list=${list} what="items" show=${(item, index) => html`<li key=${index}>
      <strong><bdi>${cell(item?.title ?? item?.id ?? item)}</bdi></strong>
      ${item?.body !== undefined && html`<p class="drawing-said" dir="auto">${cell(item.body)}</p>`}
    </li>`} />
  </ol>${ranked > 0 && html`<p class="drawing-note">Its ranking is among the values.</p>`}</div>`;
}

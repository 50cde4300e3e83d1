/** The items of a `<Ranker>` in their columns, by the titles that the task's data gives them. */

import { html, useMemo } from "../../lib/html.js";
import { MoreOf } from "./more-of.js";
import { excerpt } from "./spans.js";

/**
 * The columns of a ranking.
 * @param {{columns: Record<string, unknown>, data: unknown}} props `columns` has the ids of the items of each column
 */
export function RankedItems({ columns, data }) {
  const titles = useMemo(() => itemTitles(data), [data]);
  return html`<div class="drawing-columns">
    ${Object.entries(columns).map(([name, ids]) => html`<div key=${name}>
      <p class="drawing-name"><bdi>${name === "_" ? "not ranked" : excerpt(name, 60)}</bdi></p>
      <ol><${MoreOf} list=${Array.isArray(ids) ? ids : []} what="items" show=${(id, index) => html`<li key=${index}>
        <bdi>${excerpt(titles.get(String(id)) ?? String(id), 200)}</bdi>
      </li>`} /></ol>
    </div>`)}
  </div>`;
}

/** Return the titles of all items with an id that are in lists of a task's data, by their ids. */
export function itemTitles(data) {
  const titles = new Map();
  const lists = Array.isArray(data) ? [data] : data && typeof data === "object" ? Object.values(data).filter(Array.isArray) : [];
  for (const item of lists.flat()) {
    if (!item || typeof item !== "object" || item.id === undefined) continue;
    const words = [item.title, item.body].filter((part) => typeof part === "string" && part);
    titles.set(String(item.id), words.length ? words.join(": ") : String(item.id));
  }
  return titles;
}

/** A list of which the first entries are shown, with a button for the rest. */

import { html, useState } from "../../lib/html.js";

/**
 * The first entries of a list.
 * @param {{list: unknown[], what: string, show: (entry: unknown, index: number) => unknown, first?: number, as?: string}}
 * props `what` names the entries in the plural; `as` is the element around the button, that of an entry
 */
export function MoreOf({ list, what, show, first = 50, as = "li" }) {
  const [all, setAll] = useState(false);
  const shown = all ? list : list.slice(0, first);
  return html`${shown.map(show)}
    ${shown.length < list.length && html`<${as} class="drawing-more"><button type="button" class="drawing-small" onClick=${() => setAll(true)}>
      Show all ${list.length} ${what}
    </button></${as}>`}`;
}

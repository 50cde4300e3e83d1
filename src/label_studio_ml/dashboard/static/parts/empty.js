import { html } from "../lib/html.js";

/** What a view shows when there is nothing yet: a title, and what to do, with a command if there is one. */
export function Empty({ title, children, command = "" }) {
  return html`<section class="empty">
    <h2>${title}</h2>
    <p>${children}</p>
    ${command && html`<pre><code>${command}</code></pre>`}
  </section>`;
}

import { html, useState } from "../../lib/html.js";

/** A part of the page that is built when it is opened. */
export function Disclosure({ label, open = false, children }) {
  const [shown, setShown] = useState(open);
  return html`<details open=${shown} onToggle=${(event) => setShown(event.target.open)}>
    <summary>${label}</summary>
    ${shown && children}
  </details>`;
}

import { html, useEffect, useReducer } from "../lib/html.js";
import { ago, date, dateTime } from "../lib/format.js";

/** A time as "5 min ago", kept up to date, with the exact time as its title. */
export function Ago({ at }) {
  const [, renderAgain] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    const timer = setInterval(renderAgain, 10_000);
    return () => clearInterval(timer);
  }, []);
  const made = date(at);
  if (!made) return html`<span>–</span>`;
  return html`<time datetime=${made.toISOString()} title=${dateTime(at)}>${ago(at)}</time>`;
}

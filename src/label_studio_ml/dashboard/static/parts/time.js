import { html, useEffect, useState } from "../lib/html.js";
import { ago, date, dateTime } from "../lib/format.js";

/** A time as "5 min ago", kept up to date, with the exact time as its title. */
export function Ago({ at }) {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), 10_000);
    return () => clearInterval(timer);
  }, []);
  const made = date(at);
  if (!made) return html`<span>–</span>`;
  const present = made > now ? new Date() : now; // what has happened since the last tick is not in the future
  return html`<time datetime=${made.toISOString()} title=${dateTime(at)}>${ago(at, present)}</time>`;
}

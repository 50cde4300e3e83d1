import { html, useEffect } from "../lib/html.js";
import { Empty } from "./empty.js";

/** Milliseconds between two questions for projects while there is none. */
const AGAIN = 3000;

/**
 * What every view shows while the backend has no project: the command that connects one. `again` asks for the projects
 * again; it is called every few seconds while the page can be seen. A view that follows live values needs none.
 */
export function NoProject({ command = "label-studio-ml connect DIR --url http://localhost:8080 --project NUMBER", again }) {
  useEffect(() => {
    if (!again) return undefined;
    const timer = setInterval(() => document.hidden || again(), AGAIN);
    return () => clearInterval(timer);
  }, [Boolean(again)]);
  return html`<${Empty} title="No project is connected yet" command=${command}>
    Run this in a terminal with the number in the project's address in Label Studio; it asks for a token. Projects appear
    here as soon as Label Studio has called this backend.
  </${Empty}>`;
}

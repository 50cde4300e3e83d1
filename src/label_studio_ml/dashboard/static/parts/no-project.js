import { html } from "../lib/html.js";
import { Empty } from "./empty.js";

/** What every view shows while the backend has no project: the command that connects one. */
export function NoProject({ command = "label-studio-ml connect DIR --url http://localhost:8080 --project NUMBER" }) {
  return html`<${Empty} title="No project is connected yet" command=${command}>
    Run this in a terminal with the number in the project's address in Label Studio; it asks for a token. Projects appear
    here as soon as Label Studio has called this backend.
  </${Empty}>`;
}

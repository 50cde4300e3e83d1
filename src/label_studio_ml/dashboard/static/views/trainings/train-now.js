import { html, useEffect, useState } from "../../lib/html.js";
import { get, post } from "../../lib/api.js";
import { ActionButton } from "../../parts/action-button.js";
import { Notice } from "../../parts/notice.js";
import { SearchField } from "../../parts/search-field.js";
import { ShortText } from "../../parts/short-text.js";
import { showBegun } from "./begun.js";

/** The choice of a project, and the button that begins its training. */
export function TrainNow() {
  const [search, setSearch] = useState("");
  const [found, setFound] = useState(null);
  const [chosen, setChosen] = useState("");
  const [error, setError] = useState("");
  const [open, setOpen] = useState(false);

  useEffect(() => {
    if (!open) return undefined;
    let wanted = true;
    get("project-names", { search, size: 20, known: 1 }).then(
      (answer) => {
        if (!wanted) return;
        setError("");
        setFound(answer);
        setChosen((before) => (answer.projects.some((entry) => entry.uid === before) ? before : answer.projects[0]?.uid ?? ""));
      },
      (problem) => wanted && setError(problem.message),
    );
    return () => {
      wanted = false;
    };
  }, [search, open]);

  async function train() {
    const begun = await post("trainings/train", { project: chosen });
    return showBegun(begun);
  }

  return html`<details class="card train-now" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>Train now</summary>
    <p>The training begins at once, on all labelled tasks of the project, whatever the model's policy says.</p>
    ${error && html`<${Notice} kind="error">${error}</${Notice}>`}
    <${SearchField} label="Find a project by title or number" value=${search} onSearch=${setSearch} />
    ${found && html`<fieldset class="projects">
      <legend>Project</legend>
      ${found.projects.map((entry) => html`<label key=${entry.uid}>
        <input type="radio" name="project" value=${entry.uid} checked=${entry.uid === chosen} onChange=${() => setChosen(entry.uid)} />
        <${ShortText} text=${entry.title || `Project ${entry.number}`} most=${80} /> <small>number ${entry.number}</small>
      </label>`)}
      ${!found.projects.length && html`<p>${search ? "No project fits." : "No project is connected yet."}</p>`}
      ${found.total > found.projects.length && html`<p><small>${found.total - found.projects.length} more: type a part of the title.</small></p>`}
    </fieldset>`}
    <${ActionButton} disabled=${!chosen} label="Train the chosen project now" act=${train}>Train</${ActionButton}>
  </details>`;
}

import { html, useEffect, useState } from "../lib/html.js";
import { get } from "../lib/api.js";
import { number } from "../lib/format.js";
import { visible } from "./short-text.js";
import { SearchField } from "./search-field.js";
import { NoProject } from "./no-project.js";
import { Notice } from "./notice.js";

/** Projects in the list; of more, a search field finds the others. */
const MOST = 50;

/**
 * Choose one of the backend's projects. `project` is the uid of the chosen one, empty for none; `onProject` is called
 * with another one. With `first`, the only project, or the first one, is chosen by itself. With `all`, "All projects"
 * (an empty uid) can be chosen.
 */
export function ProjectPicker({ project, onProject, first = true, all = false }) {
  const [search, setSearch] = useState("");
  const [list, setList] = useState(null);
  const [problem, setProblem] = useState("");
  const [times, setTimes] = useState(0);

  useEffect(() => {
    let wanted = true;
    get("project-names", { search, size: MOST }).then(
      (answer) => {
        if (!wanted) return;
        setProblem("");
        setList(answer);
        if (first && !all && !project && !search && answer.projects.length) onProject(answer.projects[0].uid);
      },
      (error) => wanted && setProblem(error.message),
    );
    return () => {
      wanted = false;
    };
  }, [search, times]);

  if (problem) return html`<${Notice} kind="error">${problem}</${Notice}>`;
  if (!list) return null;
  if (!list.total && !search && !project && !all) return html`<${NoProject} again=${() => setTimes((before) => before + 1)} />`;
  const known = list.projects.some((one) => one.uid === project);
  return html`<div class="toolbar">
    <label><span>Project</span>
      <select value=${project} onChange=${(event) => onProject(event.target.value)}>
        ${all && html`<option value="">All projects</option>`}
        ${!all && !project && html`<option value="">Choose a project</option>`}
        ${project && !known && html`<option value=${project}>${project}</option>`}
        ${list.projects.map((one) => html`<option key=${one.uid} value=${one.uid}>${projectName(one)}</option>`)}
      </select>
    </label>
    ${(list.total > MOST || search) && html`<${SearchField} label=${`Find one of ${number(list.total)} projects`} value=${search} onSearch=${setSearch} />`}
  </div>`;
}

/** Return a project's number and title, the title cut at 60 characters. */
export function projectName(project) {
  const title = project.title || "without a title";
  const short = title.length > 60 ? `${title.slice(0, 60)}…` : title;
  return `${project.number ?? project.uid.split(".")[0]}: ${visible(short)}`;
}

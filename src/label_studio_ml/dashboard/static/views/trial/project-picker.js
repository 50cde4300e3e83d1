import { html, useState } from "../../lib/html.js";
import { get } from "../../lib/api.js";
import { link } from "../../lib/router.js";
import { useLoaded } from "../../lib/use-loaded.js";
import { Loading } from "../../parts/loading.js";
import { NoProject } from "../../parts/no-project.js";
import { Notice } from "../../parts/notice.js";
import { SearchField } from "../../parts/search-field.js";
import { ShortText } from "../../parts/short-text.js";

/** A list of projects with a search; each is a link to this view with the project. */
export function ProjectPicker() {
  const [search, setSearch] = useState("");
  const { value, error, reload } = useLoaded(() => get("project-names", { search, size: 50, known: 1 }), [search]);
  if (value && !value.projects.length && !search) return html`<${NoProject} again=${reload} />`;
  return html`<section aria-labelledby="trial-projects">
    <h2 id="trial-projects">Choose a project</h2>
    <div class="toolbar"><${SearchField} label="Search by number or title" value=${search} onSearch=${setSearch} /></div>
    <div aria-live="polite">
      ${error && html`<${Notice} kind="error">${error.message}</${Notice}>`}
      ${!value && !error && html`<${Loading} what="the projects" />`}
      ${value && !value.projects.length && html`<p>No project has this text in its title or number.</p>`}
      ${value && html`<ul class="project-list">
        ${value.projects.map(({ uid, title }) => html`<li key=${uid}>
          <a href=${link(["try"], { project: uid })}>
            Project ${uid.split(".")[0]}</a>${" "}<${ShortText} text=${title} most=${120} />
        </li>`)}
      </ul>`}
      ${value && value.total > value.projects.length && html`<p>There are more projects: search for one.</p>`}
    </div>
  </section>`;
}

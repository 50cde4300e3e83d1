import { html, useEffect, useState } from "../../lib/html.js";
import { get } from "../../lib/api.js";
import { go, link } from "../../lib/router.js";
import { Loading } from "../../parts/loading.js";
import { NoProject } from "../../parts/no-project.js";
import { Notice } from "../../parts/notice.js";
import { Pager } from "../../parts/pager.js";
import { SearchField } from "../../parts/search-field.js";
import { ShortText, visible } from "../../parts/short-text.js";
import { useLoaded } from "../../lib/use-loaded.js";

const PAGE = 20;

/**
 * A list of projects to choose from; the only project is chosen by itself, unless `choose` is set.
 * `path` is the address of the view.
 */
export function ProjectPicker({ path, choose = false }) {
  const [search, setSearch] = useState("");
  const [first, setFirst] = useState(0);
  const { value, error, reload } = useLoaded(
    () => get("project-names", { search, first, size: PAGE }),
    [search, first],
  );

  useEffect(() => {
    if (value?.total === 1 && !search && !choose) go([...path, value.projects[0].uid], {}, true);
  }, [value]);

  if (error) return html`<${Notice} kind="error">${error.message}</${Notice}>`;
  if (!value) return html`<${Loading} what="the projects" />`;
  if (!value.total && !search) {
    return html`<${NoProject} again=${reload} />`;
  }
  return html`<section aria-labelledby="choose-heading">
    <h2 id="choose-heading">Choose a project</h2>
    ${(value.total > PAGE || search) && html`<div class="toolbar">
      <${SearchField} label="Search by number or title" value=${search} onSearch=${(text) => { setSearch(text); setFirst(0); }} />
    </div>`}
    <ul class="project-list" aria-live="polite">
      ${value.projects.map((project) => html`<li key=${project.uid}>
        <a href=${link([...path, project.uid])}>Project ${project.number}</a>${" "}<${ShortText} text=${project.title} most=${120} />${" "}
        ${project.hostname && html`<small><bdi>${visible(project.hostname)}</bdi></small>`}
      </li>`)}
    </ul>
    ${!value.total && html`<p>No project matches.</p>`}
    <${Pager} first=${first} size=${PAGE} total=${value.total} onPage=${setFirst} label="Pages of projects" />
  </section>`;
}

/** The heading of a view of one project, with the way to another one. */
export function ProjectLine({ project, path }) {
  return html`<p class="project-line">
    Project <strong>${project.number}</strong>${" "}<${ShortText} text=${project.title} most=${120} />
    ${project.hostname && html`${" "}<small>in <bdi>${visible(project.hostname)}</bdi></small>`}
    ${" "}<a href=${link(path, { choose: "yes" })}>Choose another project</a>
  </p>`;
}

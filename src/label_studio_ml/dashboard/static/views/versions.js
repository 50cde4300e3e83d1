import { html } from "../lib/html.js";
import { ProjectPicker } from "./versions/project-picker.js";
import { SideBySide } from "./versions/side-by-side.js";
import { VersionTable } from "./versions/version-table.js";

export const title = "Versions";

/** The versions of a project, or the projects to choose from: `#/versions/PROJECT`, `?compare=ID,ID` for some of them. */
export default function Versions({ route }) {
  const project = route.path[1];
  return html`<div class="version-tables">
    <h1>${title}</h1>
    ${!project && html`<${ProjectPicker} path=${["versions"]} choose=${route.query.choose === "yes"} />`}
    ${project && route.query.compare && html`<${SideBySide} key=${project} project=${project} versions=${route.query.compare} />`}
    ${project && !route.query.compare && html`<${VersionTable} key=${project} project=${project} route=${route} />`}
  </div>`;
}

import { html } from "../lib/html.js";
import { useTopic } from "../lib/live.js";
import { count } from "../lib/format.js";
import { link } from "../lib/router.js";
import { Loading } from "../parts/loading.js";
import { NoProject } from "../parts/no-project.js";
import { Notice } from "../parts/notice.js";
import { useStyles } from "../parts/stylesheet.js";
import { Checks } from "./now/checks.js";
import { Figures } from "./now/figures.js";
import { Projects } from "./now/projects.js";
import { Repredictions, Trainings } from "./now/trainings.js";
import { Servers, Workers } from "./now/servers.js";

export const title = "Now";

await useStyles("now");

/** The view Now: what is served, how fast, what is trained, by which servers and workers. */
export default function Now() {
  const value = useTopic("now");
  const figures = useTopic("now-series");
  if (!value) return html`<h1>${title}</h1><${Loading} what="the state of the backend" />`;
  if (value.error) return html`<h1>${title}</h1><${Notice} kind="error">${value.error}</${Notice}>`;
  const unused = value.projects.known === 0 && value.projects.served === 0;
  return html`
    <h1>${title}</h1>
    ${value.problem && html`<${Notice} kind="error">${value.problem}. Only this server is shown.</${Notice}>`}
    ${unused
      ? html`<${NoProject} command=${value.connect_command} />`
      : html`<${Figures} value=${figures} />`}
    <${Trainings} trainings=${value.trainings} parked=${value.parked} titles=${value.titles} />
    <${Repredictions} repredictions=${value.repredictions} titles=${value.titles} />
    ${!unused && html`<${Projects} projects=${value.projects} titles=${value.titles} />
      <p><a href=${link(["projects"])}>All ${count(value.projects.known, "project")}</a></p>`}
    <${Servers} servers=${value.servers} version=${value.version} />
    <${Workers} workers=${value.workers} redis=${value.redis} />
    <${Checks} checks=${value.checks} />
  `;
}

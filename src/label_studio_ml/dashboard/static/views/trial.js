/** The view "Try it": a task, a version or two, and what they predict, drawn beside the annotation. */
import { html, useState } from "../lib/html.js";
import { get, post } from "../lib/api.js";
import { go, link } from "../lib/router.js";
import { Loading } from "../parts/loading.js";
import { Notice } from "../parts/notice.js";
import { ShortText } from "../parts/short-text.js";
import { useStyles } from "../drawings/parts/styles.js";
import { Comparison } from "./trial/comparison.js";
import { Disclosure } from "./trial/disclosure.js";
import { TextForm } from "./trial/json-input.js";
import { ProjectPicker } from "./trial/project-picker.js";
import { TaskPicker } from "./trial/task-picker.js";
import { VersionPicker } from "./trial/version-picker.js";
import { useAnswer } from "./trial/use-answer.js";

export const title = "Try it";

const STYLES = new URL("../styles/trial.css", import.meta.url).href;

/** The view. The address names project, task, and versions: `#/try?project=…&task=…&version=…&other=…`. */
export default function View({ route }) {
  useStyles(STYLES);
  const { project = "" } = route.query;
  return html`
    <h1>${title}</h1>
    ${project ? html`<${ProjectTrial} key=${project} project=${project} query=${route.query} />` : html`<${WithoutProject} />`}`;
}

function ProjectTrial({ project, query }) {
  const [search, setSearch] = useState("");
  const { value, error } = useAnswer(`${project} ${search}`, () => get("trial/project", { project, search }));
  const [about, setAbout] = useState(null);
  if (value && value !== about) setAbout(value);
  if (error) return html`<${Notice} kind="error">${error.message}</${Notice}><p><a href=${link(["try"])}>Choose a project</a></p>`;
  if (!about) return html`<${Loading} what="the project" />`;
  return html`
    <${Heading} project=${about.project} />
    ${about.has_config
      ? html`<${Trial} ...${{ about, query, search, onSearch: setSearch }} subject=${{ project }} />`
      : html`<${PastedConfig} subject=${{ project }} about=${about}>The project has no label config yet. Paste one to try the model:</${PastedConfig}>`}`;
}

function Heading({ project }) {
  return html`<p>Project <strong>${project.title ? html`<${ShortText} text=${project.title} most=${120} />` : project.id}</strong>${" "}
    <small>(${project.id})</small>.${" "}
    ${project.url && html`<a href=${`${project.url.replace(/\/$/, "")}/projects/${project.id}/data`} rel="noreferrer">Open it in Label Studio</a>, or${" "}`}
    <a href=${link(["try"])}>choose another project</a>.</p>`;
}

function WithoutProject() {
  return html`
    <${ProjectPicker} />
    <${Disclosure} label="Try the model without a project">
      <${PastedConfig} subject=${{}}>Paste a label config (the XML of a project's labeling interface).</${PastedConfig}>
    </${Disclosure}>`;
}

/** A field for a label config, and the trial with it. */
function PastedConfig({ subject, about = {}, children }) {
  const [pasted, setPasted] = useState(null);
  const [query, setQuery] = useState({});
  async function submit(text) {
    if (!text.trim()) return "The field is empty. Paste a label config, such as <View>…</View>.";
    try {
      const answer = await post("trial/config", { ...subject, label_config: text });
      setQuery({});
      setPasted({ text, about: { versions: [], ...about, ...answer } });
    } catch (error) {
      return error.message;
    }
    return "";
  }
  return html`
    <${TextForm} label="Label config" button="Use this label config" help=${children} onSubmit=${submit} />
    ${pasted && html`<${Trial} key=${pasted.text} subject=${{ ...subject, label_config: pasted.text }} about=${pasted.about}
      query=${query} isLocal=${true} onQuery=${setQuery} />`}`;
}

/** The pickers, and the comparison once a task is chosen. With `isLocal`, the choice is not kept in the address. */
function Trial({ subject, about, query, search = "", onSearch, isLocal = false, onQuery }) {
  const [own, setOwn] = useState(null);
  const { task = "", sample = "", version = "", other = "" } = query;
  function change(changes) {
    const next = { ...query, ...changes };
    if (isLocal) onQuery(next);
    else go(["try"], next);
  }
  function choose(choice) {
    setOwn(choice.own ? { task: choice.own, number: (own?.number ?? 0) + 1 } : null);
    change({ task: choice.task ?? "", sample: choice.sample ?? "" });
  }
  const selection = own ?? (task ? { task_id: Number(task) } : sample ? { sample: Number(sample) } : null);
  const versions = other && other !== version ? [version, other] : [version];
  return html`
    <div class="trial-pickers">
      <${TaskPicker} project=${isLocal ? "" : (subject.project ?? "")} chosen=${{ task, sample, own: own?.task }}
        samples=${about.samples} onChoose=${choose} />
      ${about.versions.length > 0 && html`<${VersionPicker} ...${{ about, version, other, search }} onChange=${change} onSearch=${onSearch ?? (() => {})} />`}
    </div>
    ${selection
      ? html`<${Comparison} ...${{ subject, about, selection, versions }} />`
      : html`<p>Choose a task to see what the model predicts for it.</p>`}`;
}

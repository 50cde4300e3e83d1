import { html, useState } from "../lib/html.js";
import { post } from "../lib/api.js";
import { mayAct } from "../lib/session.js";
import { Notice } from "./notice.js";

/**
 * A form that starts a command: `command` is its description (name, title, help, options) as the API gives it, `project`
 * a uid, `values` the first values of options, `onStarted` is called with the record. Viewers see it disabled.
 */
export function CommandForm({ command, project, values = {}, onStarted, action }) {
  const [given, setGiven] = useState(values);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const allowed = mayAct();
  const wrong = problem?.field?.startsWith("options.") ? problem.field.slice("options.".length) : "";

  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const started = await post("commands", { command: command.name, project, options: written(command.options, given) });
      onStarted?.(started);
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  }

  return html`<form class="command-form" onSubmit=${submit} aria-label=${command.title}>
    <p>${command.help}</p>
    ${!allowed && html`<p><small>Your login may only look: an operator can start it.</small></p>`}
    <fieldset disabled=${!allowed || busy}>
      <legend class="visually-hidden">${command.title}</legend>
      ${command.options.map((option) => html`<${OptionField} key=${option.name} option=${option} id=${`${command.name}-${option.name}`}
        value=${given[option.name]} wrong=${wrong === option.name} onChange=${(value) => setGiven({ ...given, [option.name]: value })} />`)}
      <button type="submit" class="small" aria-busy=${busy} title=${allowed ? undefined : "Your login may only look"}>${action || command.title}</button>
    </fieldset>
    ${problem && html`<${Notice} kind="error">${problem.message}</${Notice}>`}
  </form>`;
}

function OptionField({ option, id, value, wrong, onChange }) {
  const help = html`<small id=${`${id}-help`}>${option.help}</small>`;
  const common = { id, "aria-describedby": `${id}-help`, "aria-invalid": wrong ? "true" : undefined };
  if (option.kind === "flag") {
    return html`<p class="option">
      <label for=${id}><input type="checkbox" ...${common} checked=${value === true} onChange=${(event) => onChange(event.target.checked)} /> ${option.title}</label>${help}
    </p>`;
  }
  return html`<p class="option">
    <label for=${id}>${option.title}</label>
    ${control(option, common, value, onChange)}
    ${help}
  </p>`;
}

function control(option, common, value, onChange) {
  const input = (event) => onChange(event.target.value);
  if (option.kind === "choice") {
    return html`<select ...${common} value=${value ?? option.choices[0].value} onChange=${input}>
      ${option.choices.map((choice) => html`<option value=${choice.value}>${choice.title}</option>`)}
    </select>`;
  }
  if (option.kind === "conditions") {
    return html`<textarea ...${common} rows="2" placeholder=${option.placeholder} spellcheck="false" value=${value ?? ""} onInput=${input}></textarea>`;
  }
  const numeric = option.kind === "number" || option.kind === "share";
  return html`<input ...${common} type="text" inputmode=${numeric ? "decimal" : undefined} placeholder=${option.placeholder}
    autocomplete="off" spellcheck="false" value=${value ?? ""} onInput=${input} />`;
}

/** Return the values for the API: a condition a line, numbers as numbers where they are some, nothing for empty fields. */
function written(options, given) {
  const values = {};
  for (const { name, kind } of options) {
    const value = given[name];
    if (value === undefined || value === "" || value === false) continue;
    if (kind === "conditions") values[name] = String(value).split("\n").map((line) => line.trim()).filter(Boolean);
    else if ((kind === "number" || kind === "share") && Number.isFinite(Number(value))) values[name] = Number(value);
    else values[name] = value;
  }
  return values;
}

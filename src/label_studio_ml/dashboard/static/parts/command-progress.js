import { html, useEffect, useState } from "../lib/html.js";
import { get, part, post } from "../lib/api.js";
import { dateTime, duration, number } from "../lib/format.js";
import { useTopic } from "../lib/live.js";
import { ActionButton } from "./action-button.js";
import { Notice } from "./notice.js";
import { Progress } from "./progress.js";
import { ShortText, visible } from "./short-text.js";
import { Status } from "./status.js";
import { Ago } from "./time.js";

/** The sign of each state of a command. */
const KINDS = { waiting: "waiting", running: "busy", done: "good", failed: "bad", cancelled: "neutral", interrupted: "warning" };

/**
 * One command, followed while it waits or runs: state, progress, what it says, its last lines, and a button that cancels
 * it. `id` is the command's; `onEnd` is called with its record when it has ended, also if it was never seen to run.
 */
export function CommandProgress({ id, onEnd }) {
  const command = useTopic(`command:${id}`);

  useEffect(() => {
    if (command?.active === false) onEnd?.(command);
  }, [command?.active]);

  if (!command) return html`<p class="loading" role="status">Reading the command …</p>`;
  if (command.error) return html`<${Notice} kind="error">${command.error}</${Notice}>`;
  return html`<article class="card command" aria-label=${`${command.title}: ${command.state}`}>
    <${CommandSummary} command=${command} />
    ${command.active && html`<${Progress} label=${`Progress of ${command.title}`} value=${command.total ? command.done / command.total : undefined} />`}
    ${command.active && html`<p>
      <${ActionButton} act=${() => post(`commands/${part(id)}/cancel`)} kind="secondary" label=${`Cancel: ${command.title}`}>Cancel</${ActionButton}>
    </p>`}
    <${Lines} lines=${command.lines} open=${command.state === "failed"} />
  </article>`;
}

/** The last commands of a project, newest first: those that wait or run are followed, of the others the end is shown. */
export function CommandHistory({ project, names, onEnd }) {
  const commands = useTopic(`commands:${project}`);
  if (!commands) return html`<p class="loading" role="status">Reading the commands …</p>`;
  if (commands.error) return html`<${Notice} kind="error">${commands.error}</${Notice}>`;
  const shown = names ? commands.filter((command) => names.includes(command.command)) : commands;
  if (!shown.length) return html`<p>None was started here in the last 30 days.</p>`;
  // A page may follow 8 topics; commands of a project beyond the first ones wait for these anyway.
  const followed = new Set(shown.filter((command) => command.active).slice(0, 4).map((command) => command.id));
  return html`<div class="command-history" aria-live="polite">
    ${shown.slice(0, 20).map((command) => (followed.has(command.id)
      ? html`<${CommandProgress} key=${command.id} id=${command.id} />`
      : html`<${EndedCommand} key=${command.id} command=${command} onEnd=${onEnd} />`))}
  </div>`;
}

/** A command that has ended; its output is read when it is asked for. */
function EndedCommand({ command, onEnd }) {
  const [lines, setLines] = useState(null);
  const [error, setError] = useState("");
  // It was followed until now, or has ended meanwhile: what it has changed is to be read again.
  useEffect(() => onEnd?.(command), [command.id, command.state]);

  async function read() {
    try {
      setLines((await get(`commands/${part(command.id)}`)).lines);
    } catch (problem) {
      setError(problem.message);
    }
  }

  return html`<article class="card command" aria-label=${`${command.title}: ${command.state}`}>
    <${CommandSummary} command=${command} />
    ${lines ? html`<${Lines} lines=${lines} open=${true} />`
      : html`<button type="button" class="plain small" onClick=${read}>Show its output</button>`}
    ${error && html`<${Notice} kind="error">${error}</${Notice}>`}
  </article>`;
}

function CommandSummary({ command }) {
  const took = command.started && command.ended ? `, took ${duration(command.ended - command.started)}` : "";
  const amount = command.total ? `${number(command.done)} of ${number(command.total)} tasks` : "";
  return html`<header class="command-head">
      <strong>${command.title}</strong> <${Status} kind=${KINDS[command.state] || "neutral"}>${command.state}</${Status}>
      <small> started <${Ago} at=${command.started || command.created} />${command.user && html` by <bdi>${command.user}</bdi>`}
        <span title=${command.ended ? dateTime(command.ended) : ""}>${took}</span></small>
    </header>
    <${Options} options=${command.options} />
    ${amount && html`<p>${amount}</p>`}
    ${command.message && html`<p><${ShortText} text=${command.message} /></p>`}`;
}

function Options({ options }) {
  const given = Object.entries(options || {}).filter(([, value]) => value !== "" && value !== null && value !== false && !(Array.isArray(value) && !value.length));
  if (!given.length) return null;
  return html`<p><small>${given.map(([name, value]) => `${name.replaceAll("_", " ")}: ${Array.isArray(value) ? value.join(" and ") : value === true ? "yes" : value}`).join("; ")}</small></p>`;
}

function Lines({ lines, open }) {
  if (!lines?.length) return null;
  return html`<details open=${open}>
    <summary>Its last lines</summary>
    <pre tabindex="0" role="group" aria-label="Last lines of output"><code>${visible(lines.join("\n"))}</code></pre>
  </details>`;
}

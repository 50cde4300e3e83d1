import { html, useState } from "../../lib/html.js";
import { useTopic } from "../../lib/live.js";
import { CommandForm } from "../../parts/command-form.js";
import { CommandProgress } from "../../parts/command-progress.js";

/** A form that starts an evaluation of this version, and the progress of the one that runs. */
export function EvaluationStart({ command, project, version, open, onEnd }) {
  const [followed, setFollowed] = useState("");
  const commands = useTopic(`commands:${project.uid}`);
  const names = [version.id, version.name];
  const running = Array.isArray(commands)
    ? commands.find((each) => each.active && each.command === "evaluate" && names.includes(each.options?.version))
    : undefined;
  // It stays after its end, which the list may have before the command's own values.
  if (running && running.id !== followed) setFollowed(running.id);
  return html`
    ${followed && html`<${CommandProgress} key=${followed} id=${followed} onEnd=${onEnd} />`}
    <details open=${open && !followed}>
      <summary>Start an evaluation</summary>
      <${CommandForm} command=${command} project=${project.uid} values=${{ version: version.id }}
        action="Evaluate this version" onStarted=${(record) => setFollowed(record.id)} />
    </details>`;
}

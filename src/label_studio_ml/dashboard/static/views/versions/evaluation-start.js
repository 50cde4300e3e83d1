import { html, useState } from "../../lib/html.js";
import { useTopic } from "../../lib/live.js";
import { CommandForm } from "../../parts/command-form.js";
import { CommandProgress } from "../../parts/command-progress.js";

/** A form that starts an evaluation of this version, and the progress of the one that runs. */
export function EvaluationStart({ command, project, version, open, onEnd }) {
  const [own, setOwn] = useState("");
  const commands = useTopic(`commands:${project.uid}`);
  const names = [version.id, version.name];
  const running = Array.isArray(commands)
    ? commands.find((each) => each.active && each.command === "evaluate" && names.includes(each.options?.version))
    : undefined;
  const id = running?.id || own;
  return html`
    ${id && html`<${CommandProgress} key=${id} id=${id} onEnd=${onEnd} />`}
    <details open=${open && !id}>
      <summary>Start an evaluation</summary>
      <${CommandForm} command=${command} project=${project.uid} values=${{ version: version.id }}
        action="Evaluate this version" onStarted=${(record) => setOwn(record.id)} />
    </details>`;
}

import { html } from "../../lib/html.js";
import { address, part, post } from "../../lib/api.js";
import { mayAct } from "../../lib/session.js";
import { ActionButton } from "../../parts/action-button.js";

/** A button that serves a version from now on. `onDone` is called with the server's answer. */
export function PromoteButton({ project, version, pin = false, onDone, children }) {
  const lasts = pin ? "It stays served, whatever is trained, until it is unpinned." : "It is served until a newer version passes the metric gate.";
  return html`<${ActionButton}
    label=${`${pin ? "Promote and pin" : "Promote"} ${version.name}`}
    kind=${pin ? "secondary" : ""}
    question=${`${pin ? "Serve and pin" : "Serve"} version ${version.name}?`}
    consequence=${`${lasts} Running servers load it within a second, and the next training starts from it.`}
    act=${async () => onDone(await post(`versions/${part(project)}/promote`, { version: version.id, pin }))}>${children}</${ActionButton}>`;
}

/** A button that serves the version that was served before; `to` is its name, empty if there is none. */
export function RollbackButton({ project, to, onDone }) {
  return html`<${ActionButton}
    label="Roll back" kind="secondary" disabled=${!to}
    question=${`Roll back to version ${to}?`}
    consequence="It is served in place of the present version, until a newer one passes the metric gate."
    act=${async () => onDone(await post(`versions/${part(project)}/rollback`))}>
    ${to ? "Roll back" : "Roll back (no version was served before)"}</${ActionButton}>`;
}

/** A button that lets newer versions be served again. */
export function UnpinButton({ project, onDone }) {
  return html`<${ActionButton} label="Unpin" kind="secondary"
    question="Unpin the served version?"
    consequence="The newest version that passed the metric gate since it was pinned is served from now on."
    act=${async () => onDone(await post(`versions/${part(project)}/unpin`))}>Unpin</${ActionButton}>`;
}

/** A button that deletes versions, given as `{id, name}`. */
export function DeleteButton({ project, versions, disabled = false, onDone, children }) {
  const names = versions.map((version) => version.name);
  return html`<${ActionButton} label=${children} kind="danger" disabled=${disabled || !versions.length}
    question=${versions.length === 1 ? `Delete version ${names[0]}?` : `Delete ${versions.length} versions?`}
    consequence=${`The files of ${names.join(", ")} are removed for good. The names are not used again.`}
    act=${async () => onDone(await post(`versions/${part(project)}/delete`, { versions: versions.map((version) => version.id) }))}>${children}</${ActionButton}>`;
}

/** A link that downloads a version as an archive, as `label-studio-ml export` writes it; disabled for viewers. */
export function DownloadLink({ project, version }) {
  if (!mayAct()) {
    return html`<span class="action"><button type="button" class="small secondary" disabled title="Your login may only look">Download</button>
      <span class="visually-hidden">(your login may only look)</span></span>`;
  }
  const path = `versions/${part(project)}/${part(version.id)}/archive`;
  return html`<a class="small secondary" role="button" href=${address(path)} download>Download</a>`;
}

import { html } from "../../lib/html.js";
import { SearchField } from "../../parts/search-field.js";

/**
 * The choice of one version, or of two to compare.
 * @param {object} props
 * @param {object} props.about the answer of `trial/project`
 * @param {string} props.version the chosen version's id, "" for the served one
 * @param {string} props.other the id of the version beside it, "" for none
 * @param {string} props.search text by which versions are searched
 * @param {(changes: {version?: string, other?: string}) => void} props.onChange
 * @param {(text: string) => void} props.onSearch
 */
export function VersionPicker({ about, version, other, search, onChange, onSearch }) {
  const { versions, served } = about;
  return html`<fieldset class="trial-versions">
    <legend>Version</legend>
    <div class="toolbar">
      <label>Version
        <select value=${version} onChange=${(event) => onChange({ version: event.target.value })}>
          <option value="">Served now: ${served || "untrained"}</option>
          ${options(versions, version)}
        </select>
      </label>
      <label>Compare with
        <select value=${other} onChange=${(event) => onChange({ other: event.target.value })}>
          <option value="">No other version</option>
          ${options(versions, other)}
        </select>
      </label>
      ${(about.more_versions || search) && html`<${SearchField} label="Find versions" value=${search} onSearch=${onSearch} />`}
    </div>
    ${about.versions_problem && html`<p>${about.versions_problem}</p>`}
  </fieldset>`;
}

function options(versions, chosen) {
  const listed = versions.some(({ id }) => id === chosen) || !chosen;
  return [
    ...(listed ? [] : [html`<option key=${chosen} value=${chosen}>${chosen}</option>`]),
    ...versions.map(({ id, name, state }) => html`<option key=${id} value=${id}>
      ${name.length > 60 ? `${name.slice(0, 60)}…` : name}${state === "ready" ? "" : ` (${state})`}
    </option>`),
  ];
}

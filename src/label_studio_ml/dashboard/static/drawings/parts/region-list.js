/** The regions of a drawing as a list: the accessible equivalent of what is drawn, with scores and further values. */

import { html, useMemo, useState } from "../../lib/html.js";
import { excerpt } from "./spans.js";

/** How many entries are shown before "Show all". */
const FIRST = 50;

/**
 * Labels with their colours. Labels are told apart by their names: the colour is never alone.
 * @param {{labels: string[], color: (label: string) => string}} props
 */
export function Legend({ labels, color }) {
  const [all, setAll] = useState(false);
  const shown = all ? labels : labels.slice(0, FIRST);
  if (!labels.length) return null;
  return html`<ul class="drawing-legend" aria-label="Labels">
    ${shown.map((label) => html`<li key=${label}><${LabelName} label=${label} color=${color(label)} /></li>`)}
    ${shown.length < labels.length &&
    html`<li><button type="button" class="drawing-small" onClick=${() => setAll(true)}>
      Show all ${labels.length} labels
    </button></li>`}
  </ul>`;
}

/** The name of a label beside a square of its colour. */
export function LabelName({ label, color }) {
  return html`<span class="drawing-label">
    <span class="drawing-swatch" aria-hidden="true" style=${{ background: color }}></span>
    <bdi>${excerpt(label, 100) || "no label"}</bdi>
  </span>`;
}

/**
 * Return the labels of the legend: those that the regions have, and those of the label config.
 * @param {object[]} controls
 * @param {object[]} groups from `groupRegions`
 */
export function legendLabels(controls, groups) {
  const declared = (controls ?? [])
    .filter((control) => /labels$/i.test(control.tag ?? ""))
    .flatMap((control) => (control.labels ?? []).map(({ value }) => value));
  return [...new Set([...groups.flatMap((group) => group.labels), ...declared])];
}

/**
 * A list of regions. The entry that has the focus, or that the pointer is on, is `active`: the drawing highlights it.
 *
 * @param {{entries: Array<{key: string, labels: string[], text: string, place: string, score: number | null,
 *   details: object[], problem?: string}>, color: Function, active: string | null,
 *   onActive: (key: string | null) => void, onSelect?: (key: string) => void, title: string}} props
 */
export function RegionList({ entries, color, active, onActive, onSelect, title }) {
  const [all, setAll] = useState(false);
  const shown = useMemo(() => (all ? entries : entries.slice(0, FIRST)), [entries, all]);
  if (!entries.length) return html`<p class="drawing-note">The ${title || "result"} has no regions here.</p>`;
  return html`<details class="drawing-regions" open>
    <summary>${entries.length === 1 ? "1 region" : `${entries.length} regions`}</summary>
    <ol>
      ${shown.map((entry) => html`<li key=${entry.key} class=${entry.key === active ? "is-active" : ""}>
        <${Entry} ...${{ entry, color, active, onActive, onSelect }} />
      </li>`)}
    </ol>
    ${shown.length < entries.length &&
    html`<button type="button" class="drawing-small" onClick=${() => setAll(true)}>
      Show all ${entries.length} regions
    </button>`}
  </details>`;
}

/** One region: a button with its labels, text and place; below it, what else is said of it. */
function Entry({ entry, color, active, onActive, onSelect }) {
  return html`<button
      type="button"
      class="drawing-region"
      data-region=${entry.key}
      aria-pressed=${entry.key === active ? "true" : "false"}
      onFocus=${() => onActive(entry.key)}
      onBlur=${() => onActive(null)}
      onMouseEnter=${() => onActive(entry.key)}
      onClick=${() => { onActive(entry.key); onSelect?.(entry.key); }}
    >
      ${(entry.labels.length ? entry.labels : [""]).map((label) =>
        html`<${LabelName} key=${label} label=${label} color=${color(label || undefined)} /> `)}
      ${entry.text && html`<q class="drawing-quote"><bdi>${excerpt(entry.text)}</bdi></q> `}
      <span class="drawing-place">${entry.place}</span>
      ${entry.score !== null && html` <span class="drawing-score">score ${formatScore(entry.score)}</span>`}
    </button>
    ${entry.problem && html`<p class="drawing-problem">${entry.problem}</p>`}
    ${entry.details.length > 0 && html`<${Details} details=${entry.details} />`}`;
}

/** What is said of a region beside its labels, such as a choice or a transcription. */
export function Details({ details }) {
  return html`<dl class="drawing-details">
    ${details.map(({ name, values }, index) => html`<div key=${index}>
      <dt><bdi>${name}</bdi></dt>
      ${values.map((value, at) => html`<dd key=${at} dir="auto">${excerpt(value, 400)}</dd>`)}
    </div>`)}
  </dl>`;
}

/** Return a score as text: three digits that count. */
export function formatScore(score) {
  return Number.isFinite(score) ? String(Number(score.toPrecision(3))) : String(score);
}

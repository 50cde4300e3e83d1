/** Drawing of what a result says without a place: choices, ratings, numbers, texts, rankings, pairs, and relations. */

import { html, useMemo } from "../lib/html.js";
import { RawJson } from "../parts/raw-json.js";
import { attribute, groupRegions, texts } from "./parts/region-groups.js";
import { formatScore } from "./parts/region-list.js";
import { MoreOf } from "./parts/more-of.js";
import { excerpt, visible } from "./parts/spans.js";
import { useStyles } from "./parts/styles.js";
import { RankedItems } from "./parts/ranked-items.js";

/** UTF-16 units of a text that are shown. */
const MAX_LENGTH = 5000;

/**
 * The values of a whole task.
 *
 * @param {{controls: object[], regions: object[], data: unknown, title: string, items?: object[],
 *   relations?: object[]}} props `regions` are the items without a place, and `relations` those between regions, which may
 * also be among `regions`; `data` is the data of the task, whose lists give the names of ranked items; `items` are all
 * items of the result, which give the names of the regions that are related
 */
export function ValuesDrawing({ controls, regions, data, title, items, relations: given }) {
  useStyles();
  const values = useMemo(() => (regions ?? []).filter((item) => item?.type !== "relation"), [regions]);
  const relations = useMemo(
    () => [...new Set([...(regions ?? []), ...(given ?? [])])].filter((item) => item?.type === "relation"),
    [regions, given],
  );
  const groups = useMemo(() => grouped(values), [values]);
  if (!groups.length && !relations.length)
    return html`<p class="drawing-note">The ${title || "result"} has no values here.</p>`;
  return html`<section class="drawing" aria-label=${`${title || "Result"}: values`}>
    <${MoreOf} list=${groups} what="values" as="p" show=${(group, index) => html`<${Group} key=${index} ...${{ group, controls, data }} />`} />
    ${relations.length > 0 && html`<${Relations} relations=${relations} items=${items ?? regions} />`}
  </section>`;
}

/** Return the items, those with one id (several values of one region) in one list. */
function grouped(values) {
  const groups = new Map();
  values.forEach((item, index) => {
    const key = item?.id === undefined || item.id === null ? index : String(item.id);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(item);
  });
  return [...groups.values()];
}

function Group({ group, controls, data }) {
  const shown = group.map((item, index) => html`<${Value} key=${index} ...${{ item, data }}
    control=${(controls ?? []).find(({ name }) => name === item?.from_name)} />`);
  return group.length === 1 ? shown : html`<div class="drawing-group">${shown}</div>`;
}

/** One item: the name of its control, its score, and its value. */
function Value({ item, control, data }) {
  const Shown = SHOWN[item?.type] ?? Other;
  return html`<div class="drawing-value" data-type=${item?.type}>
    <p class="drawing-name"><bdi>${excerpt(String(item?.from_name ?? item?.type ?? "value"), 100)}</bdi> <small>${excerpt(String(item?.type ?? ""), 40)}</small></p>
    <${Shown} ...${{ item, control, data, value: item?.value ?? {} }} />
    ${typeof item?.score === "number" && html`<${Score} score=${item.score} />`}
  </div>`;
}

/** A score: a bar if it is from 0 to 1, and its number. */
export function Score({ score }) {
  const isShare = score >= 0 && score <= 1;
  return html`<p class="drawing-scorebar">
    <span>score ${formatScore(score)}</span>
    ${isShare && html`<meter min="0" max="1" value=${score} aria-label="score"></meter>`}
  </p>`;
}

function Choices({ value, control }) {
  const chosen = texts(value.choices);
  const offered = (control?.labels ?? []).map((label) => label.value);
  const others = offered.filter((choice) => !chosen.includes(choice));
  return html`<ul class="drawing-choices">
    <${MoreOf} list=${[...chosen.map((choice) => [choice, true]), ...others.map((choice) => [choice, false])]} what="choices"
      show=${([choice, isChosen]) => html`<li key=${choice} class=${isChosen ? "is-chosen" : ""}>
        <span aria-hidden="true">${isChosen ? "☑" : "☐"}</span> <bdi>${excerpt(choice, 200)}</bdi>
        <span class="visually-hidden">${isChosen ? " (chosen)" : " (not chosen)"}</span>
        ${isChosen && offered.length > 0 && !offered.includes(choice) && html` <small>not in the label config</small>`}
      </li>`} />
  </ul>`;
}

function Taxonomy({ value }) {
  const paths = Array.isArray(value.taxonomy) ? value.taxonomy : [];
  return html`<ul class="drawing-paths">
    <${MoreOf} list=${paths} what="paths" show=${(path, index) => html`<li key=${index}>
      ${texts(path).map((part, at) => html`${at > 0 && html`<span aria-hidden="true"> › </span>`}<bdi>${excerpt(part, 200)}</bdi>`)}
    </li>`} />
  </ul>`;
}

function Rating({ value, control }) {
  const most = Number(attribute(control, "maxRating")) || 5;
  const { rating } = value;
  const isNumber = typeof rating === "number";
  const full = isNumber ? Math.max(0, Math.min(most, Math.round(rating))) : 0;
  return html`<p>
    ${isNumber && most <= 20 && html`<span class="drawing-stars" aria-hidden="true">${"★".repeat(full)}${"☆".repeat(most - full)}</span> `}
    ${excerpt(String(rating), 60)} of ${most}
  </p>`;
}

function Quantity({ value, control }) {
  const [min, max] = ["min", "max"].map((name) => attribute(control, name));
  return html`<p><strong>${excerpt(JSON.stringify(value.number) ?? "?", 60)}</strong>
    ${(min || max) && html` <small>(${min || "…"} to ${max || "…"})</small>`}</p>`;
}

function DateTime({ value }) {
  return html`<p><strong><bdi>${excerpt(String(value.datetime), 100)}</bdi></strong></p>`;
}

function TextArea({ value }) {
  return html`<ul class="drawing-texts"><${MoreOf} list=${texts(value.text)} what="texts" show=${(text, index) => html`<li key=${index}>
    <p class="drawing-said" dir="auto">${visible(text.slice(0, MAX_LENGTH))}</p>
    ${text.length > MAX_LENGTH && html`<small>The first ${MAX_LENGTH} of ${text.length} characters</small>`}
  </li>`} /></ul>`;
}

function Pairwise({ value, control, item }) {
  const names = control?.to_name ?? (Array.isArray(item.to_name) ? item.to_name : String(item.to_name ?? "").split(","));
  return html`<ul class="drawing-pair">
    ${["left", "right"].map((side, index) => {
      const isChosen = value.selected === side;
      return html`<li key=${side} class=${isChosen ? "is-chosen" : ""}>
        <span aria-hidden="true">${isChosen ? "☑" : "☐"}</span> ${side}${names[index] && html`: <bdi>${excerpt(names[index], 60)}</bdi>`}
        <span class="visually-hidden">${isChosen ? " (chosen)" : " (not chosen)"}</span>
      </li>`;
    })}
    ${!["left", "right"].includes(value.selected) && html`<li>neither: <bdi>${excerpt(JSON.stringify(value.selected) ?? "nothing", 60)}</bdi></li>`}
  </ul>`;
}

function Ranker({ value, control, data }) {
  const ranking = value.ranker;
  const columns = Array.isArray(ranking) ? { [control?.name ?? "rank"]: ranking } : ranking && typeof ranking === "object" ? ranking : {};
  if (!Object.keys(columns).length) return html`<${Other} value=${value} />`;
  return html`<${RankedItems} ...${{ columns, data }} />`;
}

function Other({ value }) {
  return html`<${RawJson} value=${value} label="value" />`;
}

const SHOWN = {
  choices: Choices,
  taxonomy: Taxonomy,
  rating: Rating,
  number: Quantity,
  datetime: DateTime,
  textarea: TextArea,
  pairwise: Pairwise,
  ranker: Ranker,
};

const ARROWS = { right: ["→", "to"], left: ["←", "from"], bi: ["↔", "to and from"] };

/** The relations between regions, with their labels and direction. */
function Relations({ relations, items }) {
  const names = useMemo(() => new Map(groupRegions(items).map((group) => [group.id, nameOf(group)])), [items]);
  const name = (id) => excerpt(names.get(String(id)) ?? `region ${String(id)}`, 80);
  return html`<div class="drawing-value" data-type="relation">
    <p class="drawing-name">Relations</p>
    <ul><${MoreOf} list=${relations} what="relations" show=${(relation, index) => {
      const [arrow, words] = ARROWS[relation.direction] ?? ARROWS.right;
      return html`<li key=${index}>
        <bdi>${name(relation.from_id)}</bdi> <span aria-hidden="true">${arrow}</span><span class="visually-hidden">${words}</span>${" "}
        <bdi>${name(relation.to_id)}</bdi>${relation.labels?.length > 0 && html`: <bdi>${excerpt(texts(relation.labels).join(", "), 100)}</bdi>`}
      </li>`;
    }} /></ul>
  </div>`;
}

/** Return a name of a region for people: its labels and its text, or its id. */
function nameOf(group) {
  const text = typeof group.item.value?.text === "string" ? ` “${excerpt(group.item.value.text, 40)}”` : "";
  return group.labels.length ? `${group.labels.join(", ")}${text}` : text.trim() || `region ${group.id}`;
}

// Regions of a picture or video, read from the items of a result.

import { labelColors } from "../parts/label-colors.js";
import { kindOf } from "./kinds.js";

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** Return the labels in an item: those of its own type, `labels` only where Label Studio keeps them. */
function labelsOf(item) {
  const type = String(item.type ?? "").toLowerCase();
  const found = item.value[type] ?? (type.startsWith("video") || type === "ocrlabels" ? item.value.labels : undefined);
  if (!type.endsWith("labels") && !type.startsWith("video")) return [];
  return Array.isArray(found) ? found.filter((label) => typeof label === "string") : [];
}

const asText = (value) => (Array.isArray(value) ? value.map(asText).join(" / ") : String(value));
const asTexts = (value) => (Array.isArray(value) ? value : [value]).map(asText);

/** The fields of a region without a place: what another control says of it. */
const DETAILS = ["text", "choices", "taxonomy", "rating", "number", "datetime", "ocrtext"];
/** Those that are written on the picture, too. */
const TEXTS = new Set(["text", "ocrtext"]);

function detailsOf(item) {
  const details = DETAILS.filter((name) => item.value[name] !== undefined && item.value[name] !== null)
    .filter((name) => !isObject(item.value[name]))
    .map((name) => ({ name: String(item.from_name ?? name), values: asTexts(item.value[name]), isText: TEXTS.has(name) }));
  const { meta } = item;
  if (isObject(meta) && meta.text !== undefined) details.push({ name: "meta", values: asTexts(meta.text) });
  return details;
}

/** Return a function that gives an attribute of a control in lower case letters, "" if it has none. */
function attributesOf(control) {
  const byName = new Map();
  for (const [name, value] of Object.entries(control?.attributes ?? {})) byName.set(name.toLowerCase(), String(value));
  return (name) => byName.get(name.toLowerCase())?.toLowerCase() ?? "";
}

function newRegion(item, number, control) {
  return {
    key: `region-${number}`,
    id: item.id ?? "",
    number,
    kind: null,
    value: item.value,
    labels: [],
    details: [],
    score: typeof item.score === "number" && Number.isFinite(item.score) ? item.score : null,
    index: item.item_index ?? 0,
    hasSize: false,
    attribute: attributesOf(control),
  };
}

/** Return which of several pictures or pages an item is on, counted from 0. */
function pageOf(item, kind) {
  return kind.pages ? (item.value.pageIndex ?? 1) - 1 : (item.item_index ?? 0);
}

/** Take over what one more item says of a region. */
function add(region, item, control, kindOfItem) {
  const kind = kindOfItem(item);
  if (region.kind === null && kind !== null) {
    Object.assign(region, { kind, value: item.value, index: pageOf(item, kind), attribute: attributesOf(control) });
    region.type = item.type;
    region.hasSize = item.original_width > 0 && item.original_height > 0;
    region.size = region.hasSize ? { width: item.original_width, height: item.original_height } : null;
  }
  region.labels.push(...labelsOf(item).filter((label) => !region.labels.includes(label)));
  region.details.push(...detailsOf(item));
  if (region.score === null && typeof item.score === "number") region.score = item.score;
}

/**
 * Return the regions that have a place on the object. Items with the same `id` are one region, and the first one with a
 * place gives it.
 * @param {Array<object>} items of a result
 * @param {Array<object>} controls
 * @param {(item: object) => object|null} [kindOfItem] returns the kind of an item, null if it has no place
 */
export function readRegions(items, controls, kindOfItem = kindOf) {
  const byName = new Map(controls.map((control) => [control.name, control]));
  const byId = new Map();
  for (const item of Array.isArray(items) ? items : []) {
    if (!isObject(item) || !isObject(item.value) || item.type === "relation") continue;
    const id = item.id ?? Symbol("item without an id");
    if (!byId.has(id)) byId.set(id, newRegion(item, byId.size + 1, byName.get(item.from_name)));
    add(byId.get(id), item, byName.get(item.from_name), kindOfItem);
  }
  const colorOf = labelColors(controls);
  const regions = [...byId.values()].filter((region) => region.kind !== null);
  regions.forEach((region, index) => {
    region.number = index + 1;
    region.color = colorOf(region.labels[0]);
  });
  return regions;
}

/**
 * Return the relations between regions, each with its two regions.
 * @param {Array<object>} items of a result
 * @param {Array<object>} regions
 */
export function readRelations(items, regions) {
  const byId = new Map(regions.map((region) => [region.id, region]));
  const relations = [];
  for (const item of Array.isArray(items) ? items : []) {
    if (!isObject(item) || item.type !== "relation") continue;
    const [from, to] = [byId.get(item.from_id), byId.get(item.to_id)];
    if (!from || !to) continue;
    const labels = Array.isArray(item.labels) ? item.labels.filter((label) => typeof label === "string") : [];
    const direction = ["left", "bi"].includes(item.direction) ? item.direction : "right";
    relations.push({ key: `relation-${relations.length}`, from, to, direction, labels });
  }
  return relations;
}

/** Return the name of a region for people: its labels, or its kind and number. */
export function nameOf(region) {
  return region.labels.length ? region.labels.join(", ") : `${region.kind.name} ${region.number}`;
}

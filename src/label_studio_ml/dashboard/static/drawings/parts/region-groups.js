/** Regions of a result: the items with one id are one region, with a position, labels, and further values. */

/** Fields of a value that are a position, or belong to one. */
const POSITION = new Set([
  "start", "end", "startOffset", "endOffset", "globalOffsets", "channel", "instant", "x", "y", "width", "height",
  "rotation", "original_length", "duration",
]);

/**
 * Return a value as a list of texts: labels and choices are lists, paths of a taxonomy are lists in a list.
 * @param {unknown} value
 * @returns {string[]}
 */
export function texts(value) {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) return [typeof value === "object" ? JSON.stringify(value) : String(value)];
  return value.map((entry) => {
    if (Array.isArray(entry)) return entry.map(String).join(" › ");
    return typeof entry === "object" && entry !== null ? JSON.stringify(entry) : String(entry);
  });
}

/** Return whether the values of a type of item are labels. */
function isLabelType(type) {
  return /labels$/i.test(type ?? "");
}

/** Return an attribute of a tag in the label config, whose name may be written in any case; "" if it is missing. */
export function attribute(tag, name) {
  const attributes = tag?.attributes ?? {};
  if (name in attributes) return String(attributes[name]);
  const found = Object.keys(attributes).find((key) => key.toLowerCase() === name.toLowerCase());
  return found === undefined ? "" : String(attributes[found]);
}

/**
 * Return whether an item has a position in a text, an audio file or a time series.
 * @param {object} item an item of a result
 */
export function hasPlace(item) {
  const value = item?.value;
  return Boolean(value) && ("start" in value || "end" in value || "globalOffsets" in value);
}

/**
 * Return the labels of an item: of `labels` and of the other types of labels, and the paths of a taxonomy for spans.
 * @param {object} item an item of a result
 * @returns {string[]}
 */
export function itemLabels(item) {
  const value = item?.value ?? {};
  if (isLabelType(item?.type)) return texts(value[item.type] ?? value.labels);
  if (Array.isArray(value.labels)) return texts(value.labels);
  return item?.type === "taxonomy" && hasPlace(item) ? texts(value.taxonomy) : [];
}

/**
 * Return what an item says beside its position and labels, as pairs of name and texts.
 * @param {object} item an item of a result
 * @returns {Array<{name: string, values: string[]}>}
 */
export function itemDetails(item) {
  const value = item?.value ?? {};
  const name = String(item?.from_name ?? item?.type ?? "value");
  const details = [];
  for (const [field, content] of Object.entries(value)) {
    if (POSITION.has(field) || field === "labels" || (isLabelType(item.type) && field === item.type)) continue;
    if (field === "text" && item.type !== "textarea") continue;
    if (field === "taxonomy" && hasPlace(item)) continue;
    details.push({ name, values: texts(content) });
  }
  return details;
}

/**
 * Group the items of a result by their ids, in the order in which the ids come.
 *
 * @param {object[]} items
 * @returns {Array<{id: string, key: string, item: object, labels: string[], score: number | null, details: object[]}>}
 * `item` is the first one with a position, or the first. `key` is different for each group.
 */
export function groupRegions(items) {
  const groups = new Map();
  (items ?? []).forEach((item, index) => {
    if (!item || typeof item !== "object") return;
    const id = item.id === undefined || item.id === null ? `#${index}` : String(item.id);
    if (!groups.has(id)) groups.set(id, []);
    groups.get(id).push(item);
  });
  return [...groups].map(([id, members], index) => {
    const scored = members.find((item) => typeof item.score === "number");
    return {
      id,
      key: String(index),
      item: members.find(hasPlace) ?? members[0],
      labels: [...new Set(members.flatMap(itemLabels))],
      score: scored ? scored.score : null,
      details: members.flatMap(itemDetails),
    };
  });
}

/**
 * Return a number that Label Studio's editor takes for a whole one: an integer, also as text. Null for others.
 * @param {unknown} value
 */
export function wholeNumber(value) {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return Number.isInteger(number) ? number : null;
}

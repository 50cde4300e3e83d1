import { html } from "../../lib/html.js";
import { isDataUrl } from "../../lib/data-url.js";
import { Drawing, takesPrompts } from "../../drawings/index.js";
import { Notice } from "../../parts/notice.js";
import { ShortText } from "../../parts/short-text.js";

/** Fields of a value that give a place on an object. */
const PLACES = [
  "x", "y", "points", "vertices", "rle", "imageDataURL", "start", "end", "startOffset", "endOffset", "globalOffsets",
  "ranges", "sequence",
];

/**
 * A result drawn on each object of the label config, and the values without a place below.
 * @param {object} props
 * @param {object[]} props.result items of a prediction or an annotation
 * @param {{objects: object[], controls: object[]}} props.config from the server
 * @param {object} props.task the task
 * @param {object} props.objects what each object shows of the task, by name: `data`, `file`, `error`
 * @param {string} props.title "prediction" or "annotation"
 * @param {(item: object) => void} [props.onPrompt]
 */
export function ResultDrawing({ result, config, task, objects, title, onPrompt }) {
  const items = (Array.isArray(result) ? result : []).filter((item) => item !== null && typeof item === "object");
  const names = new Set(config.objects.map(({ name }) => name));
  const placed = new Set(items.filter(hasPlace).map(({ id }) => id).filter((id) => id !== undefined && id !== null));
  const isPlaced = (item) => hasPlace(item) || placed.has(item.id);
  const relations = items.filter(({ type }) => type === "relation");
  const others = items.filter((item) => item.type !== "relation" && (!hasPlace(item) || !names.has(item.to_name)));
  return html`<div class="trial-result">
    ${config.objects.map((object) => html`<section key=${object.name} class="trial-object">
      <h4><bdi>${object.name.slice(0, 80)}</bdi> <small>${object.tag}</small></h4>
      ${objects[object.name]?.error && html`<${Notice} kind="warning"><${ShortText} text=${objects[object.name].error} /></${Notice}>`}
      <${Drawing} object=${object} title=${title} relations=${relations} items=${items}
        controls=${config.controls.filter(({ to_name: targets }) => targets.includes(object.name))}
        regions=${items.filter((item) => item.to_name === object.name && isPlaced(item))}
        data=${objects[object.name]?.data} file=${fileOf(objects[object.name])}
        onPrompt=${takesPrompts(object.tag) ? onPrompt : undefined} />
    </section>`)}
    ${(others.length > 0 || relations.length > 0) && html`<section class="trial-object">
      <h4>Values</h4>
      <${Drawing} object=${{ name: "", tag: "values", attributes: {} }} controls=${config.controls} title=${title}
        regions=${[...others, ...relations]} items=${items} data=${task.data} file="" />
    </section>`}
  </div>`;
}

function hasPlace(item) {
  const { value } = item;
  return value !== null && typeof value === "object" && PLACES.some((name) => name in value);
}

/** Return the URL of an object's file, or a list of them: `data:` URLs are files themselves. */
function fileOf(content) {
  if (!content) return "";
  const { data, file } = content;
  if (Array.isArray(data)) return data.map((each, index) => (isDataUrl(each) ? each : (file?.[index] ?? "")));
  return isDataUrl(data) ? data : (file ?? "");
}

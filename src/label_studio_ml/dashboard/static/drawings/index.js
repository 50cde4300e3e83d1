/** Drawings of results: which component draws the regions on an object of the label config. */

import { html, useEffect, useErrorBoundary, useState } from "../lib/html.js";
import { Loading } from "../parts/loading.js";
import { Notice } from "../parts/notice.js";
import { RegionTable } from "./region-table.js";

/** The modules of drawings by the object's tag in lower case, and the component's name in each. */
const DRAWINGS = {
  image: [() => import("./image.js"), "ImageDrawing"],
  pdf: [() => import("./image.js"), "ImageDrawing"],
  video: [() => import("./video.js"), "VideoDrawing"],
  text: [() => import("./text.js"), "TextDrawing"],
  hypertext: [() => import("./hypertext.js"), "HyperTextDrawing"],
  paragraphs: [() => import("./paragraphs.js"), "ParagraphsDrawing"],
  audio: [() => import("./audio.js"), "AudioDrawing"],
  audioplus: [() => import("./audio.js"), "AudioDrawing"],
  timeseries: [() => import("./timeseries.js"), "TimeSeriesDrawing"],
  table: [() => import("./table.js"), "TableDrawing"],
  list: [() => import("./table.js"), "ListDrawing"],
  values: [() => import("./values.js"), "ValuesDrawing"],
};

const loaded = new Map();

/**
 * Draw the regions of a result on an object. Modules are loaded when they are first needed; regions on an object of an
 * unknown tag are listed.
 *
 * @param {{object: {name: string, tag: string, attributes: object, channels?: object[]}, controls: object[], regions: object[],
 *   relations?: object[], items?: object[], data: unknown, file: string | string[], onPrompt?: (item: object) => void,
 *   title: string}} props `object` has the tag "values" for what has no place on an object; `controls` are those that
 *   point to it; `regions` are the result's items for it; `items` are all items; `data` is what the task has for the
 *   object; `file` is the URL of its file, "" without one; `onPrompt` takes prompts for an interactive model; `title` is
 *   "prediction" or "annotation"
 */
export function Drawing(props) {
  const tag = String(props.object?.tag ?? "").toLowerCase();
  const [failure] = useErrorBoundary();
  const [state, setState] = useState(() => ({ tag, Component: loaded.get(tag) }));
  useEffect(() => {
    let wanted = true;
    component(tag).then(
      (Component) => wanted && setState({ tag, Component }),
      () => wanted && setState({ tag, Component: RegionTable, failed: true }),
    );
    return () => {
      wanted = false;
    };
  }, [tag]);
  if (failure) return html`<${Undrawn}>The regions cannot be drawn (${String(failure.message ?? failure).slice(0, 200)}): they are listed.</${Undrawn}>
    <${RegionTable} ...${props} />`;
  if (state.tag !== tag || !state.Component) return html`<${Loading} what="the drawing" />`;
  return html`
    ${state.failed && html`<${Undrawn}>The drawing could not be loaded: the regions are listed.</${Undrawn}>`}
    <${state.Component} ...${props} />`;
}

function Undrawn({ children }) {
  return html`<${Notice} kind="warning">${children}</${Notice}>`;
}

/** Return whether prompts can be drawn on an object with this tag. */
export function takesPrompts(tag) {
  return ["image", "pdf"].includes(String(tag).toLowerCase());
}

async function component(tag) {
  if (!loaded.has(tag)) {
    const entry = DRAWINGS[tag];
    loaded.set(tag, entry ? (await entry[0]())[entry[1]] : RegionTable);
    if (!loaded.get(tag)) loaded.set(tag, RegionTable);
  }
  return loaded.get(tag);
}

/** The frame that shows an HTML page of a task: no script runs in it, and it loads nothing. */

import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { copyBody } from "./html-content.js";
import { labelsAtEnd, pieceStyle } from "./marked-text.js";
import { pieces, unitsOfCodePoints } from "./spans.js";

/** An empty page. Its content is put in node by node, so that no markup of a task is ever parsed in it. */
const EMPTY = "<!doctype html><html lang=''><head><title>Page of the task</title></head><body></body></html>";
/** Pixels of the highest frame; a longer page is scrolled in it. */
const MAX_HEIGHT = 4000;
const STYLES = `
  :root { color-scheme: light; background: #fff; color: #111; font-family: system-ui, sans-serif; }
  body { margin: 8px; overflow-wrap: anywhere; }
  [hidden] { display: none !important; }
  mark.drawing-span { display: inline !important; cursor: pointer; }
  mark.drawing-span[data-label]:not([data-label=""])::after {
    content: attr(data-label); margin-left: 2px; font: bold 10px/1 system-ui, sans-serif; vertical-align: super; unicode-bidi: isolate; }
`;

/**
 * The page in its frame.
 *
 * @param {{page: HTMLElement, places: object, spans: object[], active: string | null, wanted: {key: string} | null,
 *   onActive: Function, onShown: ({texts: object, left: number}) => void}} props `onShown` gets the highlighted text of
 * each span by its key, and how many things that would load something were left out
 */
export function HtmlFrame({ page, places, spans, active, wanted, onActive, onShown }) {
  const frame = useRef(null);
  const [ready, setReady] = useState(0);
  const [height, setHeight] = useState(80);
  const marks = useRef([]);

  useEffect(() => {
    const shown = frame.current?.contentDocument;
    if (!ready || !shown?.body) return undefined;
    const copy = copyBody(page, shown);
    shown.body.replaceChildren(copy.fragment);
    shown.body.setAttribute("dir", "auto");
    shown.adoptedStyleSheets = [...copy.styles, STYLES].flatMap((text) => sheetOf(text, frame.current.contentWindow));
    marks.current = highlight(places, copy.textNodes, spans, shown);
    onShown({ texts: textsOf(marks.current), left: copy.blocked });
    for (const { element, piece } of marks.current)
      element.addEventListener("click", () => onActive(piece.spans[piece.spans.length - 1].key));
    const measure = () => setHeight(Math.min(MAX_HEIGHT, shown.documentElement.offsetHeight + 4));
    const observer = new ResizeObserver(measure);
    observer.observe(shown.documentElement);
    measure();
    return () => observer.disconnect();
  }, [ready, page, places, spans]);

  useEffect(() => {
    for (const { element, piece } of marks.current)
      Object.assign(element.style, pieceStyle(piece.spans, piece.spans.some(({ key }) => key === active)));
  }, [active, ready, spans]);

  useEffect(() => {
    if (!wanted) return;
    const mark = marks.current.find(({ piece }) => piece.spans.some(({ key }) => key === wanted.key));
    mark?.element.scrollIntoView({ block: "nearest" });
  }, [wanted]);

  return html`<iframe
    class="drawing-page"
    title="Page of the task"
    sandbox="allow-same-origin"
    referrerpolicy="no-referrer"
    srcdoc=${EMPTY}
    ref=${frame}
    style=${{ height: `${height}px` }}
    onLoad=${() => setReady((count) => count + 1)}
  ></iframe>`;
}

/** Return a style sheet for the frame in a list; an empty list if the browser refuses the text. */
function sheetOf(text, view) {
  try {
    const sheet = new view.CSSStyleSheet();
    sheet.replaceSync(text);
    return [sheet];
  } catch {
    return [];
  }
}

/** Put marks around the spans. Returns each mark with its piece. */
function highlight(places, textNodes, spans, target) {
  const marks = [];
  const drawn = spans.filter((span) => span.end > span.start);
  for (const { node, start, end } of places.texts) {
    const inside = drawn.filter((span) => span.start < end && span.end > start);
    if (!inside.length) continue;
    const units = unitsOfCodePoints(node.data);
    const fragment = target.createDocumentFragment();
    for (const piece of pieces(start, end, inside)) {
      const text = node.data.slice(units(piece.start - start), units(piece.end - start));
      fragment.append(piece.spans.length ? markOf(text, piece, target, marks) : target.createTextNode(text));
    }
    textNodes.get(node).replaceWith(fragment);
  }
  return marks;
}

function markOf(text, piece, target, marks) {
  const element = target.createElement("mark");
  element.className = "drawing-span";
  element.dataset.regions = piece.spans.map(({ key }) => key).join(" ");
  const isSpace = !text.trim();
  if (!isSpace) element.dataset.label = labelsAtEnd(piece);
  element.textContent = text;
  marks.push({ element, piece });
  return element;
}

/** Return the highlighted text of each span by its key. */
function textsOf(marks) {
  const texts = {};
  for (const { element, piece } of marks)
    for (const { key } of piece.spans) texts[key] = (texts[key] ?? "") + element.textContent;
  return texts;
}

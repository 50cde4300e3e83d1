/** A text with highlighted spans, which may overlap. */

import { html, useEffect, useMemo, useRef } from "../../lib/html.js";
import { tint } from "./label-colors.js";
import { excerpt, pieces, visible } from "./spans.js";

/** Pixels of the line below a text for each region that covers it, and how many lines are drawn. */
const LINE = 3;
const MAX_LINES = 5;

/**
 * Return the style of a piece: the tint of the shortest span, which is on top, and one line for each span.
 * @param {Array<{color: string}>} covering the longest first
 * @param {boolean} isActive
 */
export function pieceStyle(covering, isActive) {
  const lines = covering.slice(-MAX_LINES);
  const top = covering[covering.length - 1];
  const images = lines.map(({ color }) => `linear-gradient(${color}, ${color})`);
  return {
    color: "#111",
    backgroundColor: tint(top.color, 0.36),
    backgroundImage: images.join(", "),
    backgroundRepeat: "no-repeat",
    backgroundSize: `100% ${LINE - 1}px`,
    backgroundPosition: lines.map((_, index) => `0 calc(100% - ${(lines.length - 1 - index) * LINE}px)`).join(", "),
    paddingBottom: `${lines.length * LINE}px`,
    outline: isActive ? "2px solid #111" : "none",
    boxShadow: isActive ? "0 0 0 4px #ffd33d" : "none",
  };
}

/** Return the labels of the spans that end with a piece, to be shown after it. */
export function labelsAtEnd(piece) {
  return piece.spans
    .filter((span) => span.end === piece.end)
    .map((span) => excerpt(span.label || "no label", 24))
    .join(" · ");
}

/**
 * A part of a text with its spans.
 *
 * @param {{text: string, start?: number, end?: number,
 *   spans: Array<{start: number, end: number, key: string, color: string, label: string}>,
 *   active: string | null, onActive: (key: string) => void}} props offsets are UTF-16 units of `text`
 */
export function MarkedText({ text, start = 0, end = text.length, spans, active, onActive }) {
  const parts = useMemo(() => pieces(start, end, spans), [start, end, spans]);
  return parts.map((piece) => {
    const content = visibleAt(text, piece.start, piece.end);
    if (!piece.spans.length) return content;
    const keys = piece.spans.map((span) => span.key);
    return html`<mark
      key=${piece.start}
      class="drawing-span"
      data-regions=${keys.join(" ")}
      data-label=${labelsAtEnd(piece)}
      title=${piece.spans.map((span) => excerpt(span.label, 80)).join(", ")}
      style=${pieceStyle(piece.spans, keys.includes(active))}
      onClick=${() => onActive(keys[keys.length - 1])}
    >${content}</mark>`;
  });
}

/** Return a part of a text as it is shown; a line end whose halves are in two parts is shown once. */
function visibleAt(text, start, end) {
  const part = text.slice(start, end);
  if (part.endsWith("\r") && text[end] === "\n") return visible(part.slice(0, -1));
  return visible(part);
}

/** Return a ref of an element that shows its highlighted region when another one becomes active by the list. */
export function useScrollToRegion(wanted) {
  const ref = useRef(null);
  useEffect(() => {
    if (!wanted) return;
    const mark = [...(ref.current?.querySelectorAll("[data-regions]") ?? [])].find((element) =>
      element.dataset.regions.split(" ").includes(wanted.key));
    mark?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [wanted]);
  return ref;
}

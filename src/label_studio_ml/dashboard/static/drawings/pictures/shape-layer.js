/** Outlines of regions over a picture: one SVG whose unit is a pixel of the picture. */

import { html } from "../../lib/html.js";
import { excerpt } from "../parts/spans.js";
import { nameOf } from "./regions.js";

/** The most letters of a text on the picture. */
const MAX_LETTERS = 80;
/** Pixels of the screen: height of letters, and the distance of a label from its shape. */
const LETTERS = 13;
const GAP = 4;
/** Width of outlines, and opacity of what is inside of them, where the label config does not say. */
const STROKE = 2;
const FILL_OPACITY = 0.2;
const SOLID_OPACITY = 0.8;

function numberOf(region, name, missing) {
  const found = Number.parseFloat(region.attribute(name));
  return Number.isFinite(found) && found >= 0 ? found : missing;
}

/** Return what is written on the picture beside a region: its labels and texts. */
function captionOf(region) {
  const texts = region.details.filter(({ isText }) => isText).flatMap(({ values }) => values);
  return excerpt([nameOf(region), ...texts].join(": "), MAX_LETTERS);
}

/**
 * The shapes of regions.
 * @param {object} props
 * @param {{width: number, height: number}} props.size of the picture in pixels
 * @param {number} props.pixel the size of a pixel of the screen, in pixels of the picture
 * @param {Array<{region: object, outline: object|null, bounds: object|null}>} props.shapes
 * @param {Array<object>} props.relations between regions that are shown
 * @param {string|null} props.active the key of the highlighted region
 * @param {boolean} props.captions whether labels are written on the picture
 * @param {(key: string|null) => void} props.onActive
 * @param {object} [props.pointer] handlers of pointer events, when the person draws a prompt
 */
export function ShapeLayer({ size, pixel, shapes, relations, active, captions, onActive, pointer, children }) {
  const classes = ["picture-shapes", active && "has-active", pointer && "is-drawing"].filter(Boolean).join(" ");
  return html`<svg class=${classes} viewBox=${`0 0 ${size.width} ${size.height}`} preserveAspectRatio="none"
    aria-hidden="true" focusable="false" ...${pointer ?? {}}>
    ${shapes.map(({ region, outline }) => outline && html`<${Shape} key=${region.key}
      ...${{ region, outline, pixel, active, onActive }} />`)}
    ${relations.map((relation) => html`<${Arrow} key=${relation.key} ...${{ relation, shapes, pixel }} />`)}
    ${captions && shapes.map(({ region, bounds }) => bounds && html`<${Caption} key=${region.key}
      ...${{ region, bounds, size, pixel, active }} />`)}
    ${children}
  </svg>`;
}

function Shape({ region, outline, pixel, active, onActive }) {
  const { color, key } = region;
  const isActive = key === active;
  const stroke = numberOf(region, "strokeWidth", STROKE);
  const opacity = outline.solid ? numberOf(region, "opacity", SOLID_OPACITY) : numberOf(region, "fillOpacity", FILL_OPACITY);
  const fill = outline.closed ? { fill: color, "fill-opacity": opacity } : { fill: "none" };
  return html`<g class=${isActive ? "picture-shape is-active" : "picture-shape"} data-region=${key}
    onMouseEnter=${() => onActive(key)} onMouseLeave=${() => onActive(null)} onClick=${() => onActive(key)}>
    <title>${captionOf(region)}</title>
    ${isActive && html`<path class="picture-halo" d=${outline.path} fill="none" stroke-width=${stroke + 5}
      vector-effect="non-scaling-stroke" />`}
    <path d=${outline.path} ...${fill} stroke=${color} stroke-width=${isActive ? stroke + 1 : stroke}
      vector-effect="non-scaling-stroke" />
    ${outline.points?.map(([x, y], index) => html`<circle key=${index} cx=${x} cy=${y} r=${3 * pixel} fill=${color} />`)}
  </g>`;
}

/** The label of a region above its top left corner, or within it at the upper rim of the picture. */
function Caption({ region, bounds, size, pixel, active }) {
  const isOutside = bounds.right < 0 || bounds.bottom < 0 || bounds.left > size.width || bounds.top > size.height;
  if (isOutside) return null;
  const above = bounds.top - GAP * pixel;
  const lowest = Math.max(LETTERS * pixel, Math.min(above, size.height - GAP * pixel));
  return html`<text class=${region.key === active ? "picture-caption is-active" : "picture-caption"}
    x=${Math.max(0, bounds.left) + pixel} y=${lowest} font-size=${LETTERS * pixel} stroke-width=${3 * pixel}>
    ${captionOf(region)}
  </text>`;
}

const middleOf = ({ left, top, right, bottom }) => [(left + right) / 2, (top + bottom) / 2];

/** The arrow of a relation from the middle of one region to that of another one, with its labels. */
function Arrow({ relation, shapes, pixel }) {
  const boundsOf = (region) => shapes.find((shape) => shape.region.key === region.key)?.bounds;
  const ends = [relation.from, relation.to].map(boundsOf);
  if (!ends[0] || !ends[1]) return null;
  const [start, end] = ends.map(middleOf);
  const angle = Math.atan2(end[1] - start[1], end[0] - start[0]);
  const head = (point, direction) => {
    const side = (turn) => [0, 1].map((axis) => point[axis] - 10 * pixel * [Math.cos, Math.sin][axis](direction + turn));
    return `M${side(0.4).join(" ")}L${point.join(" ")}L${side(-0.4).join(" ")}`;
  };
  let path = `M${start.join(" ")}L${end.join(" ")}`;
  if (relation.direction !== "left") path += head(end, angle);
  if (relation.direction !== "right") path += head(start, angle + Math.PI);
  const [x, y] = middleOf({ left: start[0], top: start[1], right: end[0], bottom: end[1] });
  return html`<g class="picture-relation">
    <path class="picture-relation-rim" d=${path} vector-effect="non-scaling-stroke" />
    <path d=${path} vector-effect="non-scaling-stroke" />
    ${relation.labels.length > 0 && html`<text class="picture-caption" text-anchor="middle" x=${x} y=${y - GAP * pixel}
      font-size=${LETTERS * pixel} stroke-width=${3 * pixel}>${excerpt(relation.labels.join(", "), MAX_LETTERS)}</text>`}
  </g>`;
}

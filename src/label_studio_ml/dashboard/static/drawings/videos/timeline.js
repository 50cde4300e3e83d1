/** The frames in which the regions of a video are shown, one row for each region. */

import { html } from "../../lib/html.js";
import { excerpt } from "../parts/spans.js";
import { nameOf } from "../pictures/regions.js";
import { keyFramesOf, spansOf } from "./tracks.js";

/** The most rows, and the most key frames that are marked in a row. */
export const MAX_ROWS = 100;
const MAX_MARKS = 400;

/**
 * The rows. They are hidden from screen readers: the list of regions says the same in words.
 * @param {{regions: Array<object>, length: number, frame: number, active: string|null,
 *   onActive: (key: string|null) => void, onFrame: (frame: number) => void}} props
 */
export function Timeline({ regions, length, frame, active, onActive, onFrame }) {
  if (!regions.length) return null;
  const seek = (event) => {
    const place = event.currentTarget.getBoundingClientRect();
    onFrame(Math.floor(((event.clientX - place.left) / place.width) * length) + 1);
  };
  return html`<div class="video-timeline" aria-hidden="true" onClick=${seek}>
    ${regions.slice(0, MAX_ROWS).map((region) => html`<div key=${region.key} data-row=${region.key}
      class=${region.key === active ? "video-row is-active" : "video-row"}
      onMouseEnter=${() => onActive(region.key)} onMouseLeave=${() => onActive(null)}>
      <span class="video-row-name">${excerpt(nameOf(region), 80)}</span>
      ${spansOf(region.value, length).map((span, index) => html`<span key=${index} class="video-bar"
        style=${barStyle(span, length, region.color)}></span>`)}
      ${keyFramesOf(region.value).slice(0, MAX_MARKS).map((key, index) => html`<span key=${`key ${index}`}
        class="video-key" style=${{ left: middleOf(key, length) }}></span>`)}
    </div>`)}
    <span class="video-now" style=${{ left: middleOf(frame, length) }}></span>
  </div>`;
}

/** Return where the middle of a frame is, in percent of the timeline. */
const middleOf = (frame, length) => `${((frame - 0.5) / length) * 100}%`;

/** Return the style of a bar, which reaches from the middle of its first frame to that of its last one. */
function barStyle({ start, end }, length, color) {
  const [first, last] = [start, end].map((frame) => Math.min(length, Math.max(1, frame)));
  return { left: middleOf(first, length), width: `${(Math.max(0, last - first) / length) * 100}%`, background: color };
}

/** Return the frames of a region in words, such as "frames 3 to 23 and 33 to 50". */
export function framesInWords(value, length) {
  const spans = spansOf(value, length);
  if (!spans.length) return "no frames";
  const words = spans.slice(0, 5).map(({ start, end }) => (start === end ? `${start}` : `${start} to ${end}`));
  const more = spans.length > 5 ? ` and ${spans.length - 5} more` : "";
  return `${spans.length === 1 && spans[0].start === spans[0].end ? "frame" : "frames"} ${words.join(", ")}${more}`;
}

/** Regions of videos: tracks of boxes and vectors, and ranges of frames. Frames count from 1. */

/** Longest video, in frames: what a region says must not keep the page busy. */
export const MAX_FRAMES = 2_000_000;

const BOX_FIELDS = ["x", "y", "width", "height"];
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** Return the key frames of a track that have a frame, in the order in which they are given, as Label Studio reads them. */
function keysOf(value) {
  return Array.isArray(value.sequence)
    ? value.sequence.filter((key) => isObject(key) && typeof key.frame === "number" && Number.isFinite(key.frame))
    : [];
}

/** The kind of a track: it is drawn as a box or a vector in each frame. */
export const TRACK = { name: "track" };
/** The kind of a region that has frames and no place in them. */
export const TIMELINE = { name: "frames" };

/**
 * Return the kind of an item of a result on a video, null if it is neither a track nor frames.
 * @param {{value: object}} item
 */
export function kindOnVideo({ value }) {
  if (Array.isArray(value.sequence)) return TRACK;
  return Array.isArray(value.ranges) ? TIMELINE : null;
}

/** Return an angle in degrees above -180 and up to 180. */
function shortAngle(angle) {
  const turned = ((angle % 360) + 360) % 360;
  return turned > 180 ? turned - 360 : turned;
}

const between = (start, end, share) => start + (end - start) * share;

function boxBetween(before, after, share) {
  const box = {};
  for (const name of BOX_FIELDS) box[name] = between(before[name], after[name], share);
  // A rotation takes the shorter way.
  const [start, end] = [before.rotation ?? 0, after.rotation ?? 0];
  box.rotation = start + shortAngle(end - start) * share;
  return box;
}

function vectorBetween(before, after, share) {
  const [first, second] = [before.vertices, after.vertices];
  if (!Array.isArray(second) || first.length !== second.length) return before;
  const vertices = first.map((vertex, index) => ({
    ...vertex,
    x: between(vertex?.x, second[index]?.x, share),
    y: between(vertex?.y, second[index]?.y, share),
  }));
  return { ...before, vertices };
}

/** Tell whether a track is shown in a frame: in a key frame, and after one that is `enabled`. */
function isShown(keys, frame) {
  const before = keys.filter((key) => key.frame <= frame);
  const last = before[before.length - 1];
  return last !== undefined && (last.frame === frame || Boolean(last.enabled));
}

/**
 * Return the value that a track has in a frame: that of a box or of a vector on a picture. Null where it is not shown.
 *
 * Between two key frames, numbers are interpolated linearly. After a key frame that is not `enabled`, nothing is shown
 * until the next one; after the last one, its shape stays.
 * @param {object} value of the region
 * @param {number} frame
 */
export function shapeAt(value, frame) {
  const keys = keysOf(value);
  if (!isShown(keys, frame)) return null;
  let [before, after] = [null, null];
  for (const key of keys) {
    if (key.frame === frame) return key;
    if (key.frame > frame) {
      after = key;
      break;
    }
    before = key;
  }
  if (before === null || after === null) return before;
  const share = (frame - before.frame) / (after.frame - before.frame);
  return Array.isArray(before.vertices) ? vectorBetween(before, after, share) : boxBetween(before, after, share);
}

/**
 * Return the frames in which a track is shown, as ranges of a first and a last one.
 * @param {object} value of the region
 * @param {number} length the number of frames of the video
 */
export function spansOf(value, length) {
  if (Array.isArray(value.ranges)) return rangesOf(value);
  const keys = keysOf(value).sort((one, other) => one.frame - other.frame);
  const spans = [];
  keys.forEach((key, index) => {
    if (index && keys[index - 1].enabled) spans[spans.length - 1].end = key.frame;
    else spans.push({ start: key.frame, end: key.frame });
  });
  const last = spans[spans.length - 1];
  if (last && keys[keys.length - 1].enabled) last.end = Math.max(length, last.end);
  return spans;
}

function rangesOf(value) {
  return value.ranges
    .filter((range) => isObject(range) && Number.isInteger(range.start) && Number.isInteger(range.end))
    .map(({ start, end }) => ({ start, end }));
}

/** Return the frames of the key frames of a track. */
export function keyFramesOf(value) {
  return keysOf(value).map((key) => key.frame);
}

/**
 * Return the frame rate of a video: that of the tag as Label Studio reads it; where it is a field of the task, the one
 * that a region says; else 24.
 * @param {string} attribute `frameRate` of the tag, "" without one
 * @param {Array<{value: object}>} regions
 */
export function frameRate(attribute, regions) {
  const rate = Number(attribute);
  if (attribute.trim() && rate > 0 && Number.isFinite(rate)) return rate < 1 ? 1 / rate : rate;
  if (attribute.trim().startsWith("$")) {
    for (const { value } of regions) {
      const said = value.framesCount / value.duration;
      if (Number.isFinite(said) && said > 0) return said;
    }
  }
  return 24;
}

/**
 * Return the number of frames of a video.
 * @param {number} duration in seconds; NaN or infinity if the browser does not know it
 * @param {number} rate frames a second
 * @param {Array<{value: object}>} regions whose `framesCount` is taken where the duration is not known
 */
export function frameCount(duration, rate, regions) {
  const said = regions.map(({ value }) => value.framesCount).filter((count) => Number.isInteger(count) && count > 0);
  const frames = Number.isFinite(duration) ? Math.round(duration * rate) : Math.max(0, ...said);
  return Math.min(MAX_FRAMES, Math.max(1, frames));
}

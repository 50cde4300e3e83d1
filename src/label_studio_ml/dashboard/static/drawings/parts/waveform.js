/** The waveform of a sound file: decoding, peaks for each pixel, and drawing. */

/** Samples a second that a file is decoded to: enough for a waveform, and an hour needs 115 MB a channel. */
const SAMPLE_RATE = 8000;

/**
 * Decode a sound file.
 * @param {ArrayBuffer} content
 * @returns {Promise<AudioBuffer>} rejected if the browser cannot decode it
 */
export function decode(content) {
  return new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(content);
}

/**
 * Return the lowest and highest sample for each of `count` equal stretches of a channel.
 * @param {Float32Array} samples
 * @param {number} count
 * @returns {{low: Float32Array, high: Float32Array}}
 */
export function peaks(samples, count) {
  const [low, high] = [new Float32Array(count), new Float32Array(count)];
  const step = samples.length / count;
  for (let index = 0; index < count; index++) {
    const first = Math.floor(index * step);
    const last = Math.max(first + 1, Math.floor((index + 1) * step));
    let [least, most] = [0, 0];
    for (let at = first; at < last && at < samples.length; at++) {
      if (samples[at] < least) least = samples[at];
      if (samples[at] > most) most = samples[at];
    }
    [low[index], high[index]] = [least, most];
  }
  return { low, high };
}

/** Draw the waveform of a channel on a canvas of its size, in a CSS colour. */
export function drawPeaks(canvas, samples, color) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  context.fillStyle = color;
  const { low, high } = peaks(samples, width);
  for (let x = 0; x < width; x++) {
    const top = ((1 - high[x]) / 2) * height;
    context.fillRect(x, top, 1, Math.max(1, ((high[x] - low[x]) / 2) * height));
  }
}

/**
 * Return times for the marks of an axis: at most `most`, at round numbers of seconds.
 * @param {number} duration seconds
 * @param {number} most
 */
export function axisTimes(duration, most) {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
  const step = steps.find((one) => duration / one <= most) ?? Math.ceil(duration / most / 3600) * 3600;
  return Array.from({ length: Math.floor(duration / step + 1e-9) + 1 }, (_, index) => Number((index * step).toFixed(2)));
}

/** Return seconds as text: `1.25 s`, or minutes and seconds from a minute on. */
export function clock(seconds) {
  if (seconds < 60) return `${Number(seconds.toFixed(3))} s`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${String(Number((seconds - minutes * 60).toFixed(2))).padStart(2, "0")}`;
}

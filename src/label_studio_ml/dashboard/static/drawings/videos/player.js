/** A video element that is moved by frames. */

import { useEffect, useRef, useState } from "../../lib/html.js";

/**
 * Return the state of a video and what moves it.
 *
 * Frames count from 1. A frame is shown by seeking to its middle, so that rounding never shows its neighbour.
 * @param {number} rate frames a second
 * @param {number} length the number of frames
 */
export function usePlayer(rate, length) {
  const video = useRef(null);
  const [frame, setFrame] = useState(1);
  const [playing, setPlaying] = useState(false);

  const seek = (wanted) => {
    const next = Math.min(length, Math.max(1, Math.round(wanted) || 1));
    setFrame(next);
    if (!video.current) return;
    video.current.pause();
    video.current.currentTime = (next - 0.5) / rate;
  };

  const toggle = () => {
    const element = video.current;
    if (!element) return;
    if (!element.paused) element.pause();
    else element.play().catch(() => setPlaying(false));
  };

  useEffect(() => {
    if (!playing) return undefined;
    const element = video.current;
    let handle = 0;
    const follow = () => {
      setFrame(Math.min(length, Math.max(1, Math.floor(element.currentTime * rate + 1e-6) + 1)));
      handle = requestAnimationFrame(follow);
    };
    handle = requestAnimationFrame(follow);
    return () => cancelAnimationFrame(handle);
  }, [playing, rate, length]);

  const handlers = {
    onPlay: () => setPlaying(true),
    onPause: () => setPlaying(false),
    onEnded: () => setPlaying(false),
  };
  return { video, frame, playing, seek, toggle, handlers };
}

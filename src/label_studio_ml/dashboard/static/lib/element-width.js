/** The width of an element, for drawings that depend on it. */
import { useEffect, useState } from "./html.js";

/** Return the width in pixels of the element that `ref` holds, also after it has changed; 0 before it is known. */
export function useWidth(ref) {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(() => setWidth(ref.current?.clientWidth ?? 0));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return width;
}

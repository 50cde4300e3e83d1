/** The dark and the light design: what is drawn on a canvas is drawn again when it changes. */

import { useEffect, useState } from "../../lib/html.js";

/** Return a number that changes with the dark and the light design. */
export function useScheme() {
  const [changes, setChanges] = useState(0);
  useEffect(() => {
    const change = () => setChanges((count) => count + 1);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", change);
    addEventListener("schemechange", change);
    return () => {
      scheme.removeEventListener("change", change);
      removeEventListener("schemechange", change);
    };
  }, []);
  return changes;
}

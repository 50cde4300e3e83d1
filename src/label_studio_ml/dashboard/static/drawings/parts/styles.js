/** The style sheet of the drawings of texts, sounds and values: it is loaded when the first of them is shown. */

import { useEffect } from "../../lib/html.js";

const HREFS = [new URL("../../styles/drawings.css", import.meta.url).href];

/** Load the style sheet, and others by their URLs, once in a page. */
export function useStyles(...more) {
  useEffect(() => {
    for (const href of [...HREFS, ...more]) {
      if ([...document.styleSheets].some((sheet) => sheet.href === href)) continue;
      if (document.head.querySelector(`link[href="${CSS.escape(href)}"]`)) continue;
      const link = document.createElement("link");
      [link.rel, link.href] = ["stylesheet", href];
      document.head.append(link);
    }
  }, []);
}

/** Files of a task that a drawing reads itself: texts, recordings and tables. */

import { dataUrlContent, isDataUrl } from "../../lib/data-url.js";
import { useEffect, useState } from "../../lib/html.js";

/** The largest file that is read, in bytes. */
export const MAX_BYTES = 100_000_000;

/**
 * Read a file of this server while the component is shown.
 *
 * @param {string} url relative URL or `data:` URL, "" to read nothing
 * @param {"text" | "arrayBuffer"} kind what becomes of the content
 * @returns {{content?: string | ArrayBuffer, problem?: string, loading: boolean}} `problem` is a sentence for people
 */
export function useFile(url, kind) {
  const [state, setState] = useState({ loading: Boolean(url) });
  useEffect(() => {
    if (!url) {
      setState({ loading: false });
      return undefined;
    }
    const abort = new AbortController();
    setState({ loading: true });
    read(url, kind, abort.signal)
      .then((content) => setState({ content, loading: false }))
      .catch((error) => {
        if (!abort.signal.aborted) setState({ problem: `The file of the task cannot be read: ${error.message}.`, loading: false });
      });
    return () => abort.abort();
  }, [url, kind]);
  return state;
}

async function read(url, kind, signal) {
  if (isDataUrl(url)) {
    const content = dataUrlContent(url);
    return kind === "text" ? new TextDecoder().decode(content) : content;
  }
  const response = await fetch(url, { credentials: "same-origin", signal });
  if (!response.ok) throw new Error(await cause(response));
  const size = Number(response.headers.get("Content-Length") ?? 0);
  if (size > MAX_BYTES) throw new Error(`it has ${Math.round(size / 1e6)} MB, the most is ${MAX_BYTES / 1e6}`);
  return response[kind]();
}

/** Return the cause of a refused request in words: the server's own, or the status. */
async function cause(response) {
  try {
    const { detail } = await response.json();
    if (typeof detail === "string") return detail;
  } catch {
    // Not every server that answers sends JSON.
  }
  return `the server answered ${response.status}`;
}

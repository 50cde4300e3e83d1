import { useEffect, useState } from "../../lib/html.js";

/**
 * Return `{value, error, loading}` of an async function, which is called again whenever `key` changes. Nothing is asked
 * while `key` is empty. The answer to an earlier key is never shown for a later one.
 *
 * @param {string} key
 * @param {() => Promise<unknown>} ask
 */
export function useAnswer(key, ask) {
  const [state, setState] = useState({ key: "" });
  useEffect(() => {
    if (!key) return undefined;
    let wanted = true;
    setState({ key, loading: true });
    ask().then(
      (value) => wanted && setState({ key, value, loading: false }),
      (error) => wanted && setState({ key, error, loading: false }),
    );
    return () => {
      wanted = false;
    };
  }, [key]);
  if (!key) return { loading: false };
  return state.key === key ? state : { loading: true };
}

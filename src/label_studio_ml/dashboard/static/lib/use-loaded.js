import { useCallback, useEffect, useRef, useState } from "./html.js";

/**
 * Return `{value, error, reload}` of what the async function `read` returns, read again whenever `dependencies` change.
 * While it is read again, the last value stays; answers that arrive late are dropped.
 */
export function useLoaded(read, dependencies) {
  const [state, setState] = useState({ value: undefined, error: null });
  const latest = useRef(0);

  const reload = useCallback(async () => {
    latest.current += 1;
    const own = latest.current;
    try {
      const value = await read();
      if (own === latest.current) setState({ value, error: null });
    } catch (error) {
      if (own === latest.current) setState((state) => ({ value: error.status === 0 ? state.value : undefined, error }));
    }
  }, dependencies);

  useEffect(() => {
    reload();
    return () => {
      latest.current += 1;
    };
  }, [reload]);
  return { ...state, reload };
}

/** The lines of one log that the page has: the newest ones, with their numbers, kept up to date. */
import { useEffect, useRef, useState } from "../../lib/html.js";
import { get, part } from "../../lib/api.js";
import { mayAct } from "../../lib/session.js";

/** The most lines that are kept in the page, and that are asked for at once. */
const MOST = 5000;
const AT_ONCE = 1000;

/**
 * Return `{lines, first, next, problem, earlier, complete}` for the training `job`, whose topic has the value `log`:
 * `lines` are `[number, text]`; `earlier()` asks for lines before them. Hidden lines of tracebacks, which the topic
 * never has, are asked for by operators.
 */
export function useLogLines(job, log) {
  const [held, setHeld] = useState({ lines: [], first: null, next: 0 });
  const [problem, setProblem] = useState("");
  const state = useRef(held);
  const busy = useRef(false);

  function hold(lines, first, next) {
    const kept = lines.length > MOST ? lines.slice(-MOST) : lines;
    state.current = { lines: kept, first: kept.length < lines.length ? kept[0][0] : first, next };
    setHeld(state.current);
  }

  async function read(after, count) {
    return get(`trainings/${part(job)}/log`, { after, count });
  }

  async function update(value) {
    const { lines, first, next } = state.current;
    const from = first === null ? value.first : next;
    if (from >= value.next) {
      if (first === null) hold([], value.first, value.next);
      return;
    }
    const fresh = value.lines.map((text, index) => [value.first + index, text]).filter(([number]) => number >= from);
    const hidden = fresh.some(([, text]) => text === null);
    if (from >= value.first && !(hidden && mayAct())) {
      hold([...lines, ...fresh], first ?? value.first, value.next);
      return;
    }
    const answer = await read(from, AT_ONCE);
    hold([...state.current.lines, ...answer.lines], first ?? from, Math.max(answer.next, Math.min(value.next, from + AT_ONCE)));
  }

  useEffect(() => {
    state.current = { lines: [], first: null, next: 0 };
    setHeld(state.current);
  }, [job]);

  useEffect(() => {
    if (!log || busy.current) return;
    busy.current = true;
    update(log).then(
      () => setProblem(""),
      (error) => setProblem(error.message),
    ).finally(() => {
      busy.current = false;
    });
  }, [job, log, held.next]);

  async function earlier() {
    const { lines, first, next } = state.current;
    const after = Math.max(0, first - AT_ONCE);
    const answer = await read(after, first - after);
    const before = answer.lines.filter(([number]) => number < first);
    // What is older than the newest lines that the page keeps would be dropped again: the page keeps these instead.
    const all = [...before, ...lines].slice(0, MOST);
    state.current = { lines: all, first: after, next };
    setHeld(state.current);
  }

  return { ...held, problem, earlier };
}

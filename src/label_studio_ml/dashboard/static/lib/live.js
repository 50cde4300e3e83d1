/** Follow topics of the server: values that change while a page is open. One connection serves all topics of a page. */
import { useEffect, useState } from "./html.js";
import { BASE, get } from "./api.js";

/** Seconds between two questions where the server cannot send events, and before a lost connection is tried again. */
const POLL = 5;

const followers = new Map(); // key -> set of functions that take the topic's value
const values = new Map(); // key -> last value
let source = null;
let sourceKeys = "";
let timer = 0;
let streams = true;
const connection = { lost: false, listeners: new Set() };

/** Tell whether this server sends events; otherwise topics are asked for every few seconds. */
export function setStreams(available) {
  streams = available;
}

/** Return the value of the topic `key` (such as "now" or "training:JOB"); undefined before the first one arrives. */
export function useTopic(key) {
  const [last, setLast] = useState({});
  useEffect(() => {
    if (!key) return undefined;
    const take = (value) => setLast({ key, value });
    take(values.get(key));
    return follow(key, take);
  }, [key]);
  return last.key === key ? last.value : values.get(key); // never the value of another topic
}

/** Return whether the connection to the server is lost at the moment. */
export function useConnectionLost() {
  const [lost, setLost] = useState(connection.lost);
  useEffect(() => {
    connection.listeners.add(setLost);
    setLost(connection.lost); // it may have changed since the first rendering
    return () => connection.listeners.delete(setLost);
  }, []);
  return lost;
}

/** Call `handler` with each value of the topic `key`; return a function that ends it. */
export function follow(key, handler) {
  if (!followers.has(key)) followers.set(key, new Set());
  followers.get(key).add(handler);
  schedule();
  return () => {
    const handlers = followers.get(key);
    handlers?.delete(handler);
    if (handlers && !handlers.size) {
      followers.delete(key);
      values.delete(key);
      schedule();
    }
  };
}

/** Connect again in this turn of the event loop: a view that changes leaves its topics before the next one follows. */
function schedule() {
  clearTimeout(timer);
  timer = setTimeout(connect, 0);
}

// Browsers open six connections to a host at a time: pages in the background would take them all.
document.addEventListener("visibilitychange", schedule);

function connect() {
  const keys = document.hidden ? [] : [...followers.keys()].sort();
  if (!streams) return poll(keys);
  const joined = keys.join(",");
  if (joined === sourceKeys && source && source.readyState !== EventSource.CLOSED) return undefined;
  source?.close();
  source = null;
  sourceKeys = joined;
  if (!keys.length) return undefined;
  source = new EventSource(`${BASE}events?topics=${encodeURIComponent(joined)}`);
  source.onopen = () => setLost(false);
  source.onerror = () => {
    setLost(true);
    if (source?.readyState === EventSource.CLOSED) {
      clearTimeout(timer);
      get("topic", { key: keys[0] }).catch(() => {}); // shows the login form if the session has ended
      timer = setTimeout(connect, POLL * 1000);
    }
  };
  for (const key of keys) source.addEventListener(key, (event) => deliver(key, JSON.parse(event.data)));
  return undefined;
}

async function poll(keys) {
  for (const key of keys) {
    try {
      deliver(key, await get("topic", { key }));
      setLost(false);
    } catch (error) {
      if (error.status === 0) setLost(true);
    }
  }
  if (keys.length) {
    clearTimeout(timer);
    timer = setTimeout(connect, POLL * 1000);
  }
}

function deliver(key, value) {
  if (!followers.has(key)) return;
  values.set(key, value);
  for (const handler of followers.get(key)) handler(value);
}

function setLost(lost) {
  if (connection.lost === lost) return;
  connection.lost = lost;
  for (const listener of connection.listeners) listener(lost);
}

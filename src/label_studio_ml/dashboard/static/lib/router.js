/** The address of a view, which is in the hash: `#/trainings/JOB?after=20`. */
import { useEffect, useState } from "./html.js";

/** Return the route in a hash: `path`, its decoded parts, and `query`, an object of texts. */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean).map(decode);
  return { path: parts, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** Return the hash of a route: `link(["trainings", job], {after: 20})`. Empty query values are left out. */
export function link(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const text = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${path.map((part) => encodeURIComponent(part)).join("/")}${text}`;
}

/** Go to a route; with `replace`, without a new entry in the browser's history. */
export function go(path, query = {}, replace = false) {
  if (replace) {
    history.replaceState(null, "", link(path, query));
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = link(path, query);
  }
}

/** Return the present route; the component is rendered again when it changes. */
export function useRoute() {
  const [route, setRoute] = useState(() => parse(location.hash));
  useEffect(() => {
    const update = () => setRoute(parse(location.hash));
    addEventListener("hashchange", update);
    update(); // the address may have changed since the first rendering
    return () => removeEventListener("hashchange", update);
  }, []);
  return route;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

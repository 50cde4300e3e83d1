/** Calls of the dashboard's API. All addresses are relative, so that the page works below any path of a proxy. */

export const BASE = "dashboard/api/";

let csrf = "";
let onLoggedOut = () => {};

/** A failed call: `status` is 0 if the server did not answer; `field` names the wrong field of the request, if any. */
export class ApiError extends Error {
  constructor(status, message, field = "") {
    super(message);
    this.status = status;
    this.field = field;
  }
}

/** Call `handler` whenever the server says that the session has ended. */
export function whenLoggedOut(handler) {
  onLoggedOut = handler;
}

/** Return the session: user, role, login_required, version, streams; null if there is none. Throws ApiError. */
export async function readSession() {
  const session = await call("GET", "session", undefined, false);
  return session.role ? remember(session) : null;
}

/** Begin a session with `{user, password}` or `{token}` and return it. Throws ApiError. */
export async function logIn(fields) {
  return remember(await call("POST", "login", fields, false));
}

/** End the session. */
export async function logOut() {
  await call("POST", "logout", {});
  csrf = "";
}

/** Return the JSON answer of a GET of `path` below the API; `query` is an object, whose empty values are left out. */
export function get(path, query = {}) {
  return call("GET", path + queryText(query));
}

/** Return the JSON answer of a POST of `fields` to `path` below the API. */
export function post(path, fields = {}) {
  return call("POST", path, fields);
}

/** Return the address of `path` below the API, for links, images and downloads. */
export function address(path, query = {}) {
  return BASE + path + queryText(query);
}

/** Return one part of a path, encoded, such as the id of a project. */
export function part(text) {
  return encodeURIComponent(text);
}

function queryText(query) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

function remember(session) {
  csrf = session.csrf;
  return session;
}

async function call(method, path, fields = undefined, reports = true) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") {
    headers["Content-Type"] = "application/json";
    headers["X-CSRF-Token"] = csrf;
  }
  let response;
  try {
    const body = fields === undefined ? undefined : JSON.stringify(fields);
    response = await fetch(BASE + path, { method, headers, body, credentials: "same-origin" });
  } catch {
    throw new ApiError(0, "The server does not answer. Check that the backend runs, then try again.");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.status === 401 && reports) onLoggedOut();
  if (!response.ok) {
    throw new ApiError(response.status, answer.detail || `The server answered ${response.status}.`, answer.field);
  }
  return answer;
}

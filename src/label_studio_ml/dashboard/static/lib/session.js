/** The session of the page, for components that need to know what its user may do. */

let session = { user: "", role: "viewer", login_required: true, version: "", streams: true };

/** Set the session after a login. */
export function setSession(value) {
  session = value;
}

/** Return the session: user, role ("operator" or "viewer"), login_required, version. */
export function currentSession() {
  return session;
}

/** Return whether the page's user may act, and not only look. */
export function mayAct() {
  return session.role === "operator";
}

import { html, useState } from "../lib/html.js";
import { logIn } from "../lib/api.js";
import { Notice } from "./notice.js";

/** The form for user and password, or for a token. `onLogin` is called with the session. */
export function LoginForm({ onLogin }) {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);

  async function submit(event) {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(event.target));
    setBusy(true);
    setError("");
    try {
      onLogin(await logIn(fields.token ? { token: fields.token } : fields));
    } catch (problem) {
      setError(problem.message);
      setBusy(false);
    }
  }

  return html`<form class="login" onSubmit=${submit}>
    <h1>Log in to this ML backend</h1>
    <p>The login is the one that Label Studio uses for it, or the one that may only look.</p>
    <label>User <input name="user" autocomplete="username" autofocus /></label>
    <label>Password <input name="password" type="password" autocomplete="current-password" /></label>
    <details>
      <summary>Use a token instead</summary>
      <label>Token <input name="token" type="password" autocomplete="off" /></label>
    </details>
    ${error && html`<${Notice} kind="error">${error}</${Notice}>`}
    <button type="submit" aria-busy=${busy} disabled=${busy}>Log in</button>
  </form>`;
}

/** The page: login, navigation, and the view that the address names. Views are loaded when they are first needed. */
import { html, render, useEffect, useRef, useState } from "./lib/html.js";
import { logOut, readSession, whenLoggedOut } from "./lib/api.js";
import { setStreams, useConnectionLost } from "./lib/live.js";
import { link, useRoute } from "./lib/router.js";
import { setSession } from "./lib/session.js";
import { AttentionBanner } from "./parts/attention-banner.js";
import { LoginForm } from "./parts/login-form.js";
import { Notice } from "./parts/notice.js";
import { Loading } from "./parts/loading.js";
import { SchemeButton } from "./parts/scheme-button.js";

/** The entries of the navigation: address, words. */
const ENTRIES = [
  ["now", "Now"],
  ["trainings", "Trainings"],
  ["versions", "Versions"],
  ["try", "Try it"],
  ["projects", "Projects"],
  ["value", "Value"],
  ["errors", "Errors"],
];

/** The module of a view by the first part of its address, and by how many parts the address has. */
const VIEWS = {
  now: () => import("./views/now.js"),
  trainings: (route) => (route.path.length > 1 ? import("./views/training.js") : import("./views/trainings.js")),
  versions: (route) => (route.path.length > 2 ? import("./views/version.js") : import("./views/versions.js")),
  try: () => import("./views/trial.js"),
  projects: (route) => (route.path.length > 1 ? import("./views/project.js") : import("./views/projects.js")),
  value: () => import("./views/value.js"),
  errors: () => import("./views/errors.js"),
};

function App() {
  const [session, setState] = useState(undefined);
  const [problem, setProblem] = useState("");

  function begin(value) {
    setSession(value);
    setStreams(value.streams);
    setState(value);
  }

  useEffect(() => {
    whenLoggedOut(() => setState(null));
    readSession().then(
      (value) => (value ? begin(value) : setState(null)),
      (error) => setProblem(error.message),
    );
  }, []);

  if (problem) return html`<main class="container"><${Notice} kind="error">${problem}</${Notice}></main>`;
  if (session === undefined) return html`<main class="container"><${Loading} what="the session" /></main>`;
  if (session === null) return html`<main class="container"><${LoginForm} onLogin=${begin} /></main>`;
  return html`<${Layout} session=${session} onLogout=${() => logOut().finally(() => setState(null))} />`;
}

function Layout({ session, onLogout }) {
  const route = useRoute();
  const lost = useConnectionLost();
  const name = route.path[0] || "now";
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="page-header">
      <div class="brand"><strong>Label Studio ML backend</strong> <small>${session.version}</small></div>
      <nav aria-label="Views">
        <ul>
          ${ENTRIES.map(([entry, words]) => html`<li>
            <a href=${link([entry])} aria-current=${entry === name ? "page" : undefined}>${words}</a>
          </li>`)}
        </ul>
      </nav>
      <div class="page-user">
        <${SchemeButton} />
        ${session.login_required && html`<span><bdi>${session.user}</bdi> (${session.role})</span>
          <button type="button" class="small secondary" onClick=${onLogout}>Log out</button>`}
      </div>
    </header>
    <main id="main" class="container-fluid" tabindex="-1">
      ${lost && html`<${Notice} kind="warning">The connection to the server is lost. What is shown may be old; it is tried again.</${Notice}>`}
      <${AttentionBanner} />
      <${View} name=${name} route=${route} session=${session} />
    </main>
  `;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function View({ name, route, session }) {
  const [loaded, setLoaded] = useState({});
  const [problem, setProblem] = useState("");
  const first = useRef(true);
  const key = `${name}/${Math.min(route.path.length, 3)}`;

  useEffect(() => {
    let wanted = true;
    const load = VIEWS[name];
    setProblem("");
    if (!load) {
      setProblem(`There is no view "${name}".`);
      return undefined;
    }
    load(route).then(
      (module) => {
        if (!wanted) return;
        document.title = `${module.title} – Label Studio ML backend`;
        setLoaded({ key, Component: module.default });
      },
      () => wanted && setProblem("A part of this page could not be loaded. Reload it."),
    );
    return () => {
      wanted = false;
    };
  }, [key]);

  useEffect(() => {
    // After a change of the view, screen readers start at its beginning; not when the page has just been opened.
    if (!first.current) document.getElementById("main")?.focus({ preventScroll: true });
    first.current = false;
    scrollTo(0, 0);
  }, [key]);

  if (problem) return html`<h1>This view cannot be shown</h1><${Notice} kind="error">${problem}</${Notice}>`;
  if (loaded.key !== key) return html`<${Loading} what="the view" />`;
  return html`<${loaded.Component} route=${route} session=${session} />`;
}

render(html`<${App} />`, document.getElementById("app"));

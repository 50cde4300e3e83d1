"""A real Label Studio: starting one, and its API as far as a person's clicks need it."""

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import requests

from .processes import Program, free_port, wait_until

Json = dict[str, Any]

USERNAME = "annotator@example.com"
PASSWORD = "only-for-tests-1234"
TOKEN = "0123456789abcdef0123456789abcdef01234567"

#: For how long it waits for a backend: a second by default, which on a busy machine says nothing about the backend.
PATIENCE = ("ML_CONNECTION_TIMEOUT", "ML_TIMEOUT_HEALTH", "ML_TIMEOUT_SETUP", "WEBHOOK_TIMEOUT")


class StudioRefused(AssertionError):
    """Label Studio answered with an error status. `status` is that status, `text` the body."""

    def __init__(self, call: str, status: int, text: str) -> None:
        super().__init__(f"{call}: {status} {text[:2000]}")
        self.status = status
        self.text = text


@dataclass
class Studio:
    """One user of one Label Studio. Every method is a request that its pages make, too."""

    url: str
    token: str = TOKEN
    username: str = USERNAME
    password: str = PASSWORD
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Make a request and return the decoded body (None, if it is empty)."""
        response = self.session.request(
            method,
            f"{self.url}{path}",
            headers={"Authorization": f"Token {self.token}"},
            timeout=options.pop("timeout", 180),
            **options,
        )
        if response.status_code >= 400:
            raise StudioRefused(f"{method} {path}", response.status_code, response.text)
        return response.json() if response.content else None

    def create_project(self, title: str, label_config: str, **settings: Any) -> int:
        """Make a project and return its id."""
        body = {"title": title, "label_config": label_config, **settings}
        return int(self.call("POST", "/api/projects/", json=body)["id"])

    def project(self, project: int) -> Json:
        """Return a project as the settings page sees it."""
        return cast("Json", self.call("GET", f"/api/projects/{project}/"))

    def projects(self) -> list[Json]:
        """Return all projects."""
        return cast("list[Json]", self.call("GET", "/api/projects/?page_size=100")["results"])

    def import_tasks(self, project: int, data: Iterable[Json]) -> list[int]:
        """Import one task for each dict of task data and return the tasks' ids in that order."""
        body = [{"data": item} for item in data]
        answer = self.call("POST", f"/api/projects/{project}/import?return_task_ids=true", json=body)
        return cast("list[int]", answer["task_ids"])

    def upload_files(self, project: int, files: Sequence[Path], batch: int = 100) -> list[int]:
        """Upload files as the import page does, one task each, and return the tasks' ids in that order."""
        before = {task["id"] for task in self.tasks(project)}
        for start in range(0, len(files), batch):
            chunk = files[start : start + batch]
            parts = [(path.name, (path.name, path.read_bytes(), "image/png")) for path in chunk]
            self.call("POST", f"/api/projects/{project}/import", files=parts)
        ids = {}
        for task in self.tasks(project):
            if task["id"] not in before:
                # Label Studio puts eight random characters and a hyphen before an uploaded file's name.
                ids[str(next(iter(task["data"].values()))).rsplit("/", 1)[-1].split("-", 1)[-1]] = task["id"]
        return [ids[path.name] for path in files]

    def tasks(self, project: int) -> list[Json]:
        """Return all tasks of a project, predictions and annotations included."""
        found: list[Json] = []
        page = 1
        while True:
            answer = self.call("GET", f"/api/tasks?project={project}&fields=all&page_size=500&page={page}")
            found += answer["tasks"]
            if len(found) >= answer["total"] or not answer["tasks"]:
                return found
            page += 1

    def get_task(self, task: int) -> Json:
        """Open a task, which asks the backend for a prediction if it has none."""
        return cast("Json", self.call("GET", f"/api/tasks/{task}/"))

    def next_task(self, project: int) -> Json:
        """Return the task that "Label All Tasks" shows next."""
        return cast("Json", self.call("GET", f"/api/projects/{project}/next"))

    def add_backend(
        self,
        project: int,
        url: str,
        title: str = "backend",
        *,
        basic_auth: tuple[str, str] | None = None,
        extra_params: Any = None,
        is_interactive: bool = False,
    ) -> int:
        """Connect a backend to a project and return its id in Label Studio."""
        body: Json = {"project": project, "url": url, "title": title, "is_interactive": is_interactive}
        if extra_params is not None:
            body["extra_params"] = extra_params
        if basic_auth:
            user, password = basic_auth
            body |= {"auth_method": "BASIC_AUTH", "basic_auth_user": user, "basic_auth_pass": password}
        return int(self.call("POST", "/api/ml/", json=body)["id"])

    def get_backends(self, project: int) -> list[Json]:
        """Return the project's backends. Label Studio asks each for its health and set-up first."""
        return cast("list[Json]", self.call("GET", f"/api/ml/?project={project}"))

    def backend(self, project: int) -> Json:
        """Return the only backend of a project."""
        (backend,) = self.get_backends(project)
        return backend

    def versions(self, backend: int) -> list[str]:
        """Return the versions that the version picker offers."""
        return cast("list[str]", self.call("GET", f"/api/ml/{backend}/versions")["versions"])

    def start_training(self, backend: int) -> None:
        """Press the training button."""
        self.call("POST", f"/api/ml/{backend}/train", json={})

    def interactive(self, backend: int, task: int, context: Json) -> Json:
        """Send a drawn region or the like, as the editor does with "Auto-Annotation" on."""
        body = {"task": task, "context": context}
        return cast("Json", self.call("POST", f"/api/ml/{backend}/interactive-annotating", json=body))

    def retrieve_predictions(self, project: int, tasks: Sequence[int] | None = None) -> None:
        """Choose "Retrieve Predictions" in the Data Manager for some tasks, or all."""
        chosen = (
            {"all": False, "included": list(tasks)} if tasks is not None else {"all": True, "excluded": []}
        )
        path = f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}"
        self.call("POST", path, json={"selectedItems": chosen, "project": str(project)})

    def predictions(self, project: int) -> list[Json]:
        """Return every prediction that Label Studio has stored for a project."""
        return cast("list[Json]", self.call("GET", f"/api/predictions/?project={project}"))

    def annotate(self, task: int, result: list[Json]) -> int:
        """Submit an annotation and return its id."""
        return int(self.call("POST", f"/api/tasks/{task}/annotations/", json={"result": result})["id"])

    def webhooks(self, project: int) -> list[Json]:
        """Return the project's webhooks. Connecting a backend makes one."""
        return cast("list[Json]", self.call("GET", f"/api/webhooks/?project={project}"))

    def set_webhook_headers(self, webhook: int, headers: Mapping[str, str]) -> None:
        """Give a webhook extra headers, as the webhooks page does."""
        self.call("PATCH", f"/api/webhooks/{webhook}/", json={"headers": dict(headers)})


class StudioServer:
    """A Label Studio process with its own data folder, on loopback, that tells nobody about it.

    `environment` is the folder of the virtual environment that holds it. `arguments` come after
    `start`, `env` on top of its environment.
    """

    def __init__(
        self,
        environment: Path,
        data: Path,
        log: Path,
        arguments: Sequence[str] = (),
        port: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port or free_port()
        self.studio = Studio(f"http://localhost:{self.port}")
        self._command: list[str | Path] = [
            environment / "bin" / "label-studio",
            "start",
            *arguments,
            *("--no-browser", "--internal-host", "127.0.0.1", "--port", str(self.port)),
            *("--username", USERNAME, "--password", PASSWORD, "--user-token", TOKEN),
            "--enable-legacy-api-token",
        ]
        self._data, self._log = data, log
        self._env = studio_environment(data, self.studio.url) | dict(env or {})
        self.program = self._started()

    def _started(self) -> Program:
        return Program(self._command, cwd=self._data, env=self._env, log=self._log)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.program.kill()

    def again(self) -> None:
        """Start it once more, on the same port and data."""
        self.program = self._started()

    def wait(self, deadline: float = 240.0) -> Studio:
        """Return its API once it answers. The first start on an empty folder takes half a minute."""

        def answers() -> bool:
            if not self.program.running:
                raise AssertionError(f"Label Studio ended:\n{self.program.output()[-3000:]}")
            try:
                return requests.get(f"{self.studio.url}/health", timeout=5).ok
            except requests.RequestException:
                return False

        wait_until(answers, "Label Studio answers", deadline)
        return self.studio

    def stop(self) -> None:
        """End it. Its own children are none of our business: whatever is left is killed."""
        self.studio.session.close()
        self.program.stop()


def studio_environment(data: Path, url: str) -> dict[str, str]:
    """Return the environment for a Label Studio that keeps to itself and may call this machine."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LABEL_STUDIO_", "DJANGO_", "PYTHON", "VIRTUAL_ENV"))
    }
    return inherited | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "LABEL_STUDIO_HOST": url,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "PYTHONUNBUFFERED": "1",
        **dict.fromkeys(PATIENCE, "60"),
    }


def migrated_data(environment: Path, cache: Path) -> Path:
    """Return a data folder whose database is made already, for copying: making one takes half a minute."""
    (metadata,) = environment.glob("lib/python*/site-packages/label_studio-*.dist-info")
    template = cache / metadata.name.removesuffix(".dist-info")
    if template.is_dir():
        return template
    unfinished = cache / f"{template.name}.{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    server = StudioServer(environment, unfinished, cache / "migrations.log")
    try:
        server.wait()
    finally:
        server.stop()
    with contextlib.suppress(OSError):  # another process of the run was first
        unfinished.rename(template)
    shutil.rmtree(unfinished, ignore_errors=True)
    return template


def choice(label: str, to_name: str = "text", from_name: str = "choice") -> list[Json]:
    """Return an annotation's result that chooses `label`."""
    value = {"choices": [label]}
    return [{"from_name": from_name, "to_name": to_name, "type": "choices", "value": value}]


def chosen(prediction: Mapping[str, Any]) -> str:
    """Return the label that a prediction or annotation chose."""
    (region,) = prediction["result"]
    (label,) = region["value"]["choices"]
    return str(label)

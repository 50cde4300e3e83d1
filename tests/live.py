"""A backend of ours as processes, its models told by files what to do, and a named fake of Label Studio's API."""

import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import redis
import requests

from e2e.backend import CLI, Backend
from e2e.processes import wait_until
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.keys import DEFAULT_QUEUE
from label_studio_ml.training.redis.redis_client import connect
from studio.fake import Asked, FakeServer, Reply

MODELS = Path(__file__).parent / "data" / "models"

CREATED_AT = "2026-01-01T00:00:00Z"

CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="label" toName="text"><Choice value="good"/><Choice value="bad"/></Choices></View>'
)

#: Secrets that Label Studio hands us, which must not turn up anywhere.
TOKEN = "CANARY-access-token"
PROJECT_TOKEN = "CANARY-project-token"
TASK_PASSWORD = "CANARY-task-password"
CANARIES = (TOKEN, PROJECT_TOKEN, TASK_PASSWORD, "CANARY-task-login")


def uid(project: int) -> str:
    """Return the uid under which `/setup` and `/predict` know a project."""
    return f"{project}.{int(datetime.fromisoformat(CREATED_AT).timestamp())}"


def project_fields(project: int) -> dict[str, Any]:
    """Return a webhook's `project`, its secrets included."""
    return {
        "id": project,
        "created_at": CREATED_AT,
        "title": f"project {project}",
        "label_config": CONFIG,
        "token": PROJECT_TOKEN,
        "task_data_login": "CANARY-task-login",
        "task_data_password": TASK_PASSWORD,
    }


def annotation(number: int, choice: str = "good") -> dict[str, Any]:
    """Return annotation 1000 + `number`, of task `number`."""
    result = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [choice]}}
    return {"id": 1000 + number, "task": number, "was_cancelled": False, "result": [result]}


def task(number: int) -> dict[str, Any]:
    """Return task `number` without annotations."""
    return {"id": number, "data": {"text": f"text {number}"}}


def created(project: int, number: int, **changes: Any) -> dict[str, Any]:
    """Return the ANNOTATION_CREATED event of annotation 1000 + `number`."""
    return {
        "action": "ANNOTATION_CREATED",
        "annotation": {**annotation(number), "project": project, **changes},
        "task": {**task(number), "project": project},
        "project": project_fields(project),
    }


def created_in_bulk(project: int, *numbers: int) -> dict[str, Any]:
    """Return the ANNOTATIONS_CREATED event of some annotations."""
    return {
        "action": "ANNOTATIONS_CREATED",
        "annotation": [annotation(number) for number in numbers],
        "task": [task(number) for number in numbers],
        "project": project_fields(project),
    }


def start_training(project: int) -> dict[str, Any]:
    """Return what the button sends."""
    return {"action": "START_TRAINING", "project": project_fields(project)}


class FakeStudio(FakeServer):
    """A fake, and no more: Label Studio's project and tasks, as far as `StudioClient` asks for them."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__(host)
        self.tasks: dict[int, dict[int, dict[str, Any]]] = {}

    def add(self, project: int, *numbers: int) -> None:
        """Give a project labelled tasks."""
        tasks = self.tasks.setdefault(project, {})
        for number in numbers:
            tasks[number] = {**task(number), "annotations": [annotation(number)], "predictions": []}
            self.on(f"/api/tasks/{number}/", Reply.of(tasks[number]))
        fields = {"id": project, "label_config": CONFIG, "evaluate_predictions_automatically": False}
        self.on(f"/api/projects/{project}/", Reply.of(fields))
        self.on("/api/tasks/", self._page)

    def _page(self, asked: Asked) -> Reply:
        if asked.authorization != f"Token {TOKEN}":
            return Reply.of({"detail": "Authentication credentials were not provided."}, 401)
        query = json.loads(asked.query["query"])
        (after,) = (item["value"] for item in query["filters"]["items"] if item["filter"].endswith(":id"))
        tasks = self.tasks[int(asked.query["project"])]
        rest = [tasks[number] for number in sorted(tasks) if number > after]
        return Reply.of({"tasks": rest[: int(asked.query["page_size"])], "total": len(rest)})


@dataclass
class Control:
    """What a model of `models/` does for one project, and what it did."""

    folder: Path

    def do(self, what: str) -> None:
        """Make the next fits do `what`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "do").write_text(what)

    def close_gate(self) -> None:
        """Let fits wait at the gate."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "gate").touch()

    def open_gate(self) -> None:
        """Let them go on."""
        (self.folder / "gate").unlink(missing_ok=True)

    def fits(self, what: str = "begin") -> list[dict[str, Any]]:
        """Return what fits wrote down when they began, or ended."""
        file = self.folder / "fits.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [line for line in lines if line["what"] == what]

    def wait_for_fit(self, count: int = 1) -> dict[str, Any]:
        """Wait until `count` fits have begun; return the last one."""
        return wait_until(lambda: self.fits()[count - 1 :], f"fit number {count} begins", every=0.02)[0]

    @property
    def overlaps(self) -> int:
        """How many fits found another one running."""
        file = self.folder / "overlaps"
        return len(file.read_text().splitlines()) if file.exists() else 0


@dataclass
class Live:
    """A running backend with its folder, its controls and the fake Label Studio."""

    backend: Backend
    studio: FakeStudio
    control_folder: Path
    auth: tuple[str, str] | None = None
    jobs: dict[int, list[str]] = field(default_factory=dict)
    _with_broker: Any = field(default=None, init=False, repr=False)

    @property
    def folder(self) -> Path:
        return self.backend.folder

    @property
    def model_dir(self) -> Path:
        return self.folder / self.backend.env.get("MODEL_DIR", "data")

    def control(self, project: int) -> Control:
        return Control(self.control_folder / str(project))

    def post(self, path: str, body: Any, *, login: bool = True) -> requests.Response:
        return requests.post(
            f"{self.backend.url}{path}", json=body, timeout=90, auth=self.auth if login else None
        )

    def setup(self, project: int) -> str:
        body = {
            "project": uid(project),
            "schema": CONFIG,
            "hostname": self.studio.url,
            "access_token": TOKEN,
            "extra_params": None,
        }
        answer = self.post("/setup", body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["model_version"])

    def predict(self, project: int) -> dict[str, Any]:
        body = {"tasks": [task(1)], "project": uid(project), "label_config": CONFIG, "params": None}
        answer = self.post("/predict", body)
        assert answer.status_code == 200, answer.text
        (entry,) = answer.json()["results"]
        return dict(entry)

    def wait_for_broker(self) -> None:
        """Wait until the server has its broker: an event that comes before that is kept on the disk, without a job."""

        def there() -> bool:
            with contextlib.suppress(requests.RequestException):
                answer = requests.get(f"{self.backend.url}/readyz", timeout=90)
                return bool(answer.json().get("broker") == "ok")
            return False

        if self._with_broker is not self.backend.program:
            wait_until(there, "the server has its broker", every=0.05)
            self._with_broker = self.backend.program

    def send(self, event: dict[str, Any], *, login: bool = True) -> str:
        """Deliver an event that trains; return its job."""
        self.wait_for_broker()
        answer = self.post("/webhook", event, login=login)
        slow = answer.status_code == 503 and "waits on this server's disk" in answer.text
        assert slow or answer.status_code == (201 if login else 202), answer.text
        job = str(answer.json().get("job") or self.handed_over(event["project"]["id"]))
        self.jobs.setdefault(event["project"]["id"], []).append(job)
        return job

    def command(self, *words: str) -> list[str]:
        """Return the command line for a subcommand of `label-studio-ml`, about this backend's folder."""
        return [*CLI, words[0], self.folder.name, *words[1:]]

    def run_command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a subcommand to its end, with the backend's environment, and return its outcome and output."""
        return subprocess.run(
            self.command(*words),
            cwd=self.folder.parent,
            env=self.backend.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def spooled(self) -> list[str]:
        """Return the files of events that wait on the disk for Redis.

        Folders that a server or a worker removes meanwhile are passed over, which `Path.rglob` does not do.
        """
        return glob.glob("**/spool/*.json", root_dir=self.folder, recursive=True)

    def handed_over(self, project: int) -> str:
        """Wait until Redis has what it was too slow to take before the answer; return the project's last job."""

        def newest() -> list[dict[str, Any]]:
            if self.spooled():
                return []
            answer = requests.get(
                f"{self.backend.url}/jobs", params={"project": uid(project)}, timeout=90, auth=self.auth
            )
            return list(answer.json()["jobs"]) if answer.status_code == 200 else []

        return str(wait_until(newest, "the event is in Redis", every=0.05)[0]["job"])

    def job(self, job: str) -> dict[str, Any]:
        answer = self.post("/job_status", {"job": job})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, job: str, deadline: float = 120.0) -> dict[str, Any]:
        """Wait until a job has an outcome."""

        def outcome() -> dict[str, Any]:
            try:
                found = self.job(job)
            except (requests.RequestException, AssertionError):
                return {}
            return found if found["job_status"] in ("finished", "failed", "interrupted", "cancelled") else {}

        return wait_until(outcome, f"job {job} has an outcome", deadline, every=0.05)

    def wait_served(self, project: int, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until a prediction of a project is as `condition` says."""
        return wait_until(
            lambda: [entry for entry in [self.predict(project)] if condition(entry)],
            "the new version is served",
            every=0.05,
        )[0]

    def running(self, project: int) -> bool:
        answer = requests.get(
            f"{self.backend.url}/is_training", params={"project": uid(project)}, timeout=90, auth=self.auth
        )
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["is_training"])

    def processes(self, words: str) -> list[int]:
        """Return the backend's processes with `words` in their command line."""
        assert self.backend.program is not None
        return [pid for pid in self.backend.program.descendants() if words in command_line(pid)]

    def model_processes(self) -> list[int]:
        """Return the backend's processes that run the model; the guard of each has the same command line."""
        found = self.processes("model_process")
        return [pid for pid in found if _parent(pid) in found]

    def one(self, words: str) -> int:
        """Wait for a process of the backend with `words` in its command line."""
        return wait_until(lambda: self.processes(words), f"a process with {words!r} runs", every=0.02)[0]

    def broker(self) -> int:
        """Wait until the embedded broker answers; return its process id."""

        def answers() -> int:
            try:
                url = (self.model_dir / "broker" / "address").read_text()
                connection: Any = redis.Redis.from_url(url)
                found = int(connection.info("server")["process_id"])
                connection.close()
            except (OSError, redis.RedisError):
                return 0
            return found

        return wait_until(answers, "the broker answers", every=0.02)

    def job_store(self) -> JobStore:
        """Return the job records on the embedded broker, which has to run; its connection is the caller's to close."""
        return JobStore(connect((self.model_dir / "broker" / "address").read_text()), DEFAULT_QUEUE)

    def kill(self, words: str) -> int:
        """End one process of the backend with SIGKILL and return when it is gone."""
        pid = self.one(words)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), f"{words} is gone", every=0.01)
        return pid


TRAINING = "label_studio_ml.training.process.training_process"
WORKER = "label_studio_ml.runtime.worker_main"


def command_line(pid: int) -> str:
    """Return a process's command line, nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def make_live(
    folder: Path,
    studio: FakeStudio,
    model: str,
    *,
    env: dict[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    paths: Sequence[Path] = (),
    **place: Any,
) -> Live:
    """Return a backend in a new `folder` that serves `models/<model>.py`, not started yet.

    `paths` are folders that its processes import from first; `place` says where its server is (see `Backend`). Whoever
    kills what holds a lease sets a shorter one in `env`, and has less time to stand still on a busy machine.
    """
    folder.mkdir(parents=True)
    for name in (model, "behave"):
        shutil.copy(MODELS / f"{name}.py", folder / f"{name}.py")
    control = folder.parent / f"{folder.name}-control"
    control.mkdir()
    settings = {
        "LABEL_STUDIO_ML_SCRIPT": f"{model}.py",
        "LABEL_STUDIO_ML_LEASE": "20",
        "LABEL_STUDIO_ML_SWEEP": "0.3",
        "FIT_CONTROL": str(control),
        **({"BASIC_AUTH_USER": auth[0], "BASIC_AUTH_PASS": auth[1]} if auth else {}),
        **(env or {}),
    }
    source = str(Path(__file__).resolve().parent.parent / "src")
    first = [str(path) for path in paths]
    path = os.pathsep.join(word for word in (*first, source, os.environ.get("PYTHONPATH", "")) if word)
    backend = Backend(
        folder, folder.parent / f"{folder.name}.log", env={**settings, "PYTHONPATH": path}, **place
    )
    return Live(backend, studio, control, auth)


def texts_below(folder: Path, *, without: str = "projects.db") -> dict[Path, bytes]:
    """Return the content of every file below `folder` but the one that may hold Label Studio's token.

    A file that goes meanwhile is left out.
    """
    found: dict[Path, bytes] = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names if not name.startswith(without)):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    found[path] = path.read_bytes()
    return found


def _parent(pid: int) -> int:
    """Return the process id of a process's parent, 0 if the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0

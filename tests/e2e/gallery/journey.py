"""A user's way from a project to a backend that predicts and learns: `init --project`, `start`, `connect`."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from ..backend import Backend, clean_environment
from ..processes import wait_until
from ..studio import Studio
from .environments import ROOT, environment, install_settings

Json = dict[str, Any]


class Journey:
    """A gallery model's backend for one project of Label Studio.

    `name` is the model's, `venv` the environment of its commands. The methods in their order are the three commands,
    then what a person does in Label Studio.
    """

    def __init__(self, studio: Studio, project: int, name: str, folder: Path, venv: str) -> None:
        self.studio = studio
        self.project = project
        self.name = name
        self.folder = folder / name.replace("-", "_")
        self.venv = environment(venv)
        self.backend: Backend | None = None
        self.backend_id = 0
        self.printed = ""

    def init(self, *options: str) -> None:
        """Run `init --project --install`; with `--example NAME` in `options` if the model is not the best one."""
        self._run(
            *("init", self.folder.name, "--project", str(self.project), "--url", self.studio.url),
            *("--install", *options),
        )

    def chosen(self) -> str:
        """Return the model that `init` says it has chosen; empty if it was named with `--example`."""
        match = re.search(r"^\s*(\S+) +chosen\b", self.printed, re.MULTILINE)
        return match[1] if match else ""

    def start(self, env: Mapping[str, str] | None = None, arguments: Sequence[str] = ()) -> None:
        """Run `start` and wait until the backend answers."""
        settings = {
            "LABEL_STUDIO_URL": self.studio.url,
            "LABEL_STUDIO_API_KEY": self.studio.token,
            **(env or {}),
        }
        log = self.folder.with_suffix(".log")
        self.backend = Backend(
            self.folder,
            log,
            env=settings,
            arguments=arguments,
            cli=[str(self.venv / "bin" / "label-studio-ml")],
        )
        self.backend.start()

    def connect(self, *options: str) -> None:
        """Run `connect`, which tests the connection with a prediction through Label Studio."""
        assert self.backend is not None
        self._run(
            *("connect", self.folder.name, "--url", self.studio.url, "--project", str(self.project)),
            *("--port", str(self.backend.port), *options),
        )
        self.backend_id = int(self.studio.backend(self.project)["id"])

    def predict(self, tasks: Sequence[int]) -> dict[int, Json]:
        """Retrieve predictions of tasks in Label Studio; return each task's newest one.

        A request ends after a time that Label Studio sets: tasks that a slow machine has not computed until then are
        asked for again, as long as each request brings some.
        """
        newest: dict[int, Json] = {}
        missing = list(tasks)
        while missing:
            self.studio.retrieve_predictions(self.project, missing)
            for prediction in sorted(self.studio.predictions(self.project), key=lambda item: int(item["id"])):
                if prediction["task"] in set(tasks):
                    newest[prediction["task"]] = prediction
            left = [task for task in tasks if task not in newest]
            assert len(left) < len(missing), f"tasks without prediction: {sorted(left)}"
            missing = left
        return newest

    def train(self, deadline: float = 900.0) -> str:
        """Press the training button; return the new version when no training runs any more. Fails if the last one did.

        Annotations start trainings by themselves, too: the last one has seen all of them.
        """
        assert self.backend is not None
        url = f"{self.backend.url}/jobs?project={self.project}"
        before = self.version()
        self.studio.start_training(self.backend_id)
        seen: list[str] = []

        def is_done() -> str:
            jobs = requests.get(url, timeout=60).json()["jobs"]
            # Between two jobs of the project, none may be listed as active for a moment: two readings have to agree.
            ended = [job["job"] for job in jobs if job["job_status"] not in ("queued", "started")]
            if len(ended) < len(jobs) or seen != ended:
                seen[:] = ended
                return ""
            version = self.version()
            newest = jobs[0]
            assert version != before or newest["job_status"] != "failed", newest
            return version if version != before else ""

        return wait_until(is_done, "the trainings are over", deadline, every=1.0)

    def version(self) -> str:
        """Return the version that the backend tells Label Studio."""
        return str(self.studio.backend(self.project).get("model_version") or "")

    def stop(self) -> list[int]:
        """Stop the backend; return the processes that outlived it."""
        return self.backend.stop() if self.backend is not None else []

    def log(self) -> str:
        """Return what the backend and the commands printed, for the report of a failure."""
        printed = self.backend.output()[-6000:] if self.backend is not None else ""
        logs = [path.read_text(errors="replace")[-6000:] for path in (self.folder / "logs").glob("*.log")]
        return "\n".join((self.printed, printed, *logs))

    def _run(self, *words: str) -> str:
        """Run a command of the environment; return and keep what it printed. Fails the test unless it returns 0."""
        done = subprocess.run(
            [str(self.venv / "bin" / "label-studio-ml"), *words],
            cwd=self.folder.parent,
            env=clean_environment({"LABEL_STUDIO_API_KEY": self.studio.token, **install_settings(self.venv)}),
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        self.printed += done.stdout + done.stderr
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def record(name: str, **figures: object) -> None:
    """Write measured figures of a model into `artefacts/gallery/NAME.json`, for `make gallery`."""
    folder = ROOT / "artefacts" / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    earlier = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**earlier, **figures}, indent=2) + "\n")

"""A backend of `backends/` that is served, by either way, and asked as a real Label Studio asks."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import requests

from e2e.backend import Backend
from e2e.processes import wait_until
from helpers import captured
from live import CREATED_AT, TOKEN, FakeStudio, Live, uid
from runtime.gunicorn_server import start_program

from .project import FakeProject

BACKENDS = Path(__file__).parent / "backends"

#: `label-studio-ml start FOLDER` in the folder above it, and what the Dockerfiles of older releases run in it.
Way = Literal["start", "gunicorn"]
WAYS: tuple[Way, ...] = ("start", "gunicorn")


@dataclass
class Served:
    """A running backend and its fake Label Studio. `label_config` is that of each project unless a call names one."""

    live: Live
    studio: FakeProject
    label_config: str
    way: Way

    def post(self, name: str, **fields: Any) -> requests.Response:
        """Send a captured request with some fields of its body replaced."""
        request = captured(name).with_fields(**fields)
        return requests.post(
            self.live.backend.url + request.path,
            json=request.json,
            headers={"User-Agent": request.agent},
            timeout=90,
        )

    def health(self) -> dict[str, Any]:
        """Return what /health says."""
        request = captured("health")
        answer = requests.get(self.live.backend.url + request.path, timeout=90)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def setup(self, project: int = 1, label_config: str = "", extra_params: Any = None) -> requests.Response:
        """Connect a project, or ask again for its version."""
        return self.post(
            "setup",
            project=uid(project),
            schema=label_config or self.label_config,
            hostname=self.studio.url,
            access_token=TOKEN,
            extra_params=extra_params,
        )

    def wait_for_version(self, version: str, project: int = 1, **setup: Any) -> None:
        """Wait until /setup says `version`."""

        def named() -> bool:
            answer = self.setup(project, **setup)
            assert answer.status_code == 200, answer.text
            return bool(answer.json()["model_version"] == version)

        wait_until(named, f"/setup says {version}", every=0.05)

    def predict(
        self, *data: dict[str, Any], context: Any = None, project: int = 1, label_config: str = ""
    ) -> list[Any]:
        """Return the results for tasks 1, 2, … that hold `data`."""
        answer = self.asked(*data, context=context, project=project, label_config=label_config)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["results"])

    def asked(
        self, *data: dict[str, Any], context: Any = None, project: int = 1, label_config: str = ""
    ) -> requests.Response:
        """Return the answer to /predict for tasks 1, 2, … that hold `data`."""
        params = captured("predict_interactive" if context else "predict_retrieve").json["params"]
        return self.post(
            "predict_interactive" if context else "predict_retrieve",
            tasks=[{"id": number, "data": fields} for number, fields in enumerate(data, 1)],
            project=uid(project),
            label_config=label_config or self.label_config,
            params={**params, "context": context},
        )

    def event(self, action: str, project: int = 1, label_config: str = "", **fields: Any) -> dict[str, Any]:
        """Return a webhook's body as it was captured, for this project."""
        body = captured(f"webhook_{action}").json
        changed = {"id": project, "created_at": CREATED_AT, "label_config": label_config or self.label_config}
        body = {**body, "project": {**body["project"], **changed}}
        if "annotation" in body:
            body["annotation"] = {**body["annotation"], "project": project, **fields}
        return dict(body)

    def train(self, action: str, project: int = 1, **fields: Any) -> dict[str, Any]:
        """Deliver a webhook and return its job as it ended."""
        return self.live.wait(self.live.send(self.event(action, project, **fields)))

    def train_to(self, action: str, project: int = 1, **fields: Any) -> str:
        """Deliver a webhook that trains, and return the new version's name once it is served."""
        job = self.train(action, project, **fields)
        assert (job["job_status"], bool(job.get("model_version"))) == ("finished", True), job
        self.wait_for_version(job["model_version"], project)
        return str(job["model_version"])

    def versions(self) -> int:
        """Return how many versions lie on the disk."""
        return len(list(self.live.model_dir.glob("versions/*/*/manifest.json")))


def _start(live: Live, way: Way) -> None:
    if way == "start":
        live.backend.start()
        return
    bind = ["--bind", f"127.0.0.1:{live.backend.port}", "--workers", "1", "--threads", "8", "--timeout", "0"]
    start_program(live, [sys.executable, "-m", "gunicorn", *bind, "_wsgi:app"])


def serving(
    name: str, label_config: str, always: tuple[Way, ...] = WAYS, **env: str
) -> Callable[[pytest.FixtureRequest, pytest.TempPathFactory], Iterator[Served]]:
    """Return a fixture: the backend in the folder `name`, served both ways, each once for the module's tests.

    Ways that are not in `always` are marked `soak`: for backends of which nothing depends on the way.
    """

    @pytest.fixture(
        scope="module",
        params=[pytest.param(way, marks=() if way in always else pytest.mark.soak) for way in WAYS],
    )
    def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
        root = tmp_path_factory.mktemp(f"{name}-{request.param}")
        folder = root / name
        shutil.copytree(BACKENDS / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
        studio = FakeProject()
        settings = {
            "LABEL_STUDIO_URL": studio.url,
            "LABEL_STUDIO_HOST": studio.url,
            "LABEL_STUDIO_API_KEY": TOKEN,
            "INVALID_PREDICTIONS": "refuse",  # as it is where nobody sets it; other tests' models say less
            "XDG_CACHE_HOME": str(root / "cache"),
            "XDG_DATA_HOME": str(root / "data"),
            **env,
        }
        live = Live(
            Backend(folder, root / "backend.log", env=settings, host="127.0.0.1"),
            cast("FakeStudio", studio),
            root / "control",
        )
        _start(live, request.param)
        yield Served(live, studio, label_config, request.param)
        left = live.backend.stop()
        studio.stop()
        assert not left, "the backend left processes"

    return cast("Callable[[pytest.FixtureRequest, pytest.TempPathFactory], Iterator[Served]]", served)

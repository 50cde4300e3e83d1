"""A project that has no label config yet: it is connected, said in one line, and served as soon as it has one."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from e2e.backend import Backend
from e2e.processes import wait_until
from live import CONFIG, annotation, project_fields, uid

MODEL = """\
from label_studio_ml.model import LabelStudioMLBase

class Eager(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.from_name, control = {first}
        self.labels = control["labels"]

    def predict(self, tasks, **kwargs):
        value = {{"choices": [self.labels[0]]}}
        region = {{"from_name": self.from_name, "to_name": "text", "type": "choices", "value": value}}
        return [{{"result": [region], "score": 0.5}} for _ in tasks]

    def fit(self, annotations, **kwargs):
        return {{"seen": len(list(annotations))}}
"""

#: How such classes look for the first control, and what that raises on an empty label config.
FIRST = {
    "StopIteration": "next(iter(self.parsed_label_config.items()))",
    "IndexError": "list(self.parsed_label_config.items())[0]",
    "KeyError": "'label', self.parsed_label_config['label']",
}

EMPTY = "<View></View>"


@pytest.fixture(
    params=[
        "StopIteration",
        "debug",
        *(pytest.param(name, marks=pytest.mark.soak) for name in FIRST if name != "StopIteration"),
    ]
)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A backend whose class looks at the label config when it is built, its model in a process or (debug) a thread."""
    first = FIRST.get(request.param, FIRST["StopIteration"])
    with _running(
        tmp_path, MODEL.format(first=first), ["--debug"] if request.param == "debug" else []
    ) as backend:
        yield backend


@contextlib.contextmanager
def _running(folder: Path, model: str, arguments: Sequence[str] = ()) -> Iterator[Backend]:
    """Start a backend of a model file, and end it."""
    (folder / "backend").mkdir()
    (folder / "backend" / "model.py").write_text(model)
    backend = Backend(folder / "backend", folder / "backend.log", arguments=arguments)
    backend.start()
    try:
        yield backend
    finally:
        left = backend.stop()
        print(backend.output()[-6000:])
    assert not left


def _post(backend: Backend, path: str, body: Any) -> requests.Response:
    return requests.post(f"{backend.url}{path}", json=body, timeout=60)


def _setup(backend: Backend, config: str) -> requests.Response:
    body = {"project": uid(1), "schema": config, "hostname": "", "access_token": ""}
    return _post(backend, "/setup", body)


def _predict(backend: Backend, config: str) -> requests.Response:
    tasks = [{"id": 1, "data": {"text": "x"}}]
    return _post(
        backend, "/predict", {"tasks": tasks, "project": uid(1), "label_config": config, "params": {}}
    )


def _chosen(answer: requests.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["results"][0]["result"][0]["value"]["choices"]


def test_it_is_connected_and_served_once_it_has_one(backend: Backend) -> None:
    answer = _setup(backend, EMPTY)
    assert (answer.status_code, answer.json()) == (200, {"model_version": "INITIAL"})
    refused = _predict(backend, EMPTY)
    assert refused.status_code == 400
    assert f"Project {uid(1)} has no label config yet, and Eager needs one: " in refused.json()["detail"]
    assert "Labeling Interface" in refused.json()["detail"]
    output = backend.output()
    assert "has no label config yet, and Eager needs one" in output
    assert "Traceback" not in output

    answer = _setup(backend, CONFIG)
    assert (answer.status_code, answer.json()) == (200, {"model_version": "INITIAL"})
    assert _chosen(_predict(backend, CONFIG)) == ["good"]


def test_it_is_said_of_a_class_that_is_built_after_setup_was_answered(tmp_path: Path) -> None:
    """`/setup` waits a moment only for a model that loads slowly; the line comes all the same."""
    gate = tmp_path / "gate"
    waits = f"""
        import pathlib, time
        while not pathlib.Path({str(gate)!r}).exists():
            time.sleep(0.02)
"""
    slow = MODEL.format(first=FIRST["KeyError"]).replace("(**kwargs)\n", f"(**kwargs)\n{waits}", 1)
    with _running(tmp_path, slow) as backend:
        assert _setup(backend, EMPTY).json() == {"model_version": "INITIAL"}
        assert "has no label config yet" not in backend.output()
        gate.touch()
        wait_until(lambda: "has no label config yet, and Eager needs one" in backend.output(), "it is said")


def test_a_version_outlives_an_empty_config(backend: Backend) -> None:
    """Emptying the label config does not mark the trained version as one that does not load."""
    _setup(backend, CONFIG)
    labelled = {"id": 1, "data": {"text": "x"}}
    event = {
        "action": "ANNOTATION_CREATED",
        "project": project_fields(1),
        "task": labelled,
        "annotation": annotation(1),
    }
    assert _post(backend, "/webhook", event).status_code == 201

    def version() -> str:
        named = str(_setup(backend, CONFIG).json()["model_version"])
        return "" if named == "INITIAL" else named

    trained = wait_until(version, "the trained version is served")
    assert _setup(backend, EMPTY).status_code == 200
    assert _predict(backend, EMPTY).status_code == 400
    assert version() == trained
    assert _chosen(_predict(backend, CONFIG)) == ["good"]
    shown = requests.get(f"{backend.url}/versions?project={uid(1)}", timeout=60).json()
    assert "does not load" not in backend.output()
    assert trained in str(shown)

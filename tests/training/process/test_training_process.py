"""One run: in this process, and as the child that it is."""
# mypy: disable-error-code="no-untyped-def, override"

import errno
import json
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import FitError, ModelFileError, TrainingDataError, VersionError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.storage import disk_errors
from label_studio_ml.storage.disk_errors import full_disk_fix, is_full
from label_studio_ml.studio.transport import http
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.process.messages import RunMessage, send_request
from label_studio_ml.training.process.run_request import Outcome, RunRequest
from label_studio_ml.training.process.training_process import encoded, perform, run
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.snapshots import SNAPSHOT
from label_studio_ml.user_code.code_identity import identify
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from live import CONFIG, MODELS, TOKEN, Control, FakeStudio, alive, annotation, created, task
from studio.fake import Asked, FakeServer, Reply

ROWS = [{**task(number), "annotations": [annotation(number)]} for number in (1, 2, 3)]


def _tasks() -> LabelledTasks:
    return LabelledTasks(lambda: iter(ROWS), "a test")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "backend"
    folder.mkdir()
    return Settings(backend_dir=folder, model_dir=folder / "data", log_dir=folder / "logs")


def _request(settings: Settings, *events: dict[str, Any], project: int = 1, **fields: Any) -> RunRequest:
    workdir = settings.model_dir / "workdir"
    workdir.mkdir(parents=True, exist_ok=True)
    spec = ModelSpec(project=Project(uid=f"{project}.5", label_config=CONFIG), **fields.pop("spec", {}))
    stored = [StoredEvent(event["action"], event, id=f"{number}-0") for number, event in enumerate(events)]
    return RunRequest(job="job", spec=spec, events=stored, workdir=str(workdir), **fields)


class Seed(LabelStudioMLBase):
    def fit(self, annotations, workdir=None, event=None, data=None, **kwargs):
        Path(workdir, "weights").write_text("w")
        self.set("note", "set in fit")
        return {"ids": [one["id"] for one in annotations], "event": event, "number": np.float32(0.5)}


def test_a_seed_fit(settings: Settings) -> None:
    outcome = perform(Seed, _request(settings, created(1, 7)), settings, tasks=_tasks())
    assert outcome.train_output == {
        "ids": [1, 2, 3],
        "event": "ANNOTATION_CREATED",
        "number": 0.5,
        "job_id": "job",
    }
    assert (outcome.changed, outcome.annotations, outcome.source) == (True, 3, "a test")
    assert outcome.state == {"note": "set in fit"}
    assert StoredState(settings.model_dir, "1.5").get("note") is None, "only a published run leaves state"


BOXES = (
    '<View><Image name="photo" value="$image"/>'
    '<RectangleLabels name="box" toName="photo"><Label value="Car"/></RectangleLabels></View>'
)


class Detector(LabelStudioMLBase):
    def fit(self, annotations, **kwargs):
        halves = annotations.split(test=0.5)
        examples = [
            each
            for half in halves
            for each in half.targets(self.controls.first("RectangleLabels", on="Image"))
        ]
        return {each.value: [Path(each.path).read_text(), each.boxes[0].label] for each in examples}


def test_targets_fetch_files_with_the_login_of_the_project(settings: Settings) -> None:
    studio = FakeServer()
    login = f"Token {'t' * 40}"
    for number in (1, 2, 3):
        studio.on(
            f"/data/upload/1/{number}.png",
            lambda asked: (
                Reply(200, asked.path[-5:].encode()) if asked.authorization == login else Reply(401)
            ),
        )
    region = {
        "id": "r",
        "type": "rectanglelabels",
        "from_name": "box",
        "to_name": "photo",
        "original_width": 10,
        "original_height": 10,
        "value": {"x": 0, "y": 0, "width": 50, "height": 50, "rectanglelabels": ["Car"]},
    }
    rows = [
        {
            "id": number,
            "data": {"image": f"/data/upload/1/{number}.png"},
            "annotations": [{"result": [region]}],
        }
        for number in (1, 2, 3)
    ]
    project = Project(
        uid="1.5", label_config=BOXES, hostname=studio.url, access_token="t" * 40, private=("127.0.0.1",)
    )
    request = msgspec.structs.replace(_request(settings, created(1, 7)), spec=ModelSpec(project=project))
    try:
        outcome = perform(Detector, request, settings, tasks=LabelledTasks.from_tasks(rows))
    finally:
        studio.stop()
    images = {f"/data/upload/1/{number}.png": [f"{number}.png", "Car"] for number in (1, 2, 3)}
    assert outcome.train_output == {**images, "job_id": "job"}


def test_exports_are_in_the_working_folder(settings: Settings) -> None:
    class Exporting(LabelStudioMLBase):
        def fit(self, annotations, workdir, **kwargs):
            first, second = annotations.split(test=0.5)
            control = next(iter(self.controls))
            return {
                "folders": [str(each.targets(control).workdir) for each in (annotations, first, second)],
                "workdir": workdir,
            }

    train_output = perform(
        Exporting, _request(settings, created(1, 7)), settings, tasks=_tasks()
    ).train_output
    assert train_output["folders"] == [train_output["workdir"]] * 3


def test_what_setup_sets_is_not_what_fit_set(settings: Settings) -> None:
    class Sets(Seed):
        def setup(self):
            self.set("model_version", "from setup")
            self.set("other", "from setup")

    outcome = perform(Sets, _request(settings, created(1, 7)), settings, tasks=_tasks())
    assert outcome.version == ""
    assert outcome.state == {"note": "set in fit"}


@pytest.mark.parametrize("value", [object(), lambda: 0])
def test_what_json_cannot_hold_is_named(settings: Settings, value: Any) -> None:
    class Returns(LabelStudioMLBase):
        def fit(self, annotations, **kwargs):
            return {"fine": 1, "model": value}

    with pytest.raises(FitError, match="'model'"):
        perform(Returns, _request(settings, created(1, 7)), settings, tasks=_tasks())


@pytest.mark.parametrize(
    "output", [{"\ud800": 1}, {"a": "\ud800"}, {"a": {"\udfff": 1}}, {"a": ["\ud83d"]}], ids=ascii
)
def test_halves_of_characters_in_what_fit_returns_are_named(
    settings: Settings, output: dict[str, Any]
) -> None:
    class Odd(LabelStudioMLBase):
        def fit(self, annotations: Any, **kwargs: Any) -> dict[str, Any]:
            return output

    request = _request(settings, {"action": "START_TRAINING", "annotations": []})
    outcome = run(request, settings, lambda: Odd)
    assert "fit returned" in outcome.error
    assert "surrogates not allowed" in outcome.error
    assert msgspec.json.decode(encoded(outcome), type=Outcome) == outcome


def test_what_else_cannot_be_said_of_a_run_is_a_failure_that_names_it() -> None:
    for field in ({"source": "\ud800"}, {"state": {"k": "\udc00"}}, {"metrics": {"\ud800": 1.0}}):
        told = msgspec.json.decode(encoded(Outcome(changed=True, generation="seed", **field)), type=Outcome)
        assert f"{next(iter(field))} of the run cannot be kept" in told.error
        assert (told.changed, told.generation) == (False, "seed")


def test_an_error_with_half_of_a_character_is_told(settings: Settings) -> None:
    class Odd(LabelStudioMLBase):
        def fit(self, annotations: Any, **kwargs: Any) -> dict[str, Any]:
            raise ValueError("bad \ud800 text")

    outcome = run(_request(settings, {"action": "START_TRAINING", "annotations": []}), settings, lambda: Odd)
    assert "bad \\ud800 text" in outcome.error
    assert msgspec.json.decode(encoded(outcome), type=Outcome).error == outcome.error


def test_tasks_that_came_with_the_request(settings: Settings) -> None:
    event = {"action": "START_TRAINING", "annotations": ROWS[:2], "project": {"id": 1}}
    outcome = perform(Seed, _request(settings, created(1, 7), event), settings)
    assert (outcome.annotations, outcome.source) == (2, "the training request")


def test_a_run_writes_a_snapshot_that_another_run_trains_on(settings: Settings) -> None:
    event = {"action": "START_TRAINING", "annotations": ROWS[:2], "project": {"id": 1}}
    request = _request(settings, event)
    store = VersionStore(settings.model_dir)
    workdir = store.begin("1.5", "id1")
    perform(Seed, msgspec.structs.replace(request, workdir=str(workdir)), settings)
    store.publish(Manifest(id="id1", name="one", project="1.5", fence=1, created=""))
    again = {"action": "START_TRAINING", "from_version": "one", "project": {"id": 1}}
    outcome = perform(Seed, _request(settings, created(1, 7), again), settings)
    assert outcome.train_output["ids"] == [1, 2]
    assert (outcome.annotations, outcome.source) == (2, "the snapshot of version one")
    assert (settings.model_dir / "workdir" / SNAPSHOT).read_bytes() == (workdir / SNAPSHOT).read_bytes()


def test_a_fit_that_stops_early_leaves_a_whole_snapshot(settings: Settings) -> None:
    class Impatient(LabelStudioMLBase):
        def fit(self, annotations, **kwargs):
            return {"first": next(iter(annotations))["id"]}

    event = {"action": "START_TRAINING", "annotations": ROWS, "project": {"id": 1}}
    outcome = perform(Impatient, _request(settings, event), settings)
    assert outcome.annotations == 3
    assert len(LabelledTasks.from_snapshot(settings.model_dir / "workdir" / SNAPSHOT)) == 3


def test_where_label_studio_is_out_of_reach_what_webhooks_brought_is_used(
    settings: Settings, tmp_path: Path
) -> None:
    delivered = tmp_path / "delivered.jsonl"
    delivered.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in ROWS))
    outcome = perform(Seed, _request(settings, created(1, 7), delivered=str(delivered)), settings)
    assert (outcome.train_output["ids"], outcome.source) == ([1, 2, 3], "webhook events")
    assert len(LabelledTasks.from_snapshot(settings.model_dir / "workdir" / SNAPSHOT)) == 3


@pytest.mark.parametrize(("status", "passing"), [(502, True), (429, True), (401, False), (404, False)])
def test_label_studio_that_answers_with_an_error_while_fit_reads(
    settings: Settings, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch, status: int, passing: bool
) -> None:
    """A run that fails after the first page of annotations is tried again if Label Studio may recover."""
    monkeypatch.setattr(http, "MAX_WAIT", 0.0)
    studio.add(3, *range(1, 151))
    first_page = studio.routes["/api/tasks/"]

    def pages(asked: Asked) -> Reply:
        limits = json.loads(asked.query["query"])["filters"]["items"]
        is_first = all(item["value"] == 0 for item in limits)
        return first_page(asked) if is_first else Reply.of({"detail": "an error"}, status)

    monkeypatch.setitem(studio.routes, "/api/tasks/", pages)
    request = _request(settings, created(3, 7), project=3)
    login = {"hostname": studio.url, "access_token": TOKEN, "private": ("*",)}
    project = msgspec.structs.replace(request.spec.project, **login)
    request = msgspec.structs.replace(request, spec=msgspec.structs.replace(request.spec, project=project))
    outcome = run(request, settings, lambda: Seed)
    assert f"{status} at {studio.url}/api/tasks/" in outcome.error
    assert (outcome.passing, bool(outcome.refused)) == (passing, status == 401)


def test_annotations_from_nowhere(settings: Settings) -> None:
    with pytest.raises(FitError, match="project 1 cannot be read"):
        perform(Seed, _request(settings, created(1, 7)), settings)


class Events(LabelStudioMLBase):
    TRAIN_EVENTS = ("ANNOTATION_CREATED",)

    def fit(self, event, data, **kwargs):
        seen = [*(self.get("seen") or "").split(), f"{event}:{data.get('annotation', {}).get('id')}"]
        self.set("seen", " ".join(seen))


def test_only_the_events_that_the_class_wants(settings: Settings) -> None:
    other = {"action": "ANNOTATION_UPDATED", "project": {"id": 1}}
    start = {"action": "START_TRAINING", "project": {"id": 1}}
    outcome = perform(Events, _request(settings, created(1, 1), other, start), settings)
    assert outcome.state["seen"] == "ANNOTATION_CREATED:1001 START_TRAINING:None"
    outcome = perform(Events, _request(settings, other), settings)
    assert not outcome.changed


@pytest.mark.parametrize("returned", [None, False, {}, "", []])
def test_an_event_fit_that_changes_nothing_makes_no_version_and_says_so(
    settings: Settings, returned: Any
) -> None:
    class Idle(LabelStudioMLBase):
        def fit(self, event, data, **kwargs):
            return returned

    outcome = perform(Idle, _request(settings, created(1, 1)), settings)
    assert (outcome.changed, outcome.error) == (False, "")
    assert "fit returned nothing, changed no value" in outcome.message
    ignored = perform(Events, _request(settings, {"action": "ANNOTATION_UPDATED"}), settings)
    assert "none of the events starts a training" in ignored.message


@pytest.mark.parametrize("returned", [{"path": "w.bin"}, "done", 7, True, ["x"]])
def test_an_event_fit_that_returns_something_makes_a_version(settings: Settings, returned: Any) -> None:
    class Returns(LabelStudioMLBase):
        def fit(self, event, data, **kwargs):
            return returned

    outcome = perform(Returns, _request(settings, created(1, 1)), settings)
    assert (outcome.changed, outcome.message) == (True, "")
    own = returned if isinstance(returned, dict) else {}
    assert outcome.train_output == {**own, "job_id": "job"}


def test_a_dict_that_an_event_fit_returns_comes_back_as_train_output(settings: Settings) -> None:
    seen = []

    class Learns(LabelStudioMLBase):
        def fit(self, event, data, **kwargs):
            seen.append(dict(self.train_output))
            if event == "START_TRAINING":
                return None
            return {"steps": self.train_output.get("steps", 0) + 1, "model": object()}

    start = {"action": "START_TRAINING", "project": {"id": 1}}
    request = _request(settings, created(1, 1), created(1, 2), start)
    outcome = perform(Learns, request, settings)
    assert outcome.train_output == {"steps": 2, "job_id": "job"}
    assert seen == [{}, {"steps": 1, "job_id": "job"}, {"steps": 2, "job_id": "job"}]
    spec = {"version": "0.0.1-2", "train_output": {"steps": 2, "job_id": "before"}}
    kept = perform(Learns, _request(settings, start, spec=spec), settings)
    assert (kept.changed, kept.train_output["steps"]) == (False, 2)


def test_a_database_that_cannot_be_used_for_now_takes_no_events_with_it(settings: Settings) -> None:
    class Reads(LabelStudioMLBase):
        def fit(self, annotations, **kwargs):
            try:
                raise sqlite3.OperationalError("disk I/O error")
            except sqlite3.OperationalError as error:
                raise VersionError("The state file cannot be used") from error

    request = _request(settings, {"action": "START_TRAINING", "annotations": []})
    outcome = run(request, settings, lambda: Reads)
    assert (outcome.passing, outcome.error) == (True, "The state file cannot be used")


def test_a_database_that_cannot_be_used_for_now_is_no_failure_of_one_of_several_events(
    settings: Settings,
) -> None:
    class Reads(LabelStudioMLBase):
        def fit(self, event, data, **kwargs):
            if data["annotation"]["id"] != 1002:
                return True
            raise VersionError("The state file cannot be used") from sqlite3.OperationalError(
                "disk I/O error"
            )

    outcome = run(_request(settings, created(1, 1), created(1, 2)), settings, lambda: Reads)
    assert outcome.error == "The state file cannot be used"
    assert (outcome.passing, outcome.changed, outcome.last) == (True, False, "")


def test_an_async_event_fit_is_run(settings: Settings) -> None:
    class Async(LabelStudioMLBase):
        async def fit(self, event, data, **kwargs):
            return {"event": event}

    outcome = perform(Async, _request(settings, created(1, 1)), settings)
    assert outcome.train_output == {"event": "ANNOTATION_CREATED", "job_id": "job"}


class Template(LabelStudioMLBase):
    """As the later generation's template does it: the same values for each event."""

    def fit(self, event, data, **kwargs):
        self.set("my_data", "my_new_data_value")
        self.set("model_version", "my_new_model_version")


def test_setting_the_values_that_are_there_makes_no_version(settings: Settings) -> None:
    request = _request(settings, created(1, 1))
    first = perform(Template, request, settings)
    assert (first.changed, first.version) == (True, "my_new_model_version")
    StoredState(settings.model_dir, "1.5").update(first.state)
    for name in ("my_new_model_version", "my_new_model_version-2"):
        StoredState(settings.model_dir, "1.5").set("model_version", name)
        again = perform(Template, _request(settings, created(1, 1), spec={"version": name}), settings)
        assert not again.changed, name
        assert "changed no value" in again.message
    StoredState(settings.model_dir, "1.5").set("my_data", "other")
    assert perform(Template, _request(settings, created(1, 1), spec={"version": name}), settings).changed


@pytest.mark.parametrize("where", ["backend", "MODEL_DIR", "MODEL_ROOT", "workdir"])
def test_an_event_fit_that_writes_a_file_does(settings: Settings, tmp_path: Path, where: str) -> None:
    models, root = settings.backend_dir / "models", tmp_path / "root"
    for folder in (models / "versions", root):
        folder.mkdir(parents=True)
    settings = replace(settings, user_model_dir=Path("models"), model_dir=models, model_root=root)
    request = _request(settings, created(1, 1))
    folders = {
        "backend": settings.backend_dir,
        "MODEL_DIR": models,
        "MODEL_ROOT": root,
        "workdir": Path(request.workdir),
    }

    class Writes(LabelStudioMLBase):
        def fit(self, event, data, **kwargs):
            (folders[where] / "weights.bin").write_text("w")

    assert perform(Writes, request, settings).changed


def test_files_that_the_backend_writes_itself_make_no_version(settings: Settings) -> None:
    models = settings.backend_dir / "models"
    (models / "versions").mkdir(parents=True)
    settings = replace(settings, user_model_dir=Path("models"), model_dir=models)
    request = _request(settings, created(1, 1))

    class Elsewhere(LabelStudioMLBase):
        def fit(self, event, data, **kwargs):
            (models / "projects.db").write_text("what the server writes meanwhile")
            (models / "versions" / "manifest.json").write_text("another project's")
            settings.log_dir.mkdir(exist_ok=True)
            (settings.log_dir / "server.log").write_text("line")

    assert not perform(Elsewhere, request, settings).changed


def test_our_rotated_log_below_the_working_folder_makes_no_version(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = replace(settings, log_dir=tmp_path / "written" / "here")
    settings.log_dir.mkdir(parents=True)

    class Rotates(LabelStudioMLBase):
        def fit(self, event, data, **kwargs):
            (settings.log_dir / "server.log.1").write_text("line")

    assert not perform(Rotates, _request(settings, created(1, 1)), settings).changed


def test_a_class_without_fit_says_so(settings: Settings) -> None:
    class NoFit(LabelStudioMLBase):
        def predict(self, tasks, **kwargs):
            return []

    with pytest.raises(FitError, match=r"NoFit has no fit method.*Define fit\(self, annotations"):
        perform(NoFit, _request(settings, created(1, 1)), settings, tasks=_tasks())


@pytest.mark.parametrize("error", [ValueError("why"), SystemExit(2), MemoryError(), RecursionError()])
def test_whatever_fit_raises_is_an_outcome(settings: Settings, error: BaseException) -> None:
    class Raises(LabelStudioMLBase):
        def fit(self, event, data, **kwargs):
            raise error

    outcome = run(_request(settings, created(1, 1)), settings, lambda: Raises)
    assert outcome.error.startswith(type(error).__name__)
    assert "test_training_process.py, line" in outcome.error
    assert "Traceback" in outcome.trace
    assert not outcome.changed


def test_too_few_annotations_are_told_in_one_line(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    class Raises(LabelStudioMLBase):
        def fit(self, annotations, **kwargs):
            raise TrainingDataError("Training needs two labels")

    event = {"action": "START_TRAINING", "annotations": ROWS[:2], "project": {"id": 1}}
    with caplog.at_level(logging.INFO):
        outcome = run(_request(settings, event), settings, lambda: Raises)
    assert (outcome.error, outcome.trace, outcome.changed) == ("Training needs two labels", "", False)
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert (record.levelname, record.message) == ("WARNING", "Nothing is learnt: Training needs two labels")
    assert record.exc_info is None


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_disk_passes_and_is_named(settings: Settings, *, wrapped: bool) -> None:
    """No event counts as done: what the events before have written may be cut off."""

    class Full(LabelStudioMLBase):
        def fit(self, event, data, **kwargs):
            if data["annotation"]["id"] != 1002:
                return True
            error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere/weights")
            if wrapped:
                raise RuntimeError("cannot save") from error
            raise error

    outcome = run(_request(settings, created(1, 1), created(1, 2)), settings, lambda: Full)
    assert outcome.error.startswith(
        "RuntimeError: cannot save" if wrapped else "OSError: [Errno 28] No space"
    )
    assert outcome.error.endswith(". The disk of /somewhere/weights is full: make room on it")
    assert (outcome.passing, outcome.changed, outcome.last) == (True, False, "")


def test_the_full_one_of_several_places_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    places = [Path("/one"), Path("/other")]
    monkeypatch.setattr(disk_errors, "free_bytes", lambda place: 0 if place == places[1] else 1 << 40)
    assert full_disk_fix(error, places) == "The disk of /other is full: make room on it"
    assert full_disk_fix(error, places[:1]) == "A disk that fit writes to is full: make room on it"


def test_a_machine_without_shared_memory_is_not_told_of_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(LabelStudioMLBase):
        def fit(self, event, data, **kwargs):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    shared, is_dir = Path("/dev/shm"), Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda path: path != shared and is_dir(path))
    monkeypatch.setattr(disk_errors, "free_bytes", lambda place: 0 if place == shared else 1 << 40)
    outcome = run(_request(settings, created(1, 1)), settings, lambda: Full)
    assert outcome.error.endswith("A disk that fit writes to is full: make room on it")


def test_an_error_that_is_its_own_cause_is_looked_at_once() -> None:
    error = ValueError("a bug")
    error.__cause__ = error
    assert not is_full(error, Path("/"))
    assert full_disk_fix(error, []) == "A disk that fit writes to is full: make room on it"


def test_the_file_of_another_error_is_not_the_one_on_the_full_disk() -> None:
    error = FileNotFoundError(errno.ENOENT, "No such file", "/elsewhere/config")
    error.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere/weights")
    assert is_full(error)
    assert full_disk_fix(error, []) == "The disk of /somewhere/weights is full: make room on it"


def test_a_model_file_that_is_gone_is_an_outcome(settings: Settings) -> None:
    def load() -> Any:
        raise ModelFileError("model.py is gone")

    outcome = run(_request(settings), settings, load)
    assert (outcome.error, outcome.trace) == ("model.py is gone", "")


# As a process


class RunProcess:
    """A training run with its guard, and the worker's ends of their sockets."""

    def __init__(
        self, settings: Settings, control: Path, request: RunRequest, patience: float = 0.0, **env: str
    ) -> None:
        for name in ("behave", "seed_model"):
            shutil.copy(MODELS / f"{name}.py", settings.backend_dir)
        self.connection, theirs = socket.socketpair()
        self.guard, guards = socket.socketpair()
        self.connection.settimeout(60)
        self.guard.settimeout(60)
        ends = [theirs.fileno(), guards.fileno()]
        with theirs, guards:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "label_studio_ml.training.process.training_process",
                    *map(str, ends),
                    str(patience),
                ],
                pass_fds=ends,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={
                    **settings.child_env(),
                    "FIT_CONTROL": str(control),
                    "LABEL_STUDIO_ML_SCRIPT": "seed_model.py",
                    **env,
                },
                start_new_session=True,
            )
        send_request(self.connection, msgspec.json.encode(request))
        self.run = int(self.guard.recv(64))

    def outcome(self) -> Outcome:
        received = b""
        while True:
            data = self.connection.recv(1 << 16)
            assert data, "the child ended"
            *lines, received = (received + data).split(b"\n")
            for line in lines:
                outcome = msgspec.json.decode(
                    msgspec.json.decode(line, type=RunMessage).outcome, type=Outcome | None
                )
                if outcome is not None:
                    return outcome

    def members(self) -> list[int]:
        """Return the living processes of the guard's and of the run's group."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if os.getpgid(int(entry.name)) in (self.process.pid, self.run) and alive(int(entry.name)):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found


@pytest.fixture
def control(tmp_path: Path) -> Control:
    return Control(tmp_path / "control" / "1")


@pytest.fixture
def children() -> Iterator[list[RunProcess]]:
    made: list[RunProcess] = []
    yield made
    for child in made:
        child.connection.close()
        child.guard.close()
        for pid in child.members():
            os.kill(pid, 9)
        child.process.wait(20)


def test_a_child_answers_and_ends(
    settings: Settings, control: Control, children: list[RunProcess], studio: FakeStudio
) -> None:
    studio.add(1, 1, 2)
    request = _request(settings, created(1, 1))
    login = {"hostname": studio.url, "access_token": TOKEN, "private": ("*",)}
    project = msgspec.structs.replace(request.spec.project, **login)
    spec = msgspec.structs.replace(request.spec, project=project)
    children.append(
        RunProcess(settings, control.folder.parent, msgspec.structs.replace(request, spec=spec), 250.0)
    )
    outcome = children[0].outcome()
    assert (outcome.error, outcome.train_output["tasks"]) == ("", 2)
    assert outcome.code == identify(settings.backend_dir / "seed_model.py")
    assert set(outcome.code.files) == {"seed_model.py", "behave.py"}
    assert children[0].process.wait(60) == 0


def _waiting(settings: Settings, control: Control, children: list[RunProcess], patience: float) -> RunProcess:
    """Return a child in its fit, whose worker has spoken until now."""
    event = {"action": "START_TRAINING", "annotations": ROWS, "project": {"id": 1}}
    control.close_gate()
    children.append(RunProcess(settings, control.folder.parent, _request(settings, event), patience))

    def begun() -> bool:
        children[-1].guard.sendall(b"\n")
        return bool(control.fits())

    wait_until(begun, "the fit begins", every=0.02)
    return children[-1]


def test_a_child_ends_with_its_worker(
    settings: Settings, control: Control, children: list[RunProcess]
) -> None:
    _waiting(settings, control, children, 0.0)
    assert children[0].members()
    children[0].guard.close()
    wait_until(lambda: not children[0].members(), "the whole group ends", every=0.02)


def test_a_child_whose_worker_is_silent_ends(
    settings: Settings, control: Control, children: list[RunProcess]
) -> None:
    _waiting(settings, control, children, 2.0)
    assert children[0].process.wait(60) != 0
    assert not control.fits("end")


def test_a_child_whose_worker_speaks_goes_on(
    settings: Settings, control: Control, children: list[RunProcess]
) -> None:
    _waiting(settings, control, children, 2.0)
    spoken = 0

    def said() -> bool:
        nonlocal spoken
        spoken += 1
        children[0].guard.sendall(b"\n")
        assert children[0].process.poll() is None
        return spoken > 40

    wait_until(said, "four seconds of words", every=0.1)
    control.open_gate()
    assert children[0].outcome().error == ""

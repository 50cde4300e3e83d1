"""The checks without servers: what is left out, what breaks, and how it is shown. With servers: e2e/test_doctor.py."""

import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.connect.backend_client import port_of, view
from label_studio_ml.doctor import examine, machine, server, studio, work
from label_studio_ml.doctor.check import Check, Status, ok, skip, warn
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import StudioError
from label_studio_ml.protocol.prediction_json import ODD_SCORES
from label_studio_ml.storage.server_address import announced
from label_studio_ml.studio.resources.label_studio import LabelStudio
from label_studio_ml.versions.operations import promote
from label_studio_ml.versions.store.decision_files import COPY, DECISION
from versions.made import Made, P


@pytest.fixture
def context(tmp_path: Path) -> Context:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data")
    url = "http://localhost:1"
    return Context(
        settings=settings,
        folder=tmp_path,
        port=1,
        view=view(settings, url, 1),
        url=url,
        name="",
        options=("--x",),
    )


def _one(found: Iterator[Check]) -> Check:
    (check,) = found
    return check


def test_without_label_studio_the_rest_is_looked_at(context: Context) -> None:
    found = {check.name: check.status for check in examine.examine(context)}
    assert len(found) == len(examine.CHECKS) - 6, (
        "no setting names a missing file; there is no store to look at, no Redis that others use, no damage, nothing "
        "waits on the disk, and no class with parameters was imported"
    )
    assert {name for name, status in found.items() if status is Status.FAIL} == {"model file", "server"}
    assert {name for name, status in found.items() if status is Status.OK} == {
        "packages",
        "disk",
        "decisions",
    }


def test_a_decision_that_cannot_be_read(context: Context) -> None:
    made = Made(context.settings.model_dir)
    made.add_all("ab")
    promote(made.store, made.folder, P, "a")
    assert _one(machine.decisions(context)).status is Status.OK
    for name in (DECISION, COPY):
        (made.store.folder(P) / name).write_bytes(b"")
    check = _one(machine.decisions(context))
    assert check.status is Status.FAIL
    assert f"project {P} is to be served cannot be read" in check.what
    assert check.fix.startswith(f"label-studio-ml promote {context.folder} VERSION")


def test_a_file_in_place_of_a_projects_folder(context: Context) -> None:
    made = Made(context.settings.model_dir)
    made.add_all("a")
    folder = made.store.folder(P)
    folder.rename(context.settings.model_dir / "away")
    folder.write_text("in the way")
    check = _one(machine.decisions(context))
    assert check.status is Status.FAIL
    assert f"project {P} cannot be read: {folder} is a file" in check.what
    assert check.fix.endswith(f"mv {folder} {folder}.moved")


def test_a_file_in_place_of_the_model_folder_is_one_fault(context: Context) -> None:
    context.settings.model_dir.parent.mkdir(parents=True, exist_ok=True)
    context.settings.model_dir.touch()
    assert _one(machine.disk(context)).status is Status.FAIL
    for check in (machine.decisions, server.spool):
        found = _one(check(context))
        assert (found.status, found.what) == (Status.SKIP, "the model folder cannot be read")


def test_a_database_that_was_set_aside(context: Context) -> None:
    folder = context.settings.model_dir
    folder.mkdir()
    assert list(machine.set_aside(context)) == []
    for suffix in ("", "-wal"):
        (folder / f"state.db.damaged-20261128-201500{suffix}").write_bytes(b"")
    check = _one(machine.set_aside(context))
    assert check.status is Status.WARN
    assert str(folder / "state.db.damaged-20261128-201500 was damaged") in check.what


def test_a_copy_of_a_damaged_append_only_file(context: Context) -> None:
    copy = context.settings.model_dir / "broker" / "appendonlydir.damaged-20261128-201500"
    copy.mkdir(parents=True)
    check = _one(machine.set_aside(context))
    assert check.status is Status.WARN
    assert str(copy) in check.what


def test_invalid_predictions_are_counted_by_kind(context: Context) -> None:
    assert work.invalid_predictions(context).status is Status.SKIP
    context.about = {"invalid_predictions": {}}
    assert work.invalid_predictions(context).status is Status.OK
    context.about = {"invalid_predictions": {ODD_SCORES: 7, "regions of 'a': x": 1}}
    check = work.invalid_predictions(context)
    assert (check.status, check.what) == (Status.WARN, f"7 times {ODD_SCORES} (and 1 other kind)")
    assert "return a probability as score" in check.fix
    context.about = {"invalid_predictions": {"regions of 'a': x": 2, "regions of 'b': y": 5}}
    check = work.invalid_predictions(context)
    assert (check.status, check.what) == (Status.WARN, "5 times regions of 'b': y (and 1 other kind)")
    assert "start --debug" in check.fix
    context.about = {"invalid_predictions": {"regions of 'b': the label 'x' is not in the label config": 1}}
    assert "parsed_label_config" in work.invalid_predictions(context).fix


def test_a_check_that_breaks_hides_no_other(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_check(_: Context) -> Iterator[Check]:
        yield ok("first half", "fine")
        raise ZeroDivisionError("oops")

    def refused_check(_: Context) -> Iterator[Check]:
        raise StudioError("no", fix="yes")
        yield

    monkeypatch.setattr(examine, "CHECKS", (broken_check, refused_check, machine.disk))
    found = list(examine.examine(context))
    assert [check.status for check in found] == ["ok", "fail", "fail", "ok"]
    assert "ZeroDivisionError: oops" in found[1].what
    assert (found[2].name, found[2].fix) == ("refused check", "yes")
    assert examine.exit_code(found) == 1
    assert examine.exit_code([warn("a", "b", "c"), skip("a", "b")]) == 0


@pytest.mark.parametrize(("free", "status"), [(1, "fail"), (500 << 20, "warn"), (2 << 30, "ok")])
def test_disk(context: Context, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    usage = shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert _one(machine.disk(context)).status == status


class FakeLabelStudio:
    """A Label Studio that says of itself what a test wants."""

    url = "http://ls"

    def __init__(self, release: str = "1.23.2", difference: float | None = 0.0) -> None:
        self.release = release
        self.difference = difference

    def version(self) -> str:
        return self.release

    def clock_difference(self) -> float | None:
        return self.difference


@pytest.mark.parametrize(
    ("release", "status"),
    [("1.23.2", "ok"), ("1.13.0", "ok"), ("1.12.1", "fail"), ("2.0dev", "ok"), ("1.²", "fail")],
)
def test_release(context: Context, release: str, status: str) -> None:
    context.studio = cast("LabelStudio", FakeLabelStudio(release))
    assert studio.reachable(context).status == status


@pytest.mark.parametrize(
    ("difference", "status", "what"),
    [(2.0, "ok", "2 s"), (400.0, "warn", "ahead"), (-400.0, "warn", "behind"), (None, "skip", "time")],
)
def test_clock(context: Context, difference: float | None, status: str, what: str) -> None:
    context.studio = cast("LabelStudio", FakeLabelStudio(difference=difference))
    context.studio_works = True
    found = studio.clock(context)
    assert found.status == status
    assert what in found.what


def test_without_a_token_none_is_said_to_be_refused(context: Context) -> None:
    context.studio = LabelStudio.open(replace(context.settings, studio_url="http://ls"))
    context.studio_works = True
    check = studio.token(context)
    assert (check.status, context.studio_works) == (Status.FAIL, False)
    assert check.what.startswith("none is given")
    assert "personal access token at http://ls/user/account, and set LABEL_STUDIO_API_KEY" in check.fix


def test_missing_package(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(_: str) -> list[str]:
        return ["no-such-package[x]>=1,<2", "other ; extra == 'test'", "redis>=5"]

    monkeypatch.setattr("importlib.metadata.requires", requires)
    found = machine.packages(context)
    assert found.fix == "Run: pip install no-such-package"


def test_connect_is_advised_with_the_same_options(context: Context) -> None:
    assert context.connect_command == f"Run: label-studio-ml connect {context.folder} --x"


def test_an_advised_command_can_be_pasted_whatever_the_folder_is_called(context: Context) -> None:
    context.folder = context.folder / "my backend"
    context.options = ("--project", "7")
    assert context.connect_command == f"Run: label-studio-ml connect '{context.folder}' --project 7"
    down = _one(server.server(context))
    assert down.fix == f"Run: label-studio-ml start '{context.folder}' --port 1"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"text": "a"}, "task 1 refers to no file"),
        ({"image": "data:text/plain;base64,YQ=="}, "task 1 refers to 1 file: data:"),
        (
            {"a": "data:text/plain;base64,YQ==", "b": "data:text/plain;base64,Yg=="},
            "task 1 refers to 2 files: ",
        ),
    ],
)
def test_files_are_counted(context: Context, data: dict[str, str], what: str) -> None:
    context.task = {"id": 1, "data": data}
    found = work.files(context)
    assert found.what.startswith(what)


def test_model_file_in_its_own_interpreter(context: Context) -> None:
    (context.folder / "model.py").write_text(
        "from label_studio_ml.model import LabelStudioMLBase\n"
        "class M(LabelStudioMLBase):\n"
        "    def __init__(self, **kwargs):\n"
        "        super().__init__(**kwargs)\n"
        "        if 'choice' not in self.parsed_label_config: raise ValueError('no choice here')\n"
        "    def predict(self, tasks, **kwargs): return []\n"
    )
    found: list[Any] = [*machine.model_file(context)]
    context.model_works = True
    for xml in (
        '<View><Text name="t" value="$t"/><Labels name="x" toName="t"><Label value="a"/></Labels></View>',
        '<View><Text name="t" value="$t"/><Choices name="choice" toName="t"><Choice value="a"/></Choices></View>',
        "<View></View>",
    ):
        context.project = {"label_config": xml}
        found.append(machine.label_config(context))
    assert [check.status for check in found[1:]] == ["fail", "ok", "fail"]
    assert "no choice here" in found[1].what
    assert found[1].what.endswith("(model.py, line 5)"), "the code is not part of the text"
    assert [check.code for check in found[1:]] == ["LSML-E320", "", ""]


PROJECT = {"id": 1, "created_at": "2026-01-01T00:00:00Z", "title": "t", "show_collab_predictions": True}


class Chooser(FakeLabelStudio):
    """Has a task for each of the versions `stored`, with a prediction of it; the column shows that of the `chosen`."""

    def __init__(self, *stored: str, chosen: str = "") -> None:
        super().__init__()
        self.stored = stored
        self.tasks = self
        self.chosen = chosen

    def predicted(self, number: int, version: str = "") -> dict[str, Any] | None:
        for one in self.stored:
            if version in ("", one):
                shown = 0.5 if one == self.chosen else None
                return {"predictions": [{"model_version": one, "score": 0.5}], "predictions_score": shown}
        return None


@pytest.mark.parametrize(
    ("chosen", "status", "what"),
    [
        ("mine", "ok", "tasks show the predictions of 'mine'"),
        ("rank-entropy-20261128-120000", "ok", "in the order of rank-entropy-20261128-120000"),
        ("stored-1", "ok", "the stored predictions of version stored-1"),
        ("other", "warn", "not this backend's title"),
        ("", "warn", "no predictions show in tasks"),
    ],
)
def test_what_somebody_chose_is_no_fault(context: Context, chosen: str, status: str, what: str) -> None:
    context.studio = cast("LabelStudio", Chooser("stored-0", "stored-1"))
    context.project, context.entry = {**PROJECT, "model_version": chosen}, {"title": "mine"}
    context.number = 1
    check = work.prelabeling(context)
    assert check.status == status
    assert what in check.what


def test_a_backend_that_is_not_asked_is_not_to_be_chosen(context: Context) -> None:
    """`connect` would keep the choice: the backend before it has to be removed first."""
    context.studio, context.first_backend = cast("LabelStudio", Chooser("stored-0", "stored-1")), "other"
    context.project, context.entry = {**PROJECT, "model_version": "other"}, {"title": "mine"}
    context.number = 1
    check = work.prelabeling(context)
    assert (check.status, check.what) == ("skip", "Label Studio asks 'other' instead")


@pytest.mark.parametrize(
    ("chosen", "status", "what"),
    [
        # rank leaves out tasks that are labelled: those have predictions of other versions only
        ("rank-entropy-20261128-120000", "ok", "the column shows them"),
        ("stored-1", "ok", "the column shows them"),
        ("mine", "warn", "it shows predictions of version 'mine' only, and theirs is 'stored-1'"),
    ],
)
def test_scores_of_the_version_that_is_chosen(context: Context, chosen: str, status: str, what: str) -> None:
    context.studio = cast("LabelStudio", Chooser("stored-1", "rank-entropy-20261128-120000", chosen=chosen))
    context.project, context.number = {**PROJECT, "model_version": chosen}, 1
    check = work.score_column(context)
    assert check.status == status
    assert what in check.what


def _scored(version: str, created: str) -> dict[str, Any]:
    return {"model_version": version, "score": 0.5, "created_at": created}


@pytest.mark.parametrize(
    ("served", "advised"), [("v1", "v1"), ("v2", "v2"), ("v3", "v3"), ("untrained", "v2"), ("", "v2")]
)
def test_the_score_column_is_advised_to_show_the_served_or_newest_version(
    context: Context, served: str, advised: str
) -> None:
    class Several(Chooser):
        def predicted(self, number: int, version: str = "") -> dict[str, Any] | None:
            newest_first = [_scored("v2", "2026-11-29T21:20:48Z"), _scored("v1", "2026-11-29T21:11:22Z")]
            if version == "v3":  # only some tasks have a prediction of a version that was trained just now
                newest_first = [_scored("v3", "2026-11-29T22:00:00Z"), *newest_first]
            return {"predictions": newest_first} if version in ("", "v1", "v2", "v3") else None

    context.studio = cast("LabelStudio", Several())
    context.project, context.number = {**PROJECT, "model_version": "mine"}, 1
    context.entry = {"model_version": served}
    assert f"or choose version {advised} in the project" in work.score_column(context).fix


def test_a_label_studio_below_a_path(context: Context) -> None:
    context.settings = replace(context.settings, studio_url="http://studio.example")
    context.task = {"id": 1, "data": {"image": "/ls/data/upload/1/a.png", "text": "/not/a/file"}}
    check = work.files(context)
    assert check.status == "fail"
    assert "Label Studio is below /ls" in check.what
    assert check.fix == "Set LABEL_STUDIO_URL (or --url) to http://studio.example/ls"


def test_where_the_running_server_listens_is_known(context: Context) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        with announced(context.settings.model_dir, "127.0.0.1", port):
            assert port_of(context.settings, None) == port
            assert port_of(context.settings, 9999) == 9999
            assert view(context.settings, f"http://localhost:{port}", port).urls == (
                f"http://127.0.0.1:{port}",
            )
            context.port, context.view = 1, view(context.settings, "http://127.0.0.1:1", 1)
            check = _one(server.server(context))
            assert check.what == f"it is not on port 1: it listens at http://127.0.0.1:{port}"
            assert check.fix == f"Leave out --port, or give --port {port}"
    assert port_of(context.settings, None) == 9090


def test_a_server_that_listens_at_one_address_only(context: Context) -> None:
    with announced(context.settings.model_dir, "127.0.0.2", 9123):
        found = view(context.settings, "http://10.0.0.1:9123", 9123)
    assert found.urls == ("http://10.0.0.1:9123", "http://127.0.0.2:9123", "http://127.0.0.1:9123")


def test_a_stored_address_with_an_impossible_port(context: Context) -> None:
    with announced(context.settings.model_dir, "127.0.0.1", 99999):
        assert port_of(context.settings, None) == 9090
        check = _one(server.server(context))
    assert (check.status, check.what) == (Status.FAIL, "it is not up; port 1 is free")

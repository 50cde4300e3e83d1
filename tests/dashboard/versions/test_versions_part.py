"""The API of the views of versions: what is listed, shown, compared, sent and done."""

import asyncio
import gzip
import json
import os
import threading
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
import pytest

from label_studio_ml.config.metric_gate import Comparison
from label_studio_ml.dashboard.page_router import PageRouter
from label_studio_ml.dashboard.versions import report_views
from label_studio_ml.dashboard.versions.versions_part import VersionsPart
from label_studio_ml.errors import (
    ForeignOrigin,
    ReadOnlyLogin,
    RequestError,
    UnknownProject,
    UnknownVersion,
    VersionError,
)
from label_studio_ml.evaluation.metrics.results import Confusion, Evaluation, Measured, Selection, WorstTask
from label_studio_ml.http_server.messages import Call, Response
from label_studio_ml.versions import archive
from label_studio_ml.versions.evaluation_reports import EvaluationReports
from label_studio_ml.versions.state.project_state import Project, Projects
from label_studio_ml.versions.store.manifest import MANIFEST, Manifest
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.security.login_sessions import Session
from versions.made import Made, P

T = TypeVar("T")

OPERATOR, VIEWER = Session("op", operator=True, csrf="t"), Session("looks", operator=False, csrf="t")
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m \u202eevil " + "x" * 100


class Api:
    """The part over a model folder, and the requests of a page."""

    def __init__(self, folder: Path) -> None:
        self.made = Made(folder)
        projects = Projects(folder)
        projects.put(Project(uid=P, title="Seven", hostname="http://studio.example:8080/"))
        self.part = VersionsPart(
            self.made.store, folder, ProjectRegistry(projects), lambda: None, streams=True
        )
        self._router = PageRouter(self.part.routes)

    def respond(self, method: str, path: str, body: Any = None, *, session: Session = OPERATOR) -> Response:
        path, _, query = path.partition("?")
        call = Call(
            method,
            f"/dashboard/api/{path}",
            query,
            {"x-csrf-token": "t"},
            msgspec.json.encode(body if body is not None else {}),
        )
        return _run(self._router.respond(call, session))

    def get(self, path: str) -> Any:
        response = self.respond("GET", path)
        assert response.status == 200
        return json.loads(response.body)

    def post(self, path: str, body: Any = None) -> Any:
        response = self.respond("POST", path, body)
        assert response.status == 200
        return json.loads(response.body)

    def changes(self) -> Any:
        return _run(self.part.topics[0].read(P))


def _run(awaitable: Awaitable[T]) -> T:
    async def wait() -> T:
        return await awaitable

    return asyncio.run(wait())


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


def _report(version: str, **fields: Any) -> Evaluation:
    return Evaluation(
        **{
            "project": "7",
            "version": version,
            "created": "2026-01-02T00:00:00+00:00",
            "source": "Label Studio",
            "tasks": Selection(how="held out", annotated=9, used=4, seen=0),
            "failed": 0,
            "failures": [],
            "controls": {
                "sentiment": Measured(
                    kind="choices",
                    tasks=4,
                    metrics={"accuracy": 0.75, "nothing": None},
                    labels={"a": {"precision": 1.0, "support": 3.0}, HOSTILE: {"precision": 0.5}},
                    confusion=Confusion(["a", "b"], [[2, 1], [0, 1]]),
                )
            },
            "not_measured": {"track": "there is no metric for this kind of region"},
            "worst_tasks": [WorstTask(task=12, agreement=0.25, annotated={"a": 1}, predicted={"b": 1})],
            **fields,
        }
    )


def test_the_list_has_what_the_command_lists_and_differences_from_the_parent(api: Api) -> None:
    api.made.add("a", metrics={"accuracy": 0.8, "loss": 1.5, "colour": 1})
    api.made.add("b", metrics={"accuracy": 0.9, "loss": 2.0, "colour": 2})
    api.made.add("c", metrics={"accuracy": 0.7}, gate="accuracy >= current")
    api.made.store.record_failure(P, "id-b", "cannot be built")
    listed = api.get(f"versions/{P}")
    assert [(one["name"], one["state"]) for one in listed["versions"]] == [
        ("c", "held back"),
        ("b", "failed to load"),
        ("a", "served"),
    ]
    held_back, failed, _ = listed["versions"]
    assert "accuracy is 0.7" in held_back["note"]
    assert failed["note"] == "cannot be built"
    assert failed["differences"] == {
        "accuracy": {"by": pytest.approx(0.1), "verdict": "better"},
        "loss": {"by": 0.5, "verdict": "worse"},
        "colour": {"by": 1, "verdict": "changed"},
    }
    assert listed["served"] == {"id": "id-a", "name": "a"}
    assert listed["project"] == {
        "uid": P,
        "number": "7",
        "title": "Seven",
        "hostname": "http://studio.example:8080/",
    }
    assert listed["metrics"][0] == {"name": "accuracy", "direction": "higher"}


def test_two_hundred_versions_are_listed_page_by_page_and_searched(api: Api) -> None:
    for number in range(200):  # without the flushes of a publication
        folder = api.made.store.folder(P, f"id-{number:03}")
        folder.mkdir(parents=True)
        manifest = Manifest(
            id=folder.name, name=f"v{number:03}", project=P, fence=number, created="2026-01-01T00:00:00+00:00"
        )
        (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    page = api.get(f"versions/{P}?offset=25&limit=25")
    assert (page["total"], page["all"]) == (200, 200)
    assert [one["name"] for one in page["versions"]] == [f"v{number:03}" for number in range(174, 149, -1)]
    found = api.get(f"versions/{P}?search=V19&limit=100")
    assert found["total"] == 10
    assert [one["name"] for one in api.get(f"versions/{P}?search=served")["versions"]] == ["v199"]
    assert len(api.respond("GET", f"versions/{P}").body) < 30_000
    for wrong in ("limit=0", "limit=101", "offset=-1", "offset=x"):
        with pytest.raises(RequestError):
            api.get(f"versions/{P}?{wrong}")


def test_a_version_in_full(api: Api) -> None:
    api.made.add("a", metrics={"accuracy": 0.8})
    api.made.add(
        "b",
        metrics={"accuracy": 0.9},
        annotations=120,
        source="Label Studio",
        events=["e1", "e2"],
        train_output={"weights": HOSTILE, "deep": {"n": 1}},
        state={"key": "secret value"},
        job="j1",
        comparison=Comparison(version="a", tasks=16, new={"accuracy": 0.9}, previous={"accuracy": 0.8}),
    )
    shown = api.get(f"versions/{P}/b")
    assert shown["training"] == {
        "annotations": 120,
        "source": "Label Studio",
        "events": 2,
        "held_out": None,
        "snapshot_size": None,
        "job": "j1",
    }
    assert shown["parents"] == [{"id": "id-a", "name": "a", "exists": True}]
    assert api.get(f"versions/{P}/id-a")["children"] == [{"id": "id-b", "name": "b"}]
    assert shown["comparison"]["previous"] == {"accuracy": 0.8}
    assert json.loads(shown["output"]) == {"weights": HOSTILE, "deep": {"n": 1}}
    assert shown["keys"] == [{"key": "key", "length": 12}]
    assert "secret value" not in json.dumps(shown)
    assert [file["name"] for file in shown["files"]] == ["weights"]
    assert shown["files"][0]["size"] == len("weights of b")
    assert shown["decision"] == {"refusal": "", "promoted": False, "chosen_at": "", "failure": ""}
    assert not shown["evaluated"]


def test_hostile_names_are_only_names(api: Api) -> None:
    name = "<script>alert('1')</script>/..% " + "w" * 80
    manifest = api.made.add(
        "z", metrics={HOSTILE: 1.0, "n": None, "huge": 10**400, "x" * 1_000_000: 1}, source="s" * 1_000_000
    )
    folder = api.made.store.folder(P, manifest.id)
    text = (folder / MANIFEST).read_text().replace('"name": "z"', f'"name": {json.dumps(name)}')
    (folder / MANIFEST).write_text(text)
    listed = api.get(f"versions/{P}")
    assert listed["versions"][0]["name"] == name
    assert len(json.dumps(listed["versions"][0]["source"])) < 2000
    assert api.get(f"versions/{P}/{quote(name, safe='')}")["version"]["id"] == "id-z"
    response = api.respond("GET", f"versions/{P}/id-z/archive")
    disposition = response.headers["Content-Disposition"]
    assert disposition.isprintable()
    assert "<" not in disposition
    assert "/" not in disposition


def test_a_damaged_manifest_is_shown_and_can_be_deleted(api: Api) -> None:
    api.made.add_all("ab")
    (api.made.store.folder(P, "id-a") / MANIFEST).write_text("{")
    assert [(one["id"], one["state"]) for one in api.get(f"versions/{P}")["versions"]] == [
        ("id-b", "served"),
        ("id-a", "damaged"),
    ]
    shown = api.get(f"versions/{P}/id-a")
    assert (shown["manifest"], shown["version"]["note"]) == (False, "its manifest cannot be read")
    assert api.post(f"versions/{P}/delete", {"versions": ["id-a"]})["done"] == "Deleted id-a"
    assert len(api.get(f"versions/{P}")["versions"]) == 1


def test_a_project_or_version_that_is_unknown(api: Api) -> None:
    api.made.add_all("a")
    api.made.add("b", uid="9.5")  # only its versions are left
    assert api.get("versions/9.5")["project"]["title"] == ""
    for path in ("versions/8", "versions/..%2F..", "versions/8/x", "version-comparison/8"):
        with pytest.raises(UnknownProject):
            api.get(path)
    with pytest.raises(UnknownVersion):
        api.get(f"versions/{P}/nothing")
    with pytest.raises(UnknownProject):
        _run(api.part.topics[0].read("8"))


def test_promote_pin_unpin_and_roll_back(api: Api) -> None:
    api.made.add_all("abC")
    before = api.changes()
    done = api.post(f"versions/{P}/promote", {"version": "c"})
    assert (done["done"], api.made.served()) == ("Version c is promoted", "c")
    assert api.changes() != before
    assert api.get(f"versions/{P}")["rollback"] == "b"
    done = api.post(f"versions/{P}/rollback")
    assert (done["done"], api.made.served()) == ("Version b is served instead of c", "b")
    api.post(f"versions/{P}/promote", {"version": "id-a", "pin": True})
    listed = api.get(f"versions/{P}")
    assert listed["pinned"]
    assert listed["versions"][-1]["pinned"]
    api.made.add("d")
    assert api.made.served() == "a"
    api.post(f"versions/{P}/unpin")
    assert api.made.served() == "d"
    for body in ({}, {"version": 3}, {"version": "a", "pin": "yes"}):
        with pytest.raises(RequestError):
            api.post(f"versions/{P}/promote", body)


def test_delete_refuses_the_served_version_as_the_command_does(api: Api) -> None:
    api.made.add_all("abc")
    with pytest.raises(RequestError, match="Version c is served, so it cannot be deleted"):
        api.post(f"versions/{P}/delete", {"versions": ["a", "c"]})
    assert api.made.names() == "abc"
    assert api.post(f"versions/{P}/delete", {"versions": ["a", "b"]})["done"] == "Deleted a, b"
    for wrong in (None, [], "a", [1], [""], ["x"] * 201):
        with pytest.raises(RequestError):
            api.post(f"versions/{P}/delete", {"versions": wrong})


def test_a_viewer_and_another_site_cannot_act(api: Api) -> None:
    api.made.add_all("ab")
    for action in ("promote", "rollback", "unpin", "delete"):
        with pytest.raises(ReadOnlyLogin):
            api.respond("POST", f"versions/{P}/{action}", {"version": "a", "versions": ["a"]}, session=VIEWER)
        with pytest.raises(ForeignOrigin):
            api.respond(
                "POST", f"versions/{P}/{action}", {}, session=Session("op", operator=True, csrf="other")
            )
    with pytest.raises(ReadOnlyLogin):
        api.respond("GET", f"versions/{P}/a/archive", session=VIEWER)
    assert api.made.served() == "b"
    assert api.respond("GET", f"versions/{P}", session=VIEWER).status == 200


def _download(api: Api, path: str, *, pieces: int | None = None) -> bytes:
    async def read() -> bytes:
        response = await api._router.respond(Call("GET", f"/dashboard/api/{path}"), OPERATOR)
        assert response.stream is not None
        data = bytearray()
        async for number, piece in _numbered(response.stream):
            data += piece
            if number == pieces:
                break
        await response.stream.aclose()
        return bytes(data)

    return asyncio.run(read())


async def _numbered(stream: Any) -> Any:
    number = 0
    async for piece in stream:
        number += 1
        yield number, piece


def test_the_download_is_an_archive_that_import_takes(api: Api, tmp_path: Path) -> None:
    api.made.add_all("a")
    file = tmp_path / "a.tar.gz"
    file.write_bytes(_download(api, f"versions/{P}/a/archive"))
    with archive.opened(file) as opened:
        assert opened.manifest.name == "a"
        (folder := tmp_path / "out").mkdir()
        opened.extract(folder)
    assert (folder / "weights").read_text() == "weights of a"


def test_a_download_that_is_given_up_ends_its_thread_and_closes_its_files(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = api.made.add("a")
    folder = api.made.store.folder(P, version.id)
    (folder / "weights").write_bytes(os.urandom(8 << 20))
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).unlink()
    api.made.store.publish(msgspec.json.decode(text, type=type(version)))
    opened: list[int] = []
    pipe = os.pipe

    def counted() -> tuple[int, int]:
        opened.extend(ends := pipe())
        return ends

    monkeypatch.setattr(os, "pipe", counted)
    data = _download(api, f"versions/{P}/a/archive", pieces=1)
    assert 0 < len(data) < 1 << 20
    deadline = time.monotonic() + 30
    while any(thread.name == "version-archive" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the thread that packs goes on"
        time.sleep(0.01)
    assert len(opened) == 2
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


def test_a_file_that_shrinks_meanwhile_spoils_the_download(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.made.add_all("a")
    monkeypatch.setattr(archive, "_add", lambda *_: (_ for _ in ()).throw(OSError("unexpected end of data")))
    with pytest.raises(OSError, match="unexpected end"):
        _download(api, f"versions/{P}/a/archive")


def test_a_damaged_version_is_not_sent_and_a_server_without_streams_says_what_to_do(api: Api) -> None:
    api.made.add_all("a")
    api.part._streams = False
    response = api.respond("GET", f"versions/{P}/a/archive")
    assert (response.status, b"label-studio-ml export" in response.body) == (501, True)
    api.part._streams = True
    api.made.weights("a").write_text("changed of a")
    with pytest.raises(VersionError, match="damaged"):
        api.respond("GET", f"versions/{P}/a/archive")


def test_the_evaluation_report_of_a_version(api: Api) -> None:
    api.made.add_all("ab")
    with pytest.raises(UnknownVersion, match="has not been evaluated yet"):
        api.get(f"versions/{P}/a/evaluation")
    EvaluationReports(api.made.store).put(P, "id-a", _report("a").to_json())
    shown = api.get(f"versions/{P}/a/evaluation")
    (control,) = shown["controls"]
    assert control["metrics"][0] == {"name": "accuracy", "value": 0.75, "direction": "higher"}
    assert control["columns"] == ["precision", "support"]
    assert control["labels"] == [["a", 1.0, 3.0], [HOSTILE, 0.5, None]]
    assert control["confusion"] == {"labels": ["a", "b"], "matrix": [[2, 1], [0, 1]], "label_count": 2}
    assert shown["worst_tasks"] == [
        {
            "task": 12,
            "url": "http://studio.example:8080/projects/7/data?task=12",
            "agreement": 0.25,
            "annotated": [["a", 1]],
            "predicted": [["b", 1]],
            "error": "",
        }
    ]
    assert [one["evaluated"] for one in api.get(f"versions/{P}")["versions"]] == [False, True]
    EvaluationReports(api.made.store).put(P, "id-a", b"{")
    with pytest.raises(VersionError, match="report cannot be used"):
        api.get(f"versions/{P}/a/evaluation")


def test_reports_of_deleted_versions_are_forgotten(api: Api) -> None:
    api.made.add_all("ab")
    reports = EvaluationReports(api.made.store)
    for name in ("a", "b"):
        reports.put(P, f"id-{name}", _report(name).to_json())
    reports.put(P, "INITIAL", _report("INITIAL").to_json())
    api.post(f"versions/{P}/delete", {"versions": ["a"]})
    reports.put(P, "id-b", _report("b").to_json())
    assert reports.ids(P) == {"id-b", "INITIAL"}
    with pytest.raises(VersionError, match="too large"):
        reports.put(P, "id-b", b" " * (9 << 20))
    reports.delete_project(P)
    assert reports.ids(P) == set()


def test_a_matrix_of_many_labels_is_summed_up(api: Api) -> None:
    labels = [f"label {number}" for number in range(100)]
    matrix = [[row + 1 if row == column else 0 for column in range(100)] for row in range(100)]
    controls = {"c": Measured(kind="choices", tasks=1, metrics={}, confusion=Confusion(labels, matrix))}
    shown = report_views.report_view(_report("a", controls=controls), "javascript:alert(1)", "7")
    confusion = shown["controls"][0]["confusion"]
    assert confusion["label_count"] == 100
    assert (confusion["labels"][0], confusion["labels"][-1]) == ("label 60", "(other labels)")
    assert sum(map(sum, confusion["matrix"])) == sum(map(sum, matrix))
    assert shown["worst_tasks"][0]["url"] == ""


def test_versions_are_compared_metric_by_metric(api: Api) -> None:
    api.made.add("a", metrics={"accuracy": 0.5, "cer": 0.25, "own": 1})
    api.made.add("b", metrics={"accuracy": 0.75, "cer": 0.5})
    api.made.add("c", metrics={"accuracy": None})
    reports = EvaluationReports(api.made.store)
    reports.put(P, "id-a", _report("a").to_json())
    compared = api.get(f"version-comparison/{P}?versions=id-a,id-b,id-c")
    assert [one["name"] for one in compared["versions"]] == ["a", "b", "c"]
    rows = {row["metric"]: row for row in compared["fit"]}
    assert rows["accuracy"]["differences"] == [None, {"by": 0.25, "verdict": "better"}, None]
    assert rows["cer"]["differences"][1] == {"by": 0.25, "verdict": "worse"}
    assert rows["own"]["values"] == [1, None, None]
    assert compared["evaluation"][0]["metric"] == "sentiment: accuracy"
    assert compared["notes"] == ["Not every version has been evaluated."]
    for wrong in ("id-a", "id-a,id-a", "id-a,id-b,id-c,x,y", ""):
        with pytest.raises(RequestError):
            api.get(f"version-comparison/{P}?versions={wrong}")


def test_the_archive_of_the_command_is_as_before(api: Api, tmp_path: Path) -> None:
    version = api.made.add("a")
    written = archive.export(api.made.store, version, tmp_path / "x.tar.gz")
    assert gzip.decompress(written.read_bytes()) == gzip.decompress(_download(api, f"versions/{P}/a/archive"))

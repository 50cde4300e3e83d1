"""The API of the view Errors: pages, filters, links into Label Studio, and what viewers may not do."""

import asyncio
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
import pytest

from label_studio_ml.dashboard.errors.errors_part import ErrorsPart
from label_studio_ml.dashboard.errors.server_log import ServerLog
from label_studio_ml.dashboard.page_router import PageRouter
from label_studio_ml.errors import ReadOnlyLogin, RequestError
from label_studio_ml.http_server.messages import Call, Response
from label_studio_ml.monitoring.error_groups import ErrorGroups
from label_studio_ml.reports.error_reporter import ErrorReporter
from label_studio_ml.training.records.run_log import Scrubber
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.web.security.login_sessions import Session

HOST = "https://studio.example"
OPERATOR, VIEWER = Session("o", operator=True, csrf="c"), Session("v", operator=False, csrf="c")


class Projects:
    """Two projects: one that Label Studio has described, one whose address is no web address."""

    async def get(self, uid: str) -> Project | None:
        known = {
            "7.5": Project(uid="7.5", hostname=f"{HOST}/", title="<b>Planes</b>"),
            "8.5": Project(uid="8.5", hostname="javascript:alert(1)"),
        }
        return known.get(uid)


class Page:
    """A page that asks the part."""

    def __init__(self, folder: Path) -> None:
        self.groups = ErrorGroups("host-a")
        log = ServerLog(folder, lambda: Scrubber([]))
        part = ErrorsPart(ErrorReporter(self.groups, None), cast("Any", Projects()), log, "host-a")
        self.router = PageRouter(part.routes)
        self.topics = {topic.name: topic for topic in part.topics}

    def call(self, method: str, path: str, session: Session, fields: Any = None, **query: Any) -> Response:
        body = b"" if fields is None else msgspec.json.encode(fields)
        call = Call(method, f"/dashboard/api/{path}", urlencode(query), {"x-csrf-token": "c"}, body)
        return asyncio.run(self.router.respond(call, session))

    def get(self, path: str, session: Session = VIEWER, **query: Any) -> Any:
        return msgspec.json.decode(self.call("GET", path, session, **query).body)

    def topic(self, name: str, subject: str = "") -> Any:
        async def read() -> Any:
            return await self.topics[name].read(subject)

        return asyncio.run(read())


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(tmp_path)


def test_tasks_are_linked_into_label_studio(page: Page) -> None:
    page.groups.add("prediction", "it failed", project="7.5", tasks=["12", "no number"], version="v1")
    page.groups.add("prediction", "it failed", project="8.5", tasks=["12"])
    page.groups.add("prediction", "it failed", project="default", tasks=["12"])
    by_project = {error["project"]: error for error in page.get("errors")["errors"]}
    planes = by_project["7.5"]
    assert (planes["title"], planes["link"]) == ("<b>Planes</b>", f"{HOST}/projects/7/data")
    assert planes["tasks"] == [
        {"id": "12", "link": f"{HOST}/projects/7/data?task=12"},
        {"id": "no number", "link": ""},
    ]
    for uid in ("8.5", "default"):
        assert (by_project[uid]["link"], by_project[uid]["tasks"]) == ("", [{"id": "12", "link": ""}])


def test_errors_are_filtered_and_paged(page: Page) -> None:
    for letter in "abcdefgh":
        page.groups.add("prediction" if letter in "abc" else "training", f"cause {letter}", project="7.5")
    page.groups.add("request", "/setup -> 400: wrong", count=3)
    assert page.get("errors", kind="prediction")["total"] == 3
    assert page.get("errors", project="7.5")["total"] == 8
    assert page.get("errors", search="PLANES", kind="training")["total"] == 5
    pages = [page.get("errors", project="7.5", first=first, size=3)["errors"] for first in (0, 3, 6)]
    assert [len(errors) for errors in pages] == [3, 3, 2]
    assert len({error["message"] for errors in pages for error in errors}) == 8
    everything = page.get("errors")
    assert (everything["all"], everything["occurrences"]) == (9, 11)
    assert everything["kinds"] == {"prediction": 3, "training": 5, "request": 1}
    assert everything["projects"] == [{"uid": "7.5", "title": "<b>Planes</b>"}]


def test_the_code_of_an_error_is_shown_and_found(page: Page) -> None:
    page.groups.add("prediction", "it failed", code="LSML-E330")
    page.groups.add("events", "it is full", code="LSML-E610")
    (error,) = page.get("errors", search="lsml-e610")["errors"]
    assert (error["message"], error["code"]) == ("it is full", "LSML-E610")


def test_the_topic_has_the_newest_errors_only(page: Page) -> None:
    for first in "abcdefghij":
        for second in "abcdefghij":
            page.groups.add("prediction", f"cause {first}{second}")
    value = page.topic("errors")
    assert (len(value["errors"]), value["total"]) == (20, 100)


def test_operators_remove_errors(page: Page) -> None:
    for cause in ("one", "two", "three"):
        page.groups.add("prediction", cause)
    ids = [error["id"] for error in page.get("errors")["errors"]]
    with pytest.raises(ReadOnlyLogin):
        page.call("POST", "errors/clear", VIEWER, {"ids": ids[:1]})
    assert page.call("POST", "errors/clear", OPERATOR, {"ids": ids[:1]}).status == 200
    assert page.get("errors")["total"] == 2
    faulty: list[Any] = [{}, {"ids": []}, {"ids": "x"}, {"ids": [1]}, {"all": 1}]
    for wrong in faulty:
        with pytest.raises(RequestError):
            page.call("POST", "errors/clear", OPERATOR, wrong)
    assert page.call("POST", "errors/clear", OPERATOR, {"all": True}).status == 200
    assert page.get("errors")["total"] == 0


def test_viewers_read_the_log_without_tracebacks_and_cannot_download_it(page: Page, tmp_path: Path) -> None:
    trace = '[t] [ERROR] it failed\nTraceback (most recent call last):\n  File "/srv/m.py", line 3, in f\nKeyError: 1\n'
    (tmp_path / "server.log").write_text(trace)
    assert "/srv/m.py" not in str(page.get("errors/log"))
    assert "/srv/m.py" in str(page.get("errors/log", OPERATOR))
    at = page.get("errors/log")["records"][0]["at"]
    assert "/srv/m.py" not in str(page.get("errors/log/record", at=at))
    with pytest.raises(ReadOnlyLogin):
        page.call("GET", "errors/log/download", VIEWER)
    answer = page.call("GET", "errors/log/download", OPERATOR)
    assert (answer.body.decode(), answer.content_type) == (trace, "text/plain; charset=utf-8")
    state = page.topic("log")
    assert set(state) == {"file", "next", "size"}  # no line: topics are the same for viewers and operators
    with pytest.raises(RequestError):
        page.topic("log", "../server.log")

"""The API client, against a fake Label Studio whose answers have the form of 1.23.2's."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from label_studio_ml.errors import StudioAuthError, StudioError
from label_studio_ml.studio.client import StudioClient

from .fake import Asked, FakeServer, Reply, jwt

LEGACY = "0123456789abcdef0123456789abcdef01234567"


def _annotation(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "result": [{"type": "choices"}],
        "created_username": " a@b.co, 1",
        "created_ago": "0 minutes",
        "completed_by": 1,
        "was_cancelled": False,
        "lead_time": 1.5,
        **changes,
    }


def _task(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "data": {"text": f"n{number}"},
        "meta": {},
        "annotations": [_annotation(number * 10)],
        "predictions": [],
        "drafts": [{"id": 1, "result": []}],
        "annotators": [1],
        "annotations_results": "",
        "project": 1,
        **changes,
    }


class FakeTasks:
    """The task list with the two filters and the order that the client asks for; at most `cap` tasks a page."""

    def __init__(self, tasks: list[dict[str, Any]], cap: int = 1000) -> None:
        self.tasks = tasks
        self.cap = cap

    def __call__(self, asked: Asked) -> Reply:
        query = json.loads(asked.query["query"])
        assert query["ordering"] == ["tasks:id"]
        assert query["filters"]["conjunction"] == "and"
        limits = {item["filter"]: item["value"] for item in query["filters"]["items"]}
        assert all(item["operator"] == "greater" for item in query["filters"]["items"])
        found = [
            task
            for task in self.tasks
            if task["id"] > limits["filter:tasks:id"]
            and sum(not one["was_cancelled"] for one in task["annotations"])
            > limits["filter:tasks:total_annotations"]
        ]
        size = min(int(asked.query["page_size"]), self.cap)
        assert asked.query["page"] == "1"
        return Reply.of({"tasks": found[:size], "total": len(found)})


@pytest.fixture
def client(studio: FakeServer) -> StudioClient:
    return StudioClient(studio.url, LEGACY)


def _serve(studio: FakeServer, tasks: FakeTasks, **settings: Any) -> None:
    studio.on("/api/projects/1/", Reply.of({"id": 1, "title": "t", **settings}))
    studio.on("/api/tasks/", tasks)


def test_project(studio: FakeServer, client: StudioClient) -> None:
    studio.on("/api/projects/7/", Reply.of({"id": 7, "title": "t"}))
    assert client.project(7) == {"id": 7, "title": "t"}
    assert client.project("7.1710967805")["id"] == 7
    assert studio.asked[0].authorization == f"Token {LEGACY}"


@pytest.mark.parametrize("project", ["", "a", "-1", "1/../2", "1?x", None])
def test_what_is_no_id_is_refused(client: StudioClient, project: Any) -> None:
    with pytest.raises(ValueError, match="not an id"):
        client.project(project)


def test_labelled_tasks_page_by_page(studio: FakeServer, client: StudioClient) -> None:
    _serve(studio, FakeTasks([_task(number) for number in range(1, 8)]))
    assert [task["id"] for task in client.labelled_tasks(1, page_size=3)] == [1, 2, 3, 4, 5, 6, 7]
    assert studio.paths().count("/api/tasks/") == 3
    assert studio.asked[1].query["fields"] == "all"
    assert studio.asked[1].query["resolve_uri"] == "false"


def test_only_one_page_is_read_ahead(studio: FakeServer, client: StudioClient) -> None:
    _serve(studio, FakeTasks([_task(number) for number in range(1, 8)]))
    tasks = client.labelled_tasks(1, page_size=2)
    assert studio.asked == []
    next(tasks)
    next(tasks)
    assert studio.paths().count("/api/tasks/") == 1


def test_server_may_cap_the_page(studio: FakeServer, client: StudioClient) -> None:
    _serve(studio, FakeTasks([_task(number) for number in range(1, 6)], cap=2))
    assert [task["id"] for task in client.labelled_tasks(1)] == [1, 2, 3, 4, 5]


def test_tasks_labelled_meanwhile_do_not_shift_the_others(studio: FakeServer, client: StudioClient) -> None:
    unlabelled = _task(1, annotations=[])
    tasks = FakeTasks([unlabelled, *(_task(number) for number in range(2, 8))])
    _serve(studio, tasks)
    found = client.labelled_tasks(1, page_size=2)
    first = [next(found)["id"], next(found)["id"]]
    unlabelled["annotations"] = [_annotation(1)]
    del tasks.tasks[2]
    assert first + [task["id"] for task in found] == [2, 3, 4, 5, 6, 7]


def test_shape_of_the_export(studio: FakeServer, client: StudioClient) -> None:
    prediction = {"id": 5, "result": [], "score": 0.5, "created_ago": "1 minute"}
    _serve(studio, FakeTasks([_task(1, predictions=[prediction])]))
    assert list(client.labelled_tasks(1)) == [
        {
            "id": 1,
            "annotations": [
                {
                    "id": 10,
                    "result": [{"type": "choices"}],
                    "completed_by": 1,
                    "was_cancelled": False,
                    "lead_time": 1.5,
                }
            ],
            "predictions": [{"id": 5, "result": [], "score": 0.5}],
            "data": {"text": "n1"},
            "meta": {},
            "project": 1,
        }
    ]


def test_skipped_annotations_are_left_out(studio: FakeServer, client: StudioClient) -> None:
    skipped = _annotation(2, was_cancelled=True)
    _serve(
        studio, FakeTasks([_task(1, annotations=[skipped, _annotation(1)]), _task(2, annotations=[skipped])])
    )
    (task,) = client.labelled_tasks(1)
    assert [one["id"] for one in task["annotations"]] == [1]


def test_count_labelled(studio: FakeServer, client: StudioClient) -> None:
    _serve(studio, FakeTasks([_task(1), _task(2, annotations=[]), _task(3)]))
    assert client.count_labelled(1) == 2


@pytest.mark.parametrize(("automatic", "review"), [(True, "true"), (False, None)])
def test_reading_asks_for_no_predictions(
    studio: FakeServer, client: StudioClient, automatic: bool, review: str | None
) -> None:
    _serve(studio, FakeTasks([_task(1)]), evaluate_predictions_automatically=automatic)
    list(client.labelled_tasks(1))
    assert studio.asked[-1].query.get("review") == review


def test_filter_without_effect_is_noticed(studio: FakeServer, client: StudioClient) -> None:
    studio.on("/api/projects/1/", Reply.of({"id": 1}))
    studio.on("/api/tasks/", Reply.of({"tasks": [_task(1), _task(2)], "total": 9}))
    tasks = client.labelled_tasks(1, page_size=2)
    assert [next(tasks)["id"], next(tasks)["id"]] == [1, 2]
    with pytest.raises(StudioError, match="after task 2"):
        next(tasks)


def test_task(studio: FakeServer, client: StudioClient) -> None:
    author = {"id": 3, "email": "a@b.co"}
    studio.on("/api/tasks/4/", Reply.of(_task(4, annotations=[_annotation(1, completed_by=author)])))
    task = client.task(4)
    assert task["annotations"][0]["completed_by"] == 3
    assert "drafts" not in task
    assert studio.asked[0].query == {"resolve_uri": "false"}


def test_import_tasks(studio: FakeServer, client: StudioClient) -> None:
    studio.on("/api/projects/1/import", Reply.of({"task_count": 1, "task_ids": [9]}, 201))
    assert client.import_tasks(1, [{"data": {"text": "x"}}]) == [9]
    assert studio.asked[0].method == "POST"
    assert json.loads(studio.asked[0].body) == [{"data": {"text": "x"}}]


def test_sub_path(studio: FakeServer) -> None:
    studio.on("/label/studio/api/projects/1/", Reply.of({"id": 1}))
    assert StudioClient(f"{studio.url}/label/studio/", LEGACY).project(1) == {"id": 1}


class FakeTokens:
    """Exchanges the personal access token for access tokens with a number; only the newest one works."""

    def __init__(self, studio: FakeServer, lives: int = 300) -> None:
        self.given = 0
        self.lives = lives
        studio.on("/api/token/refresh/", self.exchange)
        studio.on("/api/projects/1/", self.project)

    def exchange(self, asked: Asked) -> Reply:
        assert asked.authorization is None
        if json.loads(asked.body) != {"refresh": jwt("refresh")}:
            return Reply.of({"detail": "Token is invalid"}, 401)
        self.given += 1
        return Reply.of({"access": jwt("access", number=self.given, lives=self.lives)})

    def project(self, asked: Asked) -> Reply:
        if asked.authorization == f"Bearer {jwt('access', number=self.given, lives=self.lives)}":
            return Reply.of({"id": 1})
        return Reply.of({"detail": "Authentication credentials were not provided."}, 401)


def test_personal_access_token_is_exchanged_once(studio: FakeServer) -> None:
    tokens = FakeTokens(studio)
    client = StudioClient(studio.url, jwt("refresh"))
    for _ in range(3):
        assert client.project(1) == {"id": 1}
    assert tokens.given == 1


def test_access_token_that_stopped_working_is_renewed(studio: FakeServer) -> None:
    tokens = FakeTokens(studio)
    client = StudioClient(studio.url, jwt("refresh"))
    client.project(1)
    tokens.given += 1  # as if the server had forgotten the first
    assert client.project(1) == {"id": 1}
    assert tokens.given == 3


def test_refused_personal_access_token(studio: FakeServer) -> None:
    FakeTokens(studio)
    with pytest.raises(StudioAuthError, match=r"Token is invalid.*make a new one") as caught:
        StudioClient(studio.url, jwt("refresh", number=5)).project(1)
    assert caught.value.field == "LABEL_STUDIO_API_KEY"
    assert studio.paths() == ["/api/token/refresh/"]


def test_refused_access_token_is_not_tried_for_ever(studio: FakeServer) -> None:
    tokens = FakeTokens(studio)
    studio.on("/api/projects/1/", Reply.of({"detail": "no"}, 401))
    with pytest.raises(StudioAuthError):
        StudioClient(studio.url, jwt("refresh")).project(1)
    assert tokens.given == 2


def test_refused_legacy_token_says_what_to_do(studio: FakeServer, client: StudioClient) -> None:
    detail = f"legacy token {LEGACY} has been disabled"
    studio.on("/api/projects/1/", Reply.of({"detail": detail}, 401))
    with pytest.raises(StudioAuthError) as caught:
        client.project(1)
    text = str(caught.value)
    assert f"401 at {studio.url}/api/projects/1/" in text
    assert "personal access token" in text
    assert "Legacy tokens are switched off in this organization" in text
    assert LEGACY not in text
    assert "has been disabled" in text


@pytest.mark.parametrize(
    ("token", "detail", "advice"),
    [
        (LEGACY, "Invalid token.", "No user of this Label Studio has this legacy token"),
        (
            jwt("refresh").rpartition(".")[0],
            "Invalid token.",
            "begins like a personal access token, but is incomplete",
        ),
        (LEGACY, "no", "new organizations refuse them, also the one that /setup brings"),
        (jwt("access"), "Token is expired", "holds a short-lived access token"),
    ],
)
def test_why_a_token_is_refused(studio: FakeServer, token: str, detail: str, advice: str) -> None:
    studio.on("/api/projects/1/", Reply.of({"detail": detail}, 401))
    with pytest.raises(StudioAuthError, match=advice):
        StudioClient(studio.url, token).project(1)


def test_processes_share_the_access_token(studio: FakeServer) -> None:
    tokens = FakeTokens(studio)
    for _ in range(3):
        assert StudioClient(studio.url, jwt("refresh")).project(1) == {"id": 1}
    assert tokens.given == 1


def test_refused_shared_access_token_is_replaced_for_all(studio: FakeServer) -> None:
    tokens = FakeTokens(studio)
    clients = [StudioClient(studio.url, jwt("refresh")) for _ in range(3)]
    for client in clients:
        client.project(1)
    tokens.given += 1  # as if the server had forgotten the first
    for client in clients:
        assert client.project(1) == {"id": 1}
    assert tokens.given == 3


def test_no_token_is_said(studio: FakeServer) -> None:
    studio.on("/api/projects/1/", Reply.of({"detail": "Authentication credentials were not provided."}, 401))
    with pytest.raises(StudioAuthError, match="Set LABEL_STUDIO_API_KEY to a personal access token"):
        StudioClient(studio.url, "").project(1)
    assert studio.asked[0].authorization is None


@pytest.mark.parametrize("token", [LEGACY, jwt("refresh")])
def test_token_is_not_shown(studio: FakeServer, token: str) -> None:
    assert token not in repr(StudioClient(studio.url, token))
    assert "user:" not in repr(StudioClient(studio.url.replace("://", "://user:pass@"), token))


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "tök"])
def test_token_that_no_header_takes(studio: FakeServer, token: str) -> None:
    with pytest.raises(StudioAuthError, match="characters") as caught:
        StudioClient(studio.url, token)
    assert token not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_tries_again(studio: FakeServer, client: StudioClient, waits: list[float], status: int) -> None:
    studio.sequence("/api/projects/1/", Reply(status), Reply(status), Reply.of({"id": 1}))
    assert client.project(1) == {"id": 1}
    assert waits == [0.5, 1.0]


def test_gives_up(studio: FakeServer, client: StudioClient, waits: list[float]) -> None:
    studio.on("/api/projects/1/", Reply.of({"detail": "busy"}, 503))
    with pytest.raises(StudioError, match=r"503 at .*busy"):
        client.project(1)
    assert len(studio.asked) == 4
    assert waits == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(("asks", "waited"), [("3", 3.0), ("9999", 30.0), ("soon", 0.5), ("²", 0.5)])
def test_retry_after(
    studio: FakeServer, client: StudioClient, waits: list[float], asks: str, waited: float
) -> None:
    asking = Reply(429, headers={"Retry-After": asks.encode().decode("latin-1")})
    studio.sequence("/api/projects/1/", asking, Reply.of({"id": 1}))
    client.project(1)
    assert waits == [waited]


def test_refusal_is_not_tried_again(studio: FakeServer, client: StudioClient) -> None:
    with pytest.raises(StudioError, match=r"no project 3 at http.*404 at .*/api/projects/3/ \(Not found\.\)"):
        client.project(3)
    assert len(studio.asked) == 1


def test_import_is_sent_again_only_if_it_was_not_done(studio: FakeServer, client: StudioClient) -> None:
    studio.on("/api/projects/1/import", Reply.of({"detail": "?"}, 502))
    with pytest.raises(StudioError, match="502"):
        client.import_tasks(1, [])
    assert len(studio.asked) == 1
    studio.sequence("/api/projects/1/import", Reply(503), Reply.of({"task_ids": [1]}, 201))
    assert client.import_tasks(1, []) == [1]


@pytest.mark.parametrize(("path", "tries"), [("/api/projects/1/", 4), ("/api/projects/1/import", 1)])
def test_connection_that_ends_without_an_answer(
    studio: FakeServer, client: StudioClient, path: str, tries: int
) -> None:
    def leave(_: Asked) -> Reply:
        raise ConnectionAbortedError

    studio.on(path, leave)
    with pytest.raises(StudioError, match="cannot be reached"):
        client.project(1) if tries > 1 else client.import_tasks(1, [])
    assert len(studio.asked) == tries


def test_unreachable(make_server: Callable[[], FakeServer], waits: list[float]) -> None:
    server = make_server()
    server.stop()
    with pytest.raises(
        StudioError, match=r"cannot be reached.*Does Label Studio run there\?.*LABEL_STUDIO_URL"
    ) as caught:
        StudioClient(server.url, LEGACY).project(1)
    assert server.url in str(caught.value)
    assert len(waits) == 3


def test_silence_ends(studio: FakeServer) -> None:
    gate = threading.Event()

    def wait(_: Asked) -> Reply:
        gate.wait(30)
        return Reply()

    studio.on("/api/projects/1/", wait)
    try:
        with pytest.raises(StudioError, match="did not answer in time"):
            StudioClient(studio.url, LEGACY, read_timeout=0.05).project(1)
    finally:
        gate.set()


@pytest.mark.parametrize("body", [b"<html>a page</html>", b"[1]", b""])
def test_another_answer_than_an_object(studio: FakeServer, client: StudioClient, body: bytes) -> None:
    studio.on("/api/projects/1/", Reply(200, body))
    with pytest.raises(StudioError, match="sub-path"):
        client.project(1)


def test_page_that_is_not_there(studio: FakeServer, client: StudioClient) -> None:
    studio.on("/api/projects/1/", Reply(404, b"<html>", {"Content-Type": "text/html"}))
    with pytest.raises(StudioError, match=r"404 at .*sub-path"):
        client.project(1)


def test_redirect_at_the_same_place_is_followed(studio: FakeServer, client: StudioClient) -> None:
    studio.on("/api/projects/1/", Reply.to("/api/projects/2/", 301))
    studio.on("/api/projects/2/", Reply.of({"id": 2}))
    assert client.project(1) == {"id": 2}
    assert studio.asked[1].authorization == f"Token {LEGACY}"


def test_redirect_elsewhere_is_refused(
    studio: FakeServer, elsewhere: FakeServer, client: StudioClient
) -> None:
    studio.on("/api/projects/1/", Reply.to(f"{elsewhere.url}/login?token=secret"))
    with pytest.raises(StudioError, match=r"redirects to .*Set LABEL_STUDIO_URL") as caught:
        client.project(1)
    assert elsewhere.asked == []
    assert "secret" not in str(caught.value)


def test_redirect_of_a_post_is_refused(studio: FakeServer, client: StudioClient) -> None:
    studio.on("/api/projects/1/import", Reply.to("/api/projects/1/import/"))
    with pytest.raises(StudioError, match="redirects to"):
        client.import_tasks(1, [])


def test_redirect_circle_ends(studio: FakeServer, client: StudioClient) -> None:
    studio.on("/api/projects/1/", Reply.to("/api/projects/1/"))
    with pytest.raises(StudioError, match="more than 10 times"):
        client.project(1)


def test_ten_redirects_are_followed(studio: FakeServer, client: StudioClient) -> None:
    path = "/api/projects/1/"
    studio.sequence(path, *[Reply.to(path)] * 10, Reply.of({"id": 1}))
    assert client.project(1) == {"id": 1}


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("http://[x", "cannot be reached"),
        ("http://host:99999/", "which is not an http"),
        ("ftp://host/", "which is not an http"),
    ],
)
def test_redirect_to_no_address(studio: FakeServer, client: StudioClient, location: str, says: str) -> None:
    studio.on("/api/projects/1/", Reply.to(location))
    with pytest.raises(StudioError, match=says):
        client.project(1)


def test_cookies_are_not_kept(studio: FakeServer, client: StudioClient) -> None:
    studio.on("/api/projects/1/", Reply(200, b'{"id": 1}', {"Set-Cookie": "sessionid=s; Path=/"}))
    client.project(1)
    client.project(1)
    assert "cookie" not in studio.asked[1].headers


@pytest.mark.parametrize("url", ["", "  "])
def test_address_is_missing(url: str) -> None:
    with pytest.raises(StudioError, match="Set LABEL_STUDIO_URL"):
        StudioClient(url, LEGACY)


@pytest.mark.parametrize("url", ["label-studio:8080", "ftp://host", "http://", "http://host:99999"])
def test_address_is_none(url: str) -> None:
    with pytest.raises(StudioError, match="not an http") as caught:
        StudioClient(url, LEGACY)
    assert caught.value.field == "LABEL_STUDIO_URL"


def test_https_to_a_server_without_it(make_server: Callable[[], FakeServer], waits: list[float]) -> None:
    server = make_server()
    client = StudioClient(server.url.replace("http://", "https://"), "key")
    with pytest.raises(StudioError) as caught:
        client.project("1")
    assert "does not speak TLS: what answers there is plain http" in caught.value.message
    assert f"in place of https://, as in {server.url}" in caught.value.fix

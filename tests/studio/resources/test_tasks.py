"""The query for lists of tasks: its filters, its order, its pages."""

import json

import pytest

from label_studio_ml.errors import StudioError
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.studio.resources.tasks import TaskResource
from label_studio_ml.studio.transport.api_client import ApiClient
from label_studio_ml.studio.transport.http import Http

from ..fake import Asked, FakeServer, Reply

NONE_LABELLED = task_filters.parse("total_annotations = 0")


@pytest.fixture
def tasks(studio: FakeServer) -> TaskResource:
    return TaskResource(ApiClient(Http(studio.url, "t" * 40)))


def _listed(*ids: int, total: int) -> Reply:
    return Reply.of({"tasks": [{"id": number, "data": {}} for number in ids], "total": total})


def _conditions(asked: Asked) -> list[tuple[str, str, object]]:
    query = json.loads(asked.query["query"])
    assert query["ordering"] == ["tasks:id"]
    return [(item["filter"], item["operator"], item["value"]) for item in query["filters"]["items"]]


def test_pages_go_on_after_the_last_id(studio: FakeServer, tasks: TaskResource) -> None:
    studio.sequence("/api/tasks/", _listed(4, 2, total=3), _listed(9, total=1))
    assert [task["id"] for task in tasks.every(7, [NONE_LABELLED], size=2)] == [2, 4, 9]
    assert [_conditions(asked) for asked in studio.asked] == [
        [("filter:tasks:total_annotations", "equal", 0), ("filter:tasks:id", "greater", after)]
        for after in (0, 4)
    ]
    fixed = {"project": "7", "page": "1", "page_size": "2", "fields": "task_only", "resolve_uri": "false"}
    assert {name: value for name, value in studio.asked[0].query.items() if name != "query"} == {
        **fixed,
        "review": "true",
    }


def test_tasks_imported_while_the_last_page_is_read(studio: FakeServer, tasks: TaskResource) -> None:
    studio.sequence(
        "/api/tasks/", _listed(2, 4, total=2), _listed(9, total=1), _listed(total=0), _listed(99, total=1)
    )
    assert [task["id"] for task in tasks.every(7, until_empty=True)] == [2, 4, 9]
    assert len(studio.asked) == 3


def test_nth_is_a_page_of_its_own(studio: FakeServer, tasks: TaskResource) -> None:
    studio.sequence("/api/tasks/", _listed(31, total=40), Reply.of({"detail": "Invalid page."}, 404))
    assert tasks.nth(7, [], 12) == 31
    assert tasks.nth(7, [], 50) is None
    assert [(asked.query["page"], asked.query["page_size"]) for asked in studio.asked] == [
        ("12", "1"),
        ("50", "1"),
    ]


def test_first_and_predicted(studio: FakeServer, tasks: TaskResource) -> None:
    studio.sequence("/api/tasks/", *[_listed(5, total=9)] * 3, _listed(total=0))
    assert tasks.first(7) == {"id": 5, "data": {}}
    assert tasks.predicted(7) == {"id": 5, "data": {}}
    assert tasks.predicted(7, "v2") == {"id": 5, "data": {}}
    assert tasks.first(7) is None
    assert [asked.query.get("review") for asked in studio.asked] == ["true", None, None, "true"]
    assert _conditions(studio.asked[1])[0] == ("filter:tasks:total_predictions", "greater", 0)
    assert _conditions(studio.asked[2])[0] == ("filter:tasks:predictions_model_versions", "contains", ["v2"])
    assert all(asked.query["fields"] == "all" for asked in studio.asked)


@pytest.mark.parametrize("answer", [{"tasks": 1, "total": 0}, {"tasks": []}, {}])
def test_a_list_without_tasks(studio: FakeServer, tasks: TaskResource, answer: dict[str, object]) -> None:
    studio.on("/api/tasks/", Reply.of(answer))
    with pytest.raises(
        StudioError, match=r"answer to GET /api/tasks/ has an unexpected form: .*(tasks|total)"
    ):
        tasks.page(7)


def test_a_file_of_tasks(studio: FakeServer, tasks: TaskResource) -> None:
    studio.on("/api/projects/7/import", Reply.of({"task_count": 3}, 201))
    assert tasks.add_file(7, "a.csv", b"text\na\n") == 3
    assert b'filename="a.csv"' in studio.asked[0].body

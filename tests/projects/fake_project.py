"""A project in a fake Label Studio: its tasks, its predictions, and what a test makes go wrong."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.studio.transport.http import Http
from studio.fake import Asked, FakeServer, Reply

CONFIG = (
    '<View><Text name="t" value="$t"/><Choices name="c" toName="t">'
    '<Choice value="A"/><Choice value="B"/></Choices></View>'
)
RESULT = [{"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["A"]}}]

PROJECT = {"id": 1, "title": "fake", "label_config": CONFIG, "created_at": "2026-01-01T00:00:00Z"}

Json = dict[str, Any]


class FakeProject:
    """Project 1 with tasks 1 to `count`. `before` is asked about each upload: a reply of its own, or None."""

    def __init__(self, server: FakeServer, count: int) -> None:
        self.server = server
        self.tasks = {number: {"id": number, "data": {"t": f"n{number}"}} for number in range(1, count + 1)}
        self.predictions: list[Json] = []
        self.before: Callable[[list[Json]], Reply | None] = lambda body: None
        self.uploads = 0
        self._number = 0
        server.on("/api/projects/1/", Reply.of(PROJECT))
        server.on("/api/tasks/", self._page)
        server.on("/api/predictions/", self._listed)
        server.on("/api/predictions", self._delete)
        server.on("/api/projects/1/import/predictions", self._import)
        server.on("/api/projects/1/model-versions/", lambda _: Reply.of(self.versions()))

    def api(self, **options: Any) -> ProjectApi:
        return ProjectApi(Http(self.server.url, "0" * 40, sleep=lambda _: None), 1, **options)

    def add(self, task: int, version: str, **fields: Any) -> None:
        self._number += 1
        self.predictions.append(
            {"id": self._number, "task": task, "model_version": version, "result": RESULT, "score": 0.5}
            | fields
        )

    def store(self, body: list[Json]) -> None:
        for one in body:
            self.add(one["task"], one["model_version"], result=one["result"], score=one["score"])

    def versions(self) -> Counter[str]:
        return Counter(one["model_version"] for one in self.predictions)

    def each(self, version: str) -> Counter[int]:
        """Return how many predictions of a version each task has."""
        return Counter(one["task"] for one in self.predictions if one["model_version"] == version)

    def _page(self, asked: Asked) -> Reply:
        if asked.query.get("fields") == "all":  # labelled tasks: there are none
            return Reply.of({"tasks": [], "total": 0})
        query = json.loads(asked.query["query"])
        found = [task for task in self.tasks.values() if self._meets(task, query["filters"]["items"])]
        size = int(asked.query["page_size"])
        first = (int(asked.query["page"]) - 1) * size
        page = found[first : first + size]
        if first and not page:
            return Reply.of({"detail": "Invalid page."}, 404)
        assert asked.query["review"] == "true", "else it may ask its backend for predictions first"
        return Reply.of({"tasks": page, "total": len(found)})

    def _of(self, task: Json) -> list[str]:
        return [one["model_version"] for one in self.predictions if one["task"] == task["id"]]

    def _meets(self, task: Json, conditions: list[Json]) -> bool:
        for one in conditions:
            field, operator, value = (
                one["filter"].removeprefix("filter:tasks:"),
                one["operator"],
                one["value"],
            )
            if field == "id":
                met = task["id"] in value if operator == "in_list" else _compared(task["id"], operator, value)
            elif field == "total_predictions":
                met = len(self._of(task)) > value
            else:
                assert field == "predictions_model_versions"
                met = any(value[0] in name for name in self._of(task)) == (operator == "contains")
            if not met:
                return False
        return True

    def _listed(self, asked: Asked) -> Reply:
        return Reply.of([one for one in self.predictions if one["task"] == int(asked.query["task"])])

    def _delete(self, asked: Asked) -> Reply:
        assert asked.method == "DELETE"
        number = int(asked.path.strip("/").rpartition("/")[2])
        self.predictions = [one for one in self.predictions if one["id"] != number]
        return Reply(204)

    def _import(self, asked: Asked) -> Reply:
        self.uploads += 1
        body: list[Json] = json.loads(asked.body)
        if reply := self.before(body):
            return reply
        if any(one["task"] not in self.tasks for one in body):
            return Reply.of({"validation_errors": {"non_field_errors": ["invalid task"]}}, 400)
        fits = [one for one in body if one["result"][0]["from_name"] == "c"]
        self.store(fits)
        return Reply.of({"created": len(fits)}, 201)


def _compared(number: int, operator: str, value: int) -> bool:
    return number > value if operator == "greater" else operator == "less_or_equal" and number <= value

"""A fake, and no more: what Label Studio tells those who ask it for a project's tasks through the SDK, or an export."""

import json
from typing import Any

from live import TOKEN
from studio.fake import Asked, FakeServer, Reply


class FakeProject(FakeServer):
    """One Label Studio for all projects of a module. `changed` is what was written to tasks, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: dict[int, dict[int, dict[str, Any]]] = {}
        self.changed: list[tuple[int, Any]] = []
        self.on("/api/version", Reply.of({"label-studio-os-package": {"version": "1.23.2"}}))
        self.on("/api/tasks", self._data_manager)
        self.on("/api/tasks/", self._task_list)

    def add(self, project: int, label_config: str, *tasks: dict[str, Any]) -> None:
        """Give a project labelled tasks; those of the same ids are replaced."""
        kept = self.tasks.setdefault(project, {})
        kept.update({task["id"]: {"project": project, "predictions": [], **task} for task in tasks})
        for task in tasks:
            self.on(f"/api/tasks/{task['id']}/", self._task)
        fields = {
            "id": project,
            "label_config": label_config,
            "title": f"project {project}",
            "evaluate_predictions_automatically": False,
        }
        self.on(f"/api/projects/{project}/", self._if_allowed(fields))
        self.on(f"/api/projects/{project}", self._if_allowed(fields))
        self.on(f"/api/projects/{project}/export", lambda asked: self._allowed(asked, [*kept.values()]))

    def file(self, name: str, content: bytes) -> str:
        """Serve an uploaded file to those with a token; return its URL as it stands in a task."""
        url = f"/data/upload/1/{name}"
        self.on(url, lambda asked: self._allowed(asked, None, content))
        return url

    def _allowed(self, asked: Asked, value: Any, content: bytes | None = None) -> Reply:
        if asked.authorization != f"Token {TOKEN}":
            return Reply.of({"detail": "Authentication credentials were not provided."}, 401)
        return Reply.of(value) if content is None else Reply(body=content)

    def _if_allowed(self, value: Any) -> Any:
        return lambda asked: self._allowed(asked, value)

    def _task(self, asked: Asked) -> Reply:
        number = int(asked.path.strip("/").rpartition("/")[2])
        (found,) = (tasks[number] for tasks in self.tasks.values() if number in tasks)
        if asked.method == "PATCH":
            self.changed.append((number, json.loads(asked.body)))
        return self._allowed(asked, found)

    def _data_manager(self, asked: Asked) -> Reply:
        """Answer the SDK's older client: it asks for pages until one is not there."""
        if int(asked.query["page"]) > 1:
            return Reply.of({"detail": "Invalid page."}, 404)
        tasks = [*self.tasks[int(asked.query["project"])].values()]
        return self._allowed(asked, {"tasks": tasks, "total": len(tasks)})

    def _task_list(self, asked: Asked) -> Reply:
        """Answer the backend itself: it asks for the tasks after an id."""
        query = json.loads(asked.query["query"])
        (after,) = (item["value"] for item in query["filters"]["items"] if item["filter"].endswith(":id"))
        tasks = self.tasks.get(int(asked.query["project"]), {})
        rest = [tasks[number] for number in sorted(tasks) if number > after]
        return self._allowed(asked, {"tasks": rest[: int(asked.query["page_size"])], "total": len(rest)})

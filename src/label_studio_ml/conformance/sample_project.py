"""A made-up project, and the bodies of `/setup` and `/predict` for it, in the form that Label Studio 1.23 sends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

#: Ids of the made-up projects: the largest ones of Label Studio's database, which no real project has.
FIRST_ID, SECOND_ID = 2_147_483_601, 2_147_483_602

#: When the made-up projects were created. Label Studio's uid of a project contains this as whole seconds.
CREATED_AT, _CREATED_SECONDS = "2026-11-23T11:44:18.989977Z", 1795434258

#: What is sent in place of Label Studio's token: no Label Studio accepts it.
NO_TOKEN = "0" * 40

#: Fields of a task about comments, in the order in which Label Studio sends them.
COMMENT_COUNTS: Json = {"comment_count": 0, "unresolved_comment_count": 0, "last_comment_updated_at": None}


@dataclass(frozen=True)
class SampleProject:
    """A project with tasks: `data` has the `data` of each. `hostname` is the address that stands for Label Studio's."""

    number: int
    label_config: str
    data: tuple[Json, ...]
    hostname: str

    @property
    def uid(self) -> str:
        """The project in `/setup` and `/predict`."""
        return f"{self.number}.{_CREATED_SECONDS}"

    def setup(self, extra_params: Any = None) -> Json:
        """Return the body of a `/setup`. `extra_params` is None, text as from Label Studio's form, or a JSON value."""
        return {
            "project": self.uid,
            "schema": self.label_config,
            "hostname": self.hostname,
            "access_token": NO_TOKEN,
            "extra_params": extra_params,
        }

    def predict(self, tasks: Sequence[Json]) -> Json:
        """Return the body of a `/predict` for tasks that are opened or selected."""
        return self._predict(tasks, None)

    def click(self, task: Json, context: Json) -> Json:
        """Return the body of a `/predict` for an annotator's click in a task."""
        return self._predict([task], context)

    def _predict(self, tasks: Sequence[Json], context: Json | None) -> Json:
        return {
            "tasks": list(tasks),
            "project": self.uid,
            "label_config": self.label_config,
            "params": {"login": None, "password": None, "context": context},
        }

    def tasks(self) -> list[Json]:
        """Return all tasks as in a `/predict` without a context."""
        return [self.task(number, data) for number, data in enumerate(self.data, 1)]

    def task(self, number: int, data: Json) -> Json:
        """Return a task with this `data` as in a `/predict` without a context; `number` counts from 1."""
        return {
            **self.beginning(number, data),
            "is_labeled": False,
            "overlap": 1,
            **self.counters(number),
            "project": self.number,
            "updated_by": None,
            "file_upload": None,
            "comment_authors": [],
            "annotations": [],
            "predictions": [],
        }

    def clicked_task(self, number: int) -> Json:
        """Return a task as in a `/predict` with a context."""
        beginning = self.beginning(number, self.data[number - 1])
        return {
            "id": beginning.pop("id"),
            "annotations": [],
            "drafts": [],
            "predictions": [],
            **beginning,
            "allow_skip": True,
            **self.counters(number),
            "project": self.number,
            "updated_by": 1,
            "comment_authors": [],
        }

    def id_of(self, number: int) -> int:
        """Return the id of task `number`, and of its annotation."""
        return self.number - 10_000 + number

    def beginning(self, number: int, data: Json) -> Json:
        """Return the first fields of task `number`, which are the same in calls and events."""
        times = {"created_at": CREATED_AT, "updated_at": CREATED_AT}
        return {"id": self.id_of(number), "data": data, "meta": {}, **times}

    def counters(self, number: int, *, labelled: bool = False) -> Json:
        """Return the fields of task `number` that count annotations, predictions and comments."""
        counts = {"total_annotations": int(labelled), "cancelled_annotations": 0, "total_predictions": 0}
        return {"inner_id": number, **counts, **COMMENT_COUNTS}

"""What annotators did, as events."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from label_studio_ml.errors import BrokerError, SettingsError
from label_studio_ml.projects.annotation_watch import OVERLAP, AnnotationWatch, Cursor
from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.protocol.requests import Event

Json = dict[str, Any]
PROJECT = {"id": 7, "created_at": "2026-11-23T10:00:00.000000Z", "label_config": "<View/>", "token": "secret"}


class FakeApi:
    """Tasks with annotations; `at` is the time of what happens next, in seconds."""

    def __init__(self) -> None:
        self.tasks: dict[int, Json] = {}
        self.at = 0
        self.asked: list[datetime | None] = []

    def _now(self) -> str:
        self.at += 1
        return f"2026-11-23T12:{self.at // 60:02d}:{self.at % 60:02d}.500000Z"

    def annotate(self, task: int, annotation: int) -> None:
        now = self._now()
        found = self.tasks.setdefault(task, {"id": task, "data": {"t": "x"}, "annotations": []})
        others = [one for one in found["annotations"] if one["id"] != annotation]
        found["annotations"] = [*others, {"id": annotation, "task": task, "result": [], "updated_at": now}]
        found["updated_at"] = now

    def remove(self, task: int, annotation: int) -> None:
        found = self.tasks[task]
        found["annotations"] = [one for one in found["annotations"] if one["id"] != annotation]
        found["updated_at"] = self._now()

    def annotated(self) -> Iterator[Json]:
        self.asked.append(None)
        return iter([task for task in self.tasks.values() if task["annotations"]])

    def changed_since(self, moment: datetime) -> Iterator[Json]:
        self.asked.append(moment)
        return iter(
            [task for task in self.tasks.values() if datetime.fromisoformat(task["updated_at"]) > moment]
        )


class Desk:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.broken = False

    def hand_in(self, event: Event) -> None:
        if self.broken:
            raise BrokerError("away")
        self.events.append(event)

    def told(self) -> list[tuple[str, Any]]:
        """Return what was handed in since the last call."""
        events, self.events = self.events, []
        return [
            (
                one.action,
                one.data["annotation"]["id"] if "annotation" in one.data else one.data["annotations"],
            )
            for one in events
        ]


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def intake() -> Desk:
    return Desk()


@pytest.fixture
def cursor(tmp_path: Path) -> Iterator[Cursor]:
    cursor = Cursor(tmp_path / "agent" / "7.json")
    yield cursor
    cursor.close()


def look(api: FakeApi, cursor: Cursor, intake: Desk) -> int:
    return AnnotationWatch(cast("ProjectApi", api), cursor).poll(PROJECT, intake.hand_in)


def test_each_change_is_told_once(api: FakeApi, cursor: Cursor, intake: Desk) -> None:
    api.annotate(1, 10)
    assert look(api, cursor, intake) == 0, "what was there before is no news"
    api.annotate(1, 11)
    api.annotate(2, 20)
    assert look(api, cursor, intake) == 2
    assert intake.told() == [("ANNOTATION_CREATED", 11), ("ANNOTATION_CREATED", 20)]
    api.annotate(1, 10)
    api.remove(2, 20)
    assert look(api, cursor, intake) == 2
    assert intake.told() == [("ANNOTATION_UPDATED", 10), ("ANNOTATIONS_DELETED", [{"id": 20}])]
    assert look(api, cursor, intake) == 0


def test_events_look_as_from_a_webhook(api: FakeApi, cursor: Cursor, intake: Desk) -> None:
    look(api, cursor, intake)
    api.annotate(1, 10)
    look(api, cursor, intake)
    (event,) = intake.events
    assert event.uid == "7.1795428000"
    assert event.label_config == "<View/>"
    assert event.data["task"] == {"id": 1, "data": {"t": "x"}, "updated_at": api.tasks[1]["updated_at"]}
    assert event.data["annotation"]["id"] == 10
    assert "token" not in event.data["project"]


def test_what_could_not_be_handed_in_is_handed_in_later(api: FakeApi, cursor: Cursor, intake: Desk) -> None:
    look(api, cursor, intake)
    api.annotate(1, 10)
    api.annotate(2, 20)
    intake.broken = True
    with pytest.raises(BrokerError):
        look(api, cursor, intake)
    intake.broken = False
    look(api, cursor, intake)
    assert intake.told() == [("ANNOTATION_CREATED", 10), ("ANNOTATION_CREATED", 20)]


def test_a_restart_goes_on_from_what_was_seen(api: FakeApi, intake: Desk, tmp_path: Path) -> None:
    for first in (True, False):
        cursor = Cursor(tmp_path / "7.json")
        api.annotate(1, 10 if first else 11)
        look(api, cursor, intake)
        cursor.close()
    assert intake.told() == [("ANNOTATION_CREATED", 11)]
    assert api.asked[0] is None
    assert api.asked[1] == datetime.fromisoformat("2026-11-23T12:00:01.500000Z") - OVERLAP


def test_one_agent_for_a_project(cursor: Cursor, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Another agent"):
        Cursor(tmp_path / "agent" / "7.json")

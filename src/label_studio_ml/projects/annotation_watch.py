"""Poll a project for changed annotations, and turn them into the events that Label Studio's webhooks would send."""

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.errors import SettingsError
from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.protocol.requests import Event, parse_event
from label_studio_ml.storage import atomic_files, file_locks
from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.studio.transport.api_client import Json

#: How far each poll reaches back before the last change seen: a change may become visible later than its time says.
OVERLAP = timedelta(seconds=60)
#: Value of `since` after a first poll that found no task, in Label Studio's format.
_BEGIN = "1970-01-01T00:00:00.000000Z"

logger = logging.getLogger(__name__)


class Cursor:
    """The known annotations of a project, kept in the file `path`: `{annotation: [task, time of its change]}`.

    `since` is the time of the last change seen, empty before the first poll; `selected` is the version whose
    predictions Label Studio is set to show. A damaged file is set aside and the cursor starts empty. Raises
    SettingsError when another process holds the cursor.
    """

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self._path = path
        try:
            self._lock = file_locks.open_locked(path.with_suffix(".lock"))
        except BlockingIOError:
            raise SettingsError(
                "Another agent polls this project", fix="Run only one agent for each project"
            ) from None
        self.since = self.selected = ""
        self.annotations: dict[int, list[Any]] = {}
        with contextlib.suppress(FileNotFoundError):
            text = path.read_text(errors="replace")
            try:
                saved = json.loads(text)
                annotations = {int(number): entry for number, entry in saved["annotations"].items()}
                self.since, self.selected = str(saved["since"]), str(saved["selected"])
                self.annotations = annotations
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                aside = path.with_name(f"{path.name}.damaged")
                os.replace(path, aside)
                logger.error(
                    "%s is damaged (%s) and was set aside as %s: the project is polled as on the first start",
                    *(path, error, aside.name),
                )

    def close(self) -> None:
        """Release the lock."""
        self._lock.close()

    def write(self) -> None:
        """Save the cursor to its file."""
        text = json.dumps({"since": self.since, "selected": self.selected, "annotations": self.annotations})
        atomic_files.replace_file(self._path, text, temporary=self._path.with_suffix(".new"), durable=False)


class AnnotationWatch:
    """Finds the annotations of one project that changed since the last poll. Blocking."""

    def __init__(self, api: ProjectApi, cursor: Cursor) -> None:
        self._api = api
        self._cursor = cursor

    def poll(self, project: Json, hand_in: Callable[[Event], object]) -> int:
        """Call `hand_in` with events for annotations that are new, changed or deleted; return the number of these.

        Deleted annotations of one task share an event. Annotations that exist at the very first poll are no events.
        `project` is the API's description of the project. If `hand_in` raises, the next poll repeats that event.
        """
        is_first = not self._cursor.since
        annotations = self._cursor.annotations
        changes = 0
        since = self._cursor.since
        for task in list(self._changed()):
            since = max(since, str(task["updated_at"]))
            now = {int(annotation["id"]): annotation for annotation in task["annotations"]}
            for number, annotation in now.items():
                at = str(annotation["updated_at"])
                previous = annotations.get(number)
                if previous is not None and previous[1] == at:
                    continue
                if not is_first:
                    action = "ANNOTATION_CREATED" if previous is None else "ANNOTATION_UPDATED"
                    hand_in(_event(action, project, task=task, annotation=annotation))
                    changes += 1
                annotations[number] = [task["id"], at]
            deleted = [
                number
                for number, entry in annotations.items()
                if entry[0] == task["id"] and number not in now
            ]
            if deleted:
                ids = [{"id": number} for number in deleted]
                hand_in(_event("ANNOTATIONS_DELETED", project, annotations=ids))
                changes += len(deleted)
            for number in deleted:
                del annotations[number]
        if since != self._cursor.since or changes or is_first:
            self._cursor.since = since or _BEGIN
            self._cursor.write()
        return changes

    def _changed(self) -> Iterator[Json]:
        """Yield the tasks that may have changed, with their annotations."""
        if self._cursor.since:
            moment = datetime.fromisoformat(self._cursor.since) - OVERLAP
            yield from self._api.changed_since(moment)
        else:
            yield from self._api.annotated()


def _event(action: str, project: Json, **fields: Any) -> Event:
    """Return an event as the server would read it from a webhook."""
    if "task" in fields:
        task = {
            name: value
            for name, value in fields["task"].items()
            if name not in ("annotations", "predictions")
        }
        fields["task"] = task
    return parse_event(msgspec.json.encode({"action": action, **fields, "project": project}))

"""What servers store in Redis for later runs, besides events: descriptions of projects, and delivered annotations."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import msgspec

from label_studio_ml.protocol.webhook_payload import grouped
from label_studio_ml.training.records.event_queue import ENTRIES_PER_READ, PAYLOADS_PER_READ
from label_studio_ml.training.redis.keys import Keys
from label_studio_ml.training.redis.redis_errors import raises_broker_errors
from label_studio_ml.versions.state.project_state import Project


@raises_broker_errors
class ProjectDescriptions:
    """Descriptions of projects, for workers on other machines. Every method raises BrokerError when Redis fails."""

    def __init__(self, connection: Any, keys: Keys) -> None:
        self._redis = connection
        self._keys = keys

    def store(self, project: Project, *, setup: bool = False) -> None:
        """Store a server's description of a project, its access token included.

        With `setup`, the description comes from a `/setup` request and replaces the stored one. Otherwise, Label
        Studio's address, access token and extra params are kept from a stored description that has an access token.
        """
        stored = None if setup else self.get(project.uid)
        if stored is not None and stored.access_token:
            project = msgspec.structs.replace(
                project,
                hostname=stored.hostname,
                access_token=stored.access_token,
                extra_params=stored.extra_params,
                private=stored.private,
            )
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(self._keys.project(project.uid), msgspec.json.encode(project))
            pipe.hset(self._keys.titles, project.uid, project.title)
            pipe.execute()

    def titles(self) -> dict[str, str]:
        """Return the titles of all projects that servers have described, by uid."""
        titles = self._redis.hgetall(self._keys.titles)
        return {uid.decode(errors="replace"): title.decode(errors="replace") for uid, title in titles.items()}

    def get(self, uid: str) -> Project | None:
        """Return the description of a project that servers have stored, None if there is none."""
        text = self._redis.get(self._keys.project(uid))
        return None if text is None else msgspec.json.decode(text, type=Project)


@raises_broker_errors
class DeliveredAnnotations:
    """The labelled tasks that webhooks delivered. Every method raises BrokerError when Redis fails."""

    def __init__(self, connection: Any, keys: Keys) -> None:
        self._redis = connection
        self._keys = keys

    def add(self, project: str, pairs: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        """Store (task, annotation) pairs that a webhook delivered; a skipped annotation removes its stored pair."""
        key = self._keys.delivered(project)
        with self._redis.pipeline(transaction=True) as pipe:
            for task, annotation in pairs:
                field = f"{task.get('id')}:{annotation.get('id')}"
                if annotation.get("was_cancelled"):
                    pipe.hdel(key, field)
                else:
                    pipe.hset(key, field, msgspec.json.encode({"task": task, "annotation": annotation}))
            pipe.execute()

    def remove(
        self, project: str, *, tasks: Iterable[object] = (), annotations: Iterable[object] = ()
    ) -> None:
        """Remove the annotations with these task ids or annotation ids."""
        task_ids, annotation_ids = {str(task) for task in tasks}, {str(number) for number in annotations}
        key = self._keys.delivered(project)
        fields = [field.decode() for field in self._redis.hkeys(key)]
        removed = []
        for field in fields:
            task, _, annotation = field.partition(":")
            if task in task_ids or annotation in annotation_ids:
                removed.append(field)
        for start in range(0, len(removed), ENTRIES_PER_READ):
            self._redis.hdel(key, *removed[start : start + ENTRIES_PER_READ])

    def tasks(self, project: str) -> Iterator[dict[str, Any]]:
        """Yield the tasks, each with its annotations, ordered by task id, read in parts."""
        fields = [field.decode() for field in self._redis.hkeys(self._keys.delivered(project))]
        fields.sort(key=lambda field: [(len(part), part) for part in field.split(":")])  # numeric order
        for _, of_task in groupby(self._bodies(project, fields), key=lambda pair: pair["task"].get("id")):
            yield from grouped((pair["task"], pair["annotation"]) for pair in of_task).values()

    def _bodies(self, project: str, fields: list[str]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(fields), PAYLOADS_PER_READ):
            bodies = self._redis.hmget(
                self._keys.delivered(project), fields[start : start + PAYLOADS_PER_READ]
            )
            yield from (msgspec.json.decode(body) for body in bodies if body is not None)

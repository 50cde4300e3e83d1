"""The errors that all servers and workers of a backend have reported, in groups in Redis."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from label_studio_ml.monitoring.error_groups import MAX_GROUPS, MAX_TASKS, ErrorGroup
from label_studio_ml.training.redis.keys import Keys
from label_studio_ml.training.redis.redis_errors import raises_broker_errors
from label_studio_ml.training.redis.scripts import MERGE_ERRORS

logger = logging.getLogger(__name__)

#: Groups in one call of the script.
_CHUNK = 50


@raises_broker_errors
class ErrorRecords:
    """The groups of errors of one queue, at most `limit`. Every method raises BrokerError when Redis fails."""

    def __init__(self, connection: Any, keys: Keys, *, limit: int = MAX_GROUPS) -> None:
        self._redis = connection
        self._keys = (keys.errors, keys.errors_order)
        self._limit = limit
        self._merge = connection.register_script(MERGE_ERRORS)

    def merge(self, groups: Sequence[ErrorGroup]) -> None:
        """Add groups of errors to those of other servers. A repeated call counts them again."""
        for start in range(0, len(groups), _CHUNK):
            texts = [msgspec.json.encode(group) for group in groups[start : start + _CHUNK]]
            self._merge(keys=list(self._keys), args=[self._limit, MAX_TASKS, *texts])

    def all(self) -> list[ErrorGroup]:
        """Return all groups, that of the latest error first."""
        groups = []
        for group_id, text in self._redis.hgetall(self._keys[0]).items():
            try:
                groups.append(msgspec.json.decode(text, type=ErrorGroup))
            except msgspec.MsgspecError as error:  # of another release
                logger.debug("The errors %.100r cannot be read: %s", group_id, error)
        return sorted(groups, key=lambda group: -group.last)

    def state(self) -> tuple[int, object]:
        """Return a value that changes with the groups: their number, and the latest one with its time."""
        with self._redis.pipeline() as pipe:
            pipe.zcard(self._keys[1])
            pipe.zrange(self._keys[1], -1, -1, withscores=True)
            number, latest = pipe.execute()
        return int(number), latest

    def remove(self, ids: Iterable[str]) -> None:
        """Remove groups."""
        members = list(ids)
        if members:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.hdel(self._keys[0], *members)
                pipe.zrem(self._keys[1], *members)
                pipe.execute()

    def forget(self, project: str, kind: str = "") -> None:
        """Remove the groups of a project, or those of one kind."""
        groups = [group for group in self.all() if group.project == project]
        self.remove([group.id for group in groups if kind in ("", group.kind)])

"""Copy of a journal in Redis, so that a run can be continued on a machine that does not see the first one's folder."""

import json

from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_errors import broker_errors, raises_broker_errors


@raises_broker_errors
class JournalCopy:
    """The journal entries in Redis of runs that store predictions of one version; `part` names the shard.

    Without a part, it reads and clears the entries of all parts, and writes none. Every method raises BrokerError.
    """

    def __init__(self, job_store: JobStore, uid: str, version: str, part: str = "") -> None:
        self._redis = job_store.redis
        self._key = job_store.keys.journals(uid)
        self._begin = json.dumps([version])[:-1]
        self._field = json.dumps([version, part]) if part else ""

    def read(self) -> list[str]:
        """Return the entries."""
        entries = self._redis.hgetall(self._key)
        return [text.decode() for field, text in entries.items() if self._matches(field.decode())]

    def write(self, text: str) -> None:
        """Store `text` as the entry of this part."""
        if self._field:
            self._redis.hset(self._key, self._field, text)

    def clear(self) -> None:
        """Remove the entries."""
        for field in self._redis.hkeys(self._key):
            if self._matches(field.decode()):
                self._redis.hdel(self._key, field)

    def _matches(self, field: str) -> bool:
        return field == self._field if self._field else field.startswith(f"{self._begin},")


@broker_errors()
def versions_with_entries(job_store: JobStore, uid: str) -> list[str]:
    """Return the versions that have journal entries of the project in Redis, sorted. Raises BrokerError."""
    fields = job_store.redis.hkeys(job_store.keys.journals(uid))
    return sorted({json.loads(field)[0] for field in fields})

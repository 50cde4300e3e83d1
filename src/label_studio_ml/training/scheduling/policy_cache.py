"""Cache of what training processes reported, so that workers need not start one to learn that no run is due.

The entries are hints: a training process decides for itself, and without an entry a worker starts one.
"""

import contextlib
import hashlib
from typing import TypeVar

import msgspec
import redis

from label_studio_ml.config.settings import Settings
from label_studio_ml.training.policy import RECOUNT_INTERVAL, Entry, Policy, order
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_errors import raises_broker_errors


class _ClassInfo(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    policy: Policy
    generation: str


class _Labelled(msgspec.Struct, frozen=True, kw_only=True):
    count: int
    last: str
    at: int


_Entry = TypeVar("_Entry", _ClassInfo, _Labelled)


@raises_broker_errors
class PolicyCache:
    """Cached policy and generation of the model class, and counts of labelled tasks, as the last run reported them."""

    def __init__(self, job_store: JobStore, settings: Settings) -> None:
        self._job_store = job_store
        self._settings = settings

    @property
    def code(self) -> str:
        """A fingerprint of the backend's Python files (path, time, size), the class name and the policy settings."""
        folders = {self._settings.backend_dir}
        if self._settings.script is not None:
            folders.add((self._settings.backend_dir / self._settings.script).parent)
        parts: list[object] = [self._settings.script, self._settings.class_name]
        parts += [self._settings.train_every, self._settings.quiet_period, self._settings.min_annotations]
        for folder in sorted(folders):
            for path in sorted(folder.glob("*.py")):
                try:
                    status = path.stat()
                except OSError:
                    continue
                parts.append((str(path), status.st_mtime_ns, status.st_size))
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def policy(self, code: str) -> Policy | None:
        """Return the training policy of the class with this fingerprint, None if it is not cached."""
        info = self._class_info(code)
        return info.policy if info else None

    def generation(self, code: str) -> str:
        """Return the generation of the class with this fingerprint, empty if it is not cached."""
        info = self._class_info(code)
        return info.generation if info else ""

    def _class_info(self, code: str) -> _ClassInfo | None:
        text = self._job_store.redis.get(self._job_store.keys.policy)
        info = _decoded(text, _ClassInfo) if text is not None else None
        return info if info is not None and info.code == code else None

    def learn(self, code: str, policy: Policy, generation: str) -> None:
        """Store policy and generation that a run reported for the class. Best effort: errors of Redis are ignored."""
        info = _ClassInfo(code=code, policy=policy, generation=generation)
        with contextlib.suppress(redis.RedisError):
            if info != self._class_info(code):
                self._job_store.redis.set(self._job_store.keys.policy, msgspec.json.encode(info))

    def forget(self) -> None:
        """Remove the cached class, and postponements and counts of dirty projects. Raises BrokerError.

        A worker does this when it starts, because its code may be another one.
        """
        keys = self._job_store.keys
        self._job_store.redis.delete(keys.policy)
        for project in self._job_store.queues.dirty():
            self._job_store.redis.delete(keys.postponement(project), keys.labelled(project))

    def learn_labelled(self, project: str, count: int, last: str, at: int) -> None:
        """Store the number of labelled tasks counted at `at` (ms), with the id of the last event then.

        Raises BrokerError.
        """
        labelled = _Labelled(count=count, last=last, at=at)
        self._job_store.redis.set(self._job_store.keys.labelled(project), msgspec.json.encode(labelled))

    def labelled(self, project: str, entries: list[Entry], now: int) -> int | None:
        """Return an upper bound of a project's labelled tasks, queued events included; None if not known.

        A count that is older than RECOUNT_INTERVAL is not used. `now` is in ms. Raises BrokerError.
        """
        text = self._job_store.redis.get(self._job_store.keys.labelled(project))
        labelled = _decoded(text, _Labelled) if text is not None else None
        if labelled is None or not 0 <= now - labelled.at < RECOUNT_INTERVAL:
            return None
        after = order(labelled.last)
        return labelled.count + sum(entry.annotations for entry in entries if order(entry.id) > after)


def _decoded(text: bytes, kind: type[_Entry]) -> _Entry | None:
    """Return an entry, None if it is damaged or another release of this package wrote it in another form."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None

"""An index over the jobs of all projects in Redis: for each state a sorted set of job ids, by time of creation.

With it, the newest jobs in a state are found without reading each project's list. The index has the newest MAX_LISTED
ended jobs of each state; older ones are in their project's list only. What a release without an index has written
is found by `build`.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from label_studio_ml.training.redis.keys import Keys
from label_studio_ml.training.redis.redis_errors import raises_broker_errors
from label_studio_ml.training.redis.scripts import LIST_JOB

#: The states of jobs, those that have not ended first.
STATES = ("queued", "started", "finished", "failed", "interrupted", "cancelled")
ENDED = STATES[2:]
#: Number of ended jobs that are listed for each state.
MAX_LISTED = 20_000
#: Seconds after which jobs without an entry are looked for again: a server of an older release may run beside this one.
REBUILD_INTERVAL = 6 * 3600
#: Number of keys that are scanned, and of commands that are sent, at a time.
_SCANNED, _COMMANDS = 1000, 500


def created_at(job_id: str) -> int:
    """Return the time in ms at which a job was created, according to its id; 0 if the id does not begin with a time."""
    try:
        moment = datetime.strptime(job_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return 0
    return round(moment.timestamp() * 1000)


def state_now(state: str, *, was_retried: bool) -> str:
    """Return the state of a record in today's terms.

    An earlier release wrote "failed" and the field `retried` (`was_retried`) into the records of interrupted jobs.
    """
    return "interrupted" if state == "failed" and was_retried else state


@raises_broker_errors
class JobIndex:
    """The index of one queue. Every method raises BrokerError when Redis fails."""

    def __init__(self, connection: Any, keys: Keys) -> None:
        self._redis = connection
        self._keys = keys

    def list_in(self, pipe: Any, job_id: str, state: str) -> None:
        """Add the command that lists a job in a state, and in no other one, to the pipeline `pipe`."""
        pipe.eval(LIST_JOB, 0, self._keys.index(""), job_id, state, created_at(job_id))

    def remove_in(self, pipe: Any, job_ids: Sequence[str]) -> None:
        """Add the commands that remove jobs from the index to the pipeline `pipe`."""
        for state in STATES:
            pipe.zrem(self._keys.index(state), *job_ids)

    def prune(self) -> None:
        """Remove the oldest ended jobs beyond MAX_LISTED of each state."""
        with self._redis.pipeline(transaction=False) as pipe:
            for state in ENDED:
                pipe.zremrangebyrank(self._keys.index(state), 0, -MAX_LISTED - 1)
            pipe.execute()

    def counts(self) -> dict[str, int]:
        """Return the number of listed jobs in each state."""
        with self._redis.pipeline(transaction=False) as pipe:
            for state in STATES:
                pipe.zcard(self._keys.index(state))
            return dict(zip(STATES, pipe.execute(), strict=True))

    def newest(self, states: Iterable[str], offset: int, count: int) -> list[str]:
        """Return the ids of up to `count` jobs in any of the states, newest first, after the first `offset` ones."""
        with self._redis.pipeline(transaction=False) as pipe:
            for state in states:
                pipe.zrevrange(self._keys.index(state), 0, offset + count - 1, withscores=True)
            listed = [entry for entries in pipe.execute() for entry in entries]
        listed.sort(key=lambda entry: (entry[1], entry[0]), reverse=True)
        return list(dict.fromkeys(job_id.decode() for job_id, _ in listed[offset : offset + count]))

    def correct(self, states: dict[str, str]) -> None:
        """List jobs in the states that their records have now; an empty state stands for a job without a record."""
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id, state in states.items():
                if state:
                    self.list_in(pipe, job_id, state)
                else:
                    self.remove_in(pipe, [job_id])
            pipe.execute()

    def build(self) -> bool:
        """List all jobs of all projects, unless that was done in the last REBUILD_INTERVAL; return whether it was not.

        It reads the state of each job, so it takes a second for ten thousand of them.
        """
        if not self._redis.set(self._keys.index_built, 1, nx=True, ex=REBUILD_INTERVAL):
            return False
        try:
            for lists in _chunks(self._redis.scan_iter(self._keys.jobs("*"), count=_SCANNED)):
                with self._redis.pipeline(transaction=False) as pipe:
                    for key in lists:
                        pipe.lrange(key, 0, -1)
                    job_ids = [job_id.decode() for ids in pipe.execute() for job_id in ids]
                for some_ids in _chunks(job_ids):
                    self._list_with_state(some_ids)
        except BaseException:
            self._redis.delete(self._keys.index_built)
            raise
        self.prune()
        return True

    def _list_with_state(self, job_ids: Sequence[str]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hmget(self._keys.job(job_id), "state", "retried")
            states = pipe.execute()
        self.correct(
            {
                job_id: state_now(state.decode(), was_retried=retried is not None)
                for job_id, (state, retried) in zip(job_ids, states, strict=True)
                if state is not None
            }
        )


def _chunks(items: Iterable[Any]) -> Iterable[list[Any]]:
    """Yield the items in lists of at most _COMMANDS."""
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == _COMMANDS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk

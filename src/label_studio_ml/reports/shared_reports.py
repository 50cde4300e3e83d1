"""The reports of all servers of a backend, kept in Redis for one hour."""

import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from label_studio_ml.monitoring.counter_history import INTERVAL, KEPT, Sample
from label_studio_ml.reports.server_report import ServerReport
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_errors import raises_broker_errors

#: Seconds after which a report and its figures are removed.
LIFETIME = KEPT * INTERVAL + 60
#: Seconds without a report after which a server counts as gone.
SILENT_AFTER = 45.0

_report_decoder = msgspec.json.Decoder(ServerReport)
_sample_decoder = msgspec.json.Decoder(Sample)


@raises_broker_errors
class SharedReports:
    """The reports of a backend's servers. `job_store` returns the job records; calls block, and raise BrokerError."""

    def __init__(self, job_store: Callable[[], JobStore]) -> None:
        self._job_store = job_store

    def publish(self, report: ServerReport, samples: Iterable[Sample]) -> None:
        """Store a server's report in place of its last one, and append samples to its figures."""
        job_store = self._job_store()
        keys, encoded = job_store.keys, [msgspec.json.encode(sample) for sample in samples]
        with job_store.redis.pipeline(transaction=False) as pipe:
            pipe.hset(keys.reports, report.id, msgspec.json.encode(report))
            pipe.expire(keys.reports, LIFETIME)
            if encoded:
                figures = keys.figures(report.id)
                pipe.rpush(figures, *encoded)
                pipe.ltrim(figures, -KEPT, -1)
                pipe.expire(figures, LIFETIME)
            pipe.execute()

    def all(self) -> list[ServerReport]:
        """Return the last report of each server that has reported within the hour, the oldest server first."""
        job_store = self._job_store()
        reports, outdated = [], []
        for server, text in job_store.redis.hgetall(job_store.keys.reports).items():
            try:
                report = _report_decoder.decode(text)
            except msgspec.MsgspecError:  # of another release
                report = None
            if report is None or time.time() - report.at > LIFETIME:
                outdated.append(server)
            else:
                reports.append(report)
        if outdated:
            job_store.redis.hdel(job_store.keys.reports, *outdated)
        return sorted(reports, key=lambda report: (report.started, report.id))

    def figures(self, servers: Iterable[str]) -> list[Sequence[Sample]]:
        """Return the samples of each of the servers with these ids."""
        job_store = self._job_store()
        with job_store.redis.pipeline(transaction=False) as pipe:
            for server in servers:
                pipe.lrange(job_store.keys.figures(server), 0, -1)
            return [_decoded(texts) for texts in pipe.execute()]


def _decoded(texts: Iterable[bytes]) -> list[Sample]:
    try:
        return [_sample_decoder.decode(text) for text in texts]
    except msgspec.MsgspecError:  # of another release
        return []


def is_silent(report: ServerReport, now: float) -> bool:
    """Return whether a server that has not stopped has sent no report for longer than SILENT_AFTER."""
    return not report.ended and now - report.at > SILENT_AFTER

"""Write the files that a run's process reads: its events and the delivered tasks, one JSON object per line."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.training.policy import Entry
from label_studio_ml.training.process.run_request import RunRequest
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore


@contextlib.contextmanager
def handed_over(
    job_store: JobStore, request: RunRequest, entries: list[Entry], folder: Path, *, all_events: bool
) -> Iterator[RunRequest]:
    """Write the files of a run to `folder`, yield the request with their paths, and remove them after the block.

    With `all_events`, all events are written. Otherwise only those that a fit of the seed generation needs: the last
    one, and all `START_TRAINING` events, which may name the annotations to train on. Only a few events are in memory at
    a time. Raises BrokerError, and OSError if a file cannot be written.
    """
    uid = request.spec.project.uid
    last = entries[-1].id
    written = [
        entry for entry in entries if all_events or entry.action == "START_TRAINING" or entry.id == last
    ]
    make_folder(folder)
    events, delivered = folder / f"{request.job}.events", folder / f"{request.job}.tasks"
    try:
        _write(events, job_store.queues.payloads(uid, [entry.id for entry in written]))
        _write(delivered, job_store.delivered.tasks(uid))
        yield msgspec.structs.replace(
            request, events_file=str(events), delivered=str(delivered), whole=len(written) == len(entries)
        )
    finally:
        events.unlink(missing_ok=True)
        delivered.unlink(missing_ok=True)


def _write(path: Path, objects: Iterable[Any]) -> None:
    encoder = msgspec.json.Encoder()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as lines:
        for item in objects:
            lines.write(encoder.encode(item) + b"\n")


def without_payloads(entries: Iterable[Entry]) -> list[StoredEvent]:
    """Return the events of `entries` without their payloads, for code that needs only ids and actions."""
    return [StoredEvent(entry.action, {}, id=entry.id) for entry in entries]

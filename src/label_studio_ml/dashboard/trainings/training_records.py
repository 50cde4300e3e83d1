"""The records of trainings for the dashboard: from Redis, or from this process where it trains synchronously."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, UnknownJob
from label_studio_ml.training.intake.event_intake import RedisIntake
from label_studio_ml.training.metric_history import METRICS_FILE
from label_studio_ml.training.overview import training_list
from label_studio_ml.training.overview.full_log import FullLog, full_log
from label_studio_ml.training.overview.live_training import LiveTrainings
from label_studio_ml.training.records.job_pages import read_points
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.job_index import STATES
from label_studio_ml.versions.state.project_state import Projects
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.web.intake_interface import TrainingIntake

#: The newest waiting, and the newest running trainings that the page follows.
ACTIVE = 50

#: Seconds between two checks whether the index was built.
INDEX_CHECK = 60.0


class TrainingRecords:
    """Reads trainings. Methods block for a moment, and raise BrokerError while Redis cannot be reached."""

    def __init__(self, settings: Settings, intake: TrainingIntake, store: VersionStore) -> None:
        self._intake = intake
        self._store = store
        self._projects = Projects(settings.model_dir)
        self._folder = str(settings.backend_dir)
        self._logs: Path = settings.log_dir / "jobs"
        self._live = LiveTrainings(self._folder)
        self._checked_at = float("-inf")

    def page(self, states: Sequence[str], project: str, offset: int, count: int) -> dict[str, Any]:
        """Return a page of trainings; see `training_list.page_of_jobs`."""
        job_store = self._indexed()
        if job_store is None:
            rows = [row for row in self._synchronous(project) if not states or row["state"] in states]
            return {"jobs": rows[offset : offset + count], "total": len(rows)}
        return training_list.page_of_jobs(
            job_store, self._folder, states=states, project=project, offset=offset, count=count
        )

    def counts(self, project: str) -> dict[str, int]:
        """Return the number of trainings in each state, and of projects with parked events."""
        job_store = self._indexed()
        if job_store is not None:
            return training_list.counts(job_store, project)
        rows = self._synchronous(project)
        return {**{state: sum(row["state"] == state for row in rows) for state in STATES}, "parked": 0}

    def parked(self, project: str, offset: int, count: int) -> dict[str, Any]:
        """Return a page of the projects with parked events, and their number."""
        job_store = self._indexed()
        if job_store is None:
            return {"parked": [], "total": 0}
        if project:
            rows = training_list.parked_rows(job_store, self._folder, project=project)
            return {"parked": rows, "total": len(rows)}
        rows = training_list.parked_rows(job_store, self._folder, offset=offset, count=count)
        return {"parked": rows, "total": job_store.queues.parked_sets.count()}

    def active(self) -> dict[str, Any]:
        """Return what the list follows: `counts`, `running`, `waiting`, `workers`, and this server's `spooled`."""
        job_store = self._indexed()
        spooled = self._intake.spool.events
        if job_store is None:
            counts = self.counts("")
            return {"counts": counts, "running": [], "waiting": [], "workers": None, "spooled": spooled}
        found = training_list.active(job_store, self._folder, ACTIVE)
        return {"counts": training_list.counts(job_store), **found, "spooled": spooled}

    def training(self, job_id: str) -> dict[str, Any] | None:
        """Return one training as the page follows it, None if there is no such job."""
        job_store = self._job_store()
        if job_store is not None:
            return self._live.read(job_store, job_id)
        record = self._intake.job_status(job_id)
        if record is None:
            return None
        points = (self._intake.job_metrics(job_id) or {}).get("points", [])
        log = {"first": 0, "next": 0, "lines": [], "current": ""}
        return {**_synchronous_row(record), "points": points, "log": log}

    def points(self, job_id: str) -> list[dict[str, Any]]:
        """Return all points of a training's metrics: Redis keeps them for days, the version's folder for ever.

        Raises UnknownJob.
        """
        job_store = self._job_store()
        if job_store is None:
            return list((self._intake.job_metrics(job_id) or {}).get("points", []))
        job = job_store.jobs.get(job_id)
        if job is None:
            raise UnknownJob(f"There is no training {job_id[:100]}", field="job")
        return read_points(job_store, job_id) or self._stored_points(job.project, job_id)

    def log(self, job_id: str, *, tracebacks: bool) -> FullLog | None:
        """Return the whole log of a training, None if there is no such job."""
        job_store = self._job_store()
        if job_store is None:
            known = self._intake.job_status(job_id) is not None
            return FullLog([], [], 0, complete=True) if known else None
        if job_store.jobs.get(job_id) is None:
            return None
        return full_log(job_store, self._logs, job_id, tracebacks=tracebacks)

    def unpark(self, uid: str) -> str | None:
        """Queue the parked events of a project again; return their job's id, None if there are none."""
        job_store = self._job_store()
        return job_store.unpark(uid) if job_store is not None else None

    def _job_store(self) -> JobStore | None:
        """Return the records in Redis, None if this server trains without Redis."""
        return self._intake.job_store() if isinstance(self._intake, RedisIntake) else None

    def _indexed(self) -> JobStore | None:
        """Return the records in Redis, after listing those that an older release has written."""
        job_store = self._job_store()
        if job_store is not None and time.monotonic() - self._checked_at > INDEX_CHECK:
            training_list.build_index(job_store)
            self._checked_at = time.monotonic()
        return job_store

    def _stored_points(self, uid: str, job_id: str) -> list[dict[str, Any]]:
        """Return the points in the folder of the version that a job made, none if there is no such file here."""
        try:
            versions = self._store.versions(uid)
            manifest = next((manifest for manifest in versions if manifest.job == job_id), None)
            if manifest is None:
                return []
            text = (self._store.folder(uid, manifest.id) / METRICS_FILE).read_bytes()
            return [msgspec.json.decode(line, type=dict[str, Any]) for line in text.splitlines()]
        except (BackendError, OSError, msgspec.MsgspecError):
            return []

    def _synchronous(self, project: str) -> list[dict[str, Any]]:
        """Return the trainings of this process."""
        uids = [project] if project else self._projects.uids()
        records = [record for uid in uids for record in self._intake.jobs(uid, 200)]
        rows = [_synchronous_row(record) for record in records]
        return sorted(rows, key=lambda row: str(row["job"]), reverse=True)


def _synchronous_row(record: dict[str, Any]) -> dict[str, Any]:
    fields = {
        name: value for name, value in record.items() if name not in ("job_status", "model_version", "log")
    }
    return {
        **fields,
        "state": record["job_status"],
        "project_id": str(record["project"]).partition(".")[0],
        "events": 1,
        **({"version": record["model_version"]} if record.get("model_version") else {}),
    }

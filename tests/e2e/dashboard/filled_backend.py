"""A backend after years of use: 5,000 projects, 10,000 jobs, 200 versions, and texts that try to be something else."""

import contextlib
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import requests

from label_studio_ml.evaluation.metrics.results import Confusion, Evaluation, Measured, Selection, WorstTask
from label_studio_ml.evaluation.value_report import LabelUse, ValueReport, VersionUse
from label_studio_ml.monitoring.error_groups import ErrorGroup, Kind
from label_studio_ml.reports.command_record import CommandState, new_command
from label_studio_ml.reports.command_records import RedisCommandRecords
from label_studio_ml.reports.error_records import ErrorRecords
from label_studio_ml.reports.value_reports import ValueReports
from label_studio_ml.runtime.broker import running_url
from label_studio_ml.training.records.job_record import new_job_id
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.keys import DEFAULT_QUEUE
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.versions.evaluation_reports import EvaluationReports
from label_studio_ml.versions.state.project_state import PROJECTS_DB, Project, Projects
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import MANIFEST, Manifest

from ..backend import CLI, Backend, clean_environment
from ..conftest import MODELS
from ..processes import wait_until

PROJECTS, JOBS, VERSIONS = 5000, 10_000, 200

#: Texts that must be shown as they are, and change nothing else.
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "'\"><svg onload=\"document.title='owned'\">",
    "javascript:document.title='owned'",
    "\x1b[31mred\x1b[0m \x00 NUL",
    "\u202eright to left",
    "مرحبا بالعالم, שלום עולם",
    "w" * 1_000_000,
    "label " + "of eighty letters " * 4 + "or a few more",
    "{{constructor.constructor('document.title=1')()}} ${1+1} %00 \\u0000",
)

#: A label of 80 letters and a blank.
LONG_LABEL = "a label of eighty letters, of which a table shows the beginning and a title the rest"

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="choice" toName="text">'
    + "".join(f'<Choice value="{number} {"long label " * 7}"/>' for number in range(20))
    + "</Choices></View>"
)

#: The project that has the versions, reports, commands and errors.
FULL = "1.1700000000"

#: The time of the oldest version and the oldest job.
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Filled:
    """The backend, and the ids of two trainings: one that runs, and one that failed with a hostile log."""

    backend: Backend
    running: str
    failed: str


def hostile(number: int, most: int = 2000) -> str:
    """Return one of the hostile texts; the word of a megabyte is cut to `most` characters."""
    return HOSTILE[number % len(HOSTILE)][:most]


def make(folder: Path, log: Path) -> Filled:
    """Make a backend in `folder`, fill it, start it, and ask it for predictions of a few projects."""
    done = subprocess.run(
        [*CLI, "init", folder.name, "--script", str(MODELS / "dummy.py")],
        cwd=folder.parent,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    data = folder / "data"
    data.mkdir(exist_ok=True)
    _fill_projects(data)
    _fill_versions(data)
    backend = Backend(folder, log)
    backend.start()
    wait_until(lambda: running_url(data / "broker"), "the broker runs")
    job_store = JobStore(connect(running_url(data / "broker")), DEFAULT_QUEUE)
    filled = Filled(backend, *_fill_jobs(job_store))
    _fill_reports(job_store)
    for number in range(1, 9):
        _predict(backend, f"{number}.1700000000")
    return filled


def end(filled: Filled) -> None:
    """Stop the backend and remove its folder."""
    filled.backend.stop()
    shutil.rmtree(filled.backend.folder, ignore_errors=True)


def _predict(backend: Backend, uid: str) -> None:
    """Ask for a prediction, so that the project is served and the figures have numbers."""
    task = {"id": 1, "data": {"text": hostile(int(uid[0]))}}
    body = {"project": uid, "label_config": CONFIG, "tasks": [task], "params": {}}
    requests.post(f"{backend.url}/predict", json=body, timeout=60)


def _fill_projects(data: Path) -> None:
    """Write the projects; all but the first one in one transaction, as each one would be a write to the disk."""
    projects = [
        Project(
            uid=f"{number}.1700000000",
            title=hostile(number - 1) if number < 40 else f"Project {number} of many",
            label_config=CONFIG,
            hostname="http://studio.invalid:8080",
            access_token="token-of-nobody",
            extra_params={"threshold": 0.5, "hostile": hostile(number)},
        )
        for number in range(1, PROJECTS + 1)
    ]
    Projects(data).put(projects[0])
    rows = [(one.uid, "project", msgspec.json.encode(one).decode()) for one in projects[1:]]
    with contextlib.closing(sqlite3.connect(data / PROJECTS_DB)) as connection, connection:
        connection.executemany("INSERT INTO cache (project_id, key, value) VALUES (?, ?, ?)", rows)


def _fill_versions(data: Path) -> None:
    """Write versions, of which the newest but one is rejected, one does not load, and the newest ones have reports."""
    store = VersionStore(data)
    for number in range(VERSIONS):
        folder = store.folder(FULL, f"id-{number:03}")
        folder.mkdir(parents=True)
        manifest = Manifest(
            id=folder.name,
            name=f"v{number:03} {hostile(number, 120)}".replace("\x00", "").strip(),
            project=FULL,
            fence=number + 1,
            created=(BEGAN + timedelta(hours=number)).isoformat(),
            metrics={"accuracy": number / VERSIONS, "loss": 1.0 / (number + 1), LONG_LABEL: 0.123456789},
            parent=f"id-{number - 1:03}" if number else "",
            annotations=100 + number,
            source=f"Label Studio {hostile(number, 200)}",
            gate="accuracy is 0.1, not >= 0.9" if number == VERSIONS - 2 else "",
        )
        (folder / "weights").write_bytes(b"0" * 1000)
        (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    store.record_failure(FULL, "id-197", f"ModelLoadError: {HOSTILE[0]} {'w' * 10_000}")
    for version in ("id-198", "id-199"):
        EvaluationReports(store).put(FULL, version, _evaluation().to_json())
    store.announce(FULL)


def _evaluation() -> Evaluation:
    """Return a report with labels of eighty letters, markup and right-to-left text."""
    labels = ["good", LONG_LABEL, *(hostile(number, 100) for number in range(7))]
    counts = [
        [(row * column) % 7 + 40 * (row == column) for column in range(len(labels))]
        for row in range(len(labels))
    ]
    return Evaluation(
        project="1",
        version="v",
        created="2026-11-30T10:00:00+00:00",
        source=hostile(0),
        tasks=Selection(how="held out", annotated=900, used=400, seen=0),
        failed=1,
        failures=[hostile(2)],
        controls={
            name: Measured(
                kind="choices",
                tasks=400,
                metrics={"accuracy": 0.8712345, LONG_LABEL: 0.5},
                labels={label: {"precision": 0.51234567, "recall": 1.0, "support": 12.0} for label in labels},
                confusion=Confusion(labels, counts),
            )
            for name in ("choice", hostile(1))
        },
        not_measured={hostile(3): hostile(6)},
        worst_tasks=[
            WorstTask(task=5, agreement=0.5, annotated={LONG_LABEL: 2}, predicted={hostile(0): 1}),
            WorstTask(task=6, agreement=0.0, error=hostile(4)),
        ],
    )


def _fill_jobs(job_store: JobStore) -> tuple[str, str]:
    """Write records of jobs as they are after years of use; return the ids of a running and of a failed one."""
    for start in range(0, JOBS, 1000):
        with job_store.redis.pipeline(transaction=False) as pipe:
            for number in range(start, start + 1000):
                created = BEGAN + timedelta(minutes=number)
                _write_job(
                    job_store, pipe, f"{created:%Y%m%d-%H%M%S}-{number:06x}", _ended_job(number, created)
                )
            pipe.execute()
    with job_store.redis.pipeline(transaction=False) as pipe:
        failed = new_job_id()
        _write_job(job_store, pipe, failed, {**_ended_job(1, datetime.now(UTC)), "project": FULL})
        _write_output(job_store, pipe, failed, [*HOSTILE, "epoch 1", "\x1b[2J\x1b[1;1H"])
        running = [new_job_id() for _ in range(3)]
        for number, job_id in enumerate(running):
            _write_job(job_store, pipe, job_id, fields := _active_job(number, "started"))
            pipe.set(job_store.keys.lease(fields["project"]), "a worker", ex=3600)  # others keep away from it
            pipe.sadd(job_store.keys.dirty, fields["project"])
            _write_output(job_store, pipe, job_id, [f"epoch {epoch} of 30" for epoch in range(20)])
        for number in range(3, 8):
            _write_job(job_store, pipe, new_job_id(), _active_job(number, "queued"))
        pipe.execute()
    job_store.redis.delete(job_store.keys.index_built)
    job_store.index.build()
    return running[0], failed


def _ended_job(number: int, created: datetime) -> dict[str, Any]:
    """Return the fields of a job that finished, failed, or was cancelled."""
    state = ("finished", "failed", "cancelled", "finished")[number % 4]
    begun = created + timedelta(seconds=number % 50)
    fields = {
        "project": f"{number % PROJECTS + 1}.1700000000",
        "state": state,
        "created": _text(created),
        "started": _text(begun),
        "ended": _text(begun + timedelta(seconds=number % 4000)),
        "message": hostile(number, 500),
        "annotations": number % 900,
        "asked_by": f"user {hostile(number, 100)}",
        "metrics": msgspec.json.encode({"loss": 0.5, hostile(number, 60): 1.0}),
    }
    if state == "failed":
        return {**fields, "error": f"ValueError: {hostile(number)}"}
    return {**fields, "version": f"v{number} {hostile(number, 60)}"} if state == "finished" else fields


def _active_job(number: int, state: str) -> dict[str, Any]:
    """Return the fields of a job that runs or waits. No worker runs it: its project has no event in its queue."""
    created = datetime.now(UTC) - timedelta(minutes=10 - number)
    fields = {
        "project": f"{number + 1}.1700000000",
        "state": state,
        "created": _text(created),
        "events": number,
    }
    if state == "queued":
        return (
            {**fields, "message": f"waits for 5 more annotations {hostile(number, 80)}"}
            if number % 2
            else fields
        )
    metrics = msgspec.json.encode({"loss": 0.25, LONG_LABEL: 0.5})
    progress = {"started": _text(created), "progress": 0.2 + number / 10, "message": hostile(number + 5, 200)}
    return {**fields, **progress, "metrics": metrics}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _write_job(job_store: JobStore, pipe: Any, job_id: str, fields: dict[str, Any]) -> None:
    pipe.hset(job_store.keys.job(job_id), mapping=fields)
    pipe.lpush(job_store.keys.jobs(fields["project"]), job_id)


def _write_output(job_store: JobStore, pipe: Any, job_id: str, lines: list[str]) -> None:
    """Write the log of a job, and 100 points of three metrics."""
    pipe.rpush(job_store.keys.log(job_id), *(line.encode() for line in lines))
    pipe.hset(job_store.keys.job(job_id), "lines", len(lines))
    points = [
        {"step": step, "loss": 1.0 / (step + 1), LONG_LABEL: step / 100, hostile(0): 0.1}
        for step in range(100)
    ]
    pipe.rpush(job_store.keys.points(job_id), *map(msgspec.json.encode, points))


def _fill_reports(job_store: JobStore) -> None:
    """Write errors, commands and a report on what predictions are worth."""
    ErrorRecords(job_store.redis, job_store.keys).merge(list(_errors()))
    records = RedisCommandRecords(lambda: job_store)
    for number, state in enumerate((CommandState.DONE, CommandState.FAILED, CommandState.CANCELLED)):
        made = new_command("predict", FULL, {}, user=hostile(number, 60), server="gone")
        ran = made.changed(state=CommandState.RUNNING, total=1000, done=400)
        records.add(made)
        records.write(
            ran.changed(state=state, message=hostile(number + 2, 500)), [hostile(number), "400 of 1000 tasks"]
        )
    ValueReports(lambda: job_store).put(FULL, msgspec.json.encode(_value()))


def _errors() -> Iterator[ErrorGroup]:
    """Return errors of all kinds, more than fit on a page."""
    present = round(time.time() * 1000)
    for number in range(120):
        yield ErrorGroup(
            id=f"{number:032x}",
            kind=get_args(Kind)[number % len(get_args(Kind))],
            message=f"{number}: {hostile(number, 1000)}",
            fix=f"Look at {hostile(number + 1, 500)}",
            field=hostile(number + 2, 200) if number % 3 == 0 else "",
            project=f"{number % 30 + 1}.1700000000",
            version=hostile(number + 3, 200) if number % 2 else "",
            server="server-1",
            tasks=[str(task) for task in range(number, number + number % 6)],
            count=number * 97 + 1,
            first=present - 86_400_000,
            last=present - number * 60_000,
        )


def _value() -> ValueReport:
    """Return a report on what became of the predictions of 8 versions."""
    versions = [
        VersionUse(
            version=f"v{number:03} {hostile(number, 120)}",
            annotations=100,
            accepted=60,
            changed=30,
            discarded=10,
            unused=number,
            skipped=1,
            seconds=12.5 + number,
            timed=80,
            last="2026-11-30T10:00:00Z",
            labels=[
                LabelUse(label=label, kept=5, changed=3, removed=2, added=1)
                for label in ("good", LONG_LABEL, *(hostile(number, 100) for number in range(7)))
            ],
        )
        for number in range(8)
    ]
    return ValueReport(
        project="1",
        title=hostile(0),
        made="2026-11-30T10:00:00+00:00",
        tasks=4000,
        versions=versions,
        unaided=500,
        unaided_seconds=42.0,
        unaided_timed=450,
        lost=7,
    )

"""A backend after years of use: 5,000 projects, 10,000 jobs, 200 versions, and texts that try to be something else."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from label_studio_ml.runtime.broker import running_url
from label_studio_ml.training.records.job_record import new_job_id
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.job_index import STATES
from label_studio_ml.training.redis.keys import DEFAULT_QUEUE
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.versions.state.project_state import Project, Projects
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

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="choice" toName="text">'
    + "".join(f'<Choice value="{number} {"long label " * 7}"/>' for number in range(20))
    + "</Choices></View>"
)

#: The project that has the versions, and most of the jobs.
FULL = "1.1700000000"


def hostile(number: int, most: int = 2000) -> str:
    """Return one of the hostile texts; the word of a megabyte is cut to `most` characters."""
    return HOSTILE[number % len(HOSTILE)][:most]


def make(folder: Path, log: Path) -> Backend:
    """Make a backend in `folder`, fill it, and start it."""
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
    _fill_jobs(JobStore(connect(running_url(data / "broker")), DEFAULT_QUEUE))
    return backend


def end(backend: Backend) -> None:
    """Stop the backend and remove its folder."""
    backend.stop()
    shutil.rmtree(backend.folder, ignore_errors=True)


def _fill_projects(data: Path) -> None:
    projects = Projects(data)
    for number in range(1, PROJECTS + 1):
        title = hostile(number) if number < 40 else f"Project {number} of many"
        projects.put(
            Project(
                uid=f"{number}.1700000000",
                title=title,
                label_config=CONFIG,
                hostname="http://studio.invalid:8080",
                access_token="token-of-nobody",
            )
        )


def _fill_versions(data: Path) -> None:
    store = VersionStore(data)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(VERSIONS):
        folder = store.folder(FULL, f"id-{number:03}")
        folder.mkdir(parents=True)
        created = (began + timedelta(hours=number)).isoformat()
        manifest = Manifest(
            id=folder.name,
            name=f"v{number:03} {hostile(number, 120)}".replace("\x00", "").strip(),
            project=FULL,
            fence=number + 1,
            created=created,
            metrics={"accuracy": number / VERSIONS, "loss": 1.0 / (number + 1)},
            parent=f"id-{number - 1:03}" if number else "",
        )
        (folder / "weights").write_bytes(b"0" * 1000)
        (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def _fill_jobs(job_store: JobStore) -> None:
    """Write records of jobs as they are after years of use, and let the index find them."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for start in range(0, JOBS, 1000):
        with job_store.redis.pipeline(transaction=False) as pipe:
            for number in range(start, start + 1000):
                job_id, project = new_job_id(), f"{number % PROJECTS + 1}.1700000000"
                state = STATES[number % len(STATES)]
                state = "finished" if state in ("queued", "started") else state  # those would be run
                created = (began + timedelta(minutes=number)).isoformat(timespec="milliseconds")
                fields = {
                    "project": project,
                    "state": state,
                    "created": created,
                    "started": created,
                    "ended": created,
                    "message": hostile(number, 500),
                    "metrics": msgspec.json.encode({"loss": 0.5, hostile(number, 60): 1.0}),
                }
                if state == "failed":
                    fields["error"] = f"ValueError: {hostile(number)}"
                pipe.hset(job_store.keys.job(job_id), mapping=fields)
                pipe.lpush(job_store.keys.jobs(project), job_id)
                if number == 0:
                    lines = [line.encode() for line in (*HOSTILE, "epoch 1", "\x1b[2J\x1b[1;1H")]
                    pipe.rpush(job_store.keys.log(job_id), *lines)
                    pipe.hset(job_store.keys.job(job_id), "lines", len(lines))
                    points = [{"step": step, "loss": 1.0 / (step + 1)} for step in range(100)]
                    pipe.rpush(job_store.keys.points(job_id), *map(msgspec.json.encode, points))
            pipe.execute()
    job_store.redis.delete(job_store.keys.index_built)
    job_store.index.build()

"""`label-studio-ml train PROJECT_DIR`: train now, through the running backend's queue or with a worker of our own."""

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from label_studio_ml import logs
from label_studio_ml.cli.projects import known_project
from label_studio_ml.cli.start import add_folder_arguments, settings_from
from label_studio_ml.errors import BrokerError
from label_studio_ml.settings import Settings

if TYPE_CHECKING:
    from label_studio_ml.training.jobs import JobBoard

#: Seconds between two looks at the job.
_LOOK = 0.2
#: Seconds that the broker may take to come up.
_BROKER_TIMEOUT = 40.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train`."""
    add_folder_arguments(parser)
    parser.add_argument(
        "--project", metavar="ID", help="Label Studio's project (default: the only one the backend knows)"
    )
    parser.add_argument(
        "--from-version",
        metavar="V",
        help="train on the same annotations as this version did, from its snapshot (default: on today's)",
    )
    parser.add_argument("--no-wait", action="store_true", help="hand the training in and return at once")


def run(args: argparse.Namespace) -> int:
    """Hand in a training and follow it to its end; return 0 if it finished, 1 if it failed."""
    from label_studio_ml.runtime.companion import Companion
    from label_studio_ml.training.dataset import version_snapshot
    from label_studio_ml.training.jobs import JobBoard, StoredEvent, connect
    from label_studio_ml.versions.store import VersionStore

    settings = settings_from(args)
    logs.configure("WARNING")
    project = known_project(settings, args.project)
    companion = Companion(settings, worker_delay=0)
    companion.start()
    try:
        board = JobBoard(connect(companion.url(_BROKER_TIMEOUT)), settings.queue)
        data: dict[str, Any] = {"action": "START_TRAINING", "project": {"id": project.project_id}}
        if args.from_version:
            store = VersionStore(settings.model_dir, pin=settings.model_version)
            version_snapshot(store, project.uid, args.from_version)
            data["from_version"] = args.from_version
        job_id = board.record(project.uid, StoredEvent("START_TRAINING", data))
        print(f"Job {job_id}: training project {project.project_id}", flush=True)
        if args.no_wait:
            if companion.owner:
                raise BrokerError(
                    "No backend is running that could train; the event is kept for when one is",
                    fix="Start it with: label-studio-ml start, or leave out --no-wait",
                )
            return 0
        return _follow(board, job_id, settings)
    finally:
        companion.stop()


def _follow(board: "JobBoard", job_id: str, settings: Settings) -> int:
    """Wait for the end of a job and say what came of it."""
    started = False
    while (job := board.job(job_id)) is None or job.running:
        if job is not None and job.state == "started" and not started:
            started = True
            print(f"Started; its log is {settings.log_dir / 'jobs' / job_id}.log", flush=True)
        time.sleep(_LOOK)
    if job.state == "failed":
        print(f"label-studio-ml: the training failed: {job.error}", file=sys.stderr)
        return 1
    if not job.version:
        print("Finished; the model's fit changed nothing, so there is no new version")
        return 0
    learned = (
        f", learned from {job.annotations} labelled tasks ({job.source})" if job.annotations >= 0 else ""
    )
    print(f"Finished: version {job.version}{learned}")
    if job.held_back:
        print(f"It is held back, and the version before stays served: {job.held_back}")
    return 0

"""`label-studio-ml train DIR`: train now, by the running backend's worker or by one of this command."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from label_studio_ml.cli.options import require_unix
from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments, folder_of, settings_from
from label_studio_ml.cli.shared.open_job_store import OpenJobStore, opened_job_store
from label_studio_ml.cli.shared.project_arguments import known_project
from label_studio_ml.cli.shared.studio_arguments import add_known_project_argument
from label_studio_ml.cli.streams import say
from label_studio_ml.cli.train.follow import follow, outcome
from label_studio_ml.errors import BrokerError, JobEnded, UnknownJob
from label_studio_ml.monitoring import logs
from label_studio_ml.support.texts import our_command

if TYPE_CHECKING:
    from label_studio_ml.training.records.job_record import Job


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train`."""
    add_backend_arguments(parser)
    add_known_project_argument(parser)
    parser.add_argument(
        "--from-version",
        metavar="V",
        help="train on the same annotations as this version did, from its snapshot (default: on today's)",
    )
    parser.add_argument("--no-wait", action="store_true", help="queue the training and return at once")
    parser.add_argument(
        "--cancel-on-interrupt", action="store_true", help="let Ctrl-C cancel the training, too"
    )


def run(args: argparse.Namespace) -> int:
    """Queue a training and follow it to its end; return 0 if it finished, 1 if it failed or was cancelled.

    Also returns 1 when the training was tried and is postponed for a temporary cause, and 130 after Ctrl-C without
    `--cancel-on-interrupt`. Raises BrokerError with `--no-wait` if no backend is running.
    """
    from label_studio_ml.training.dataset import version_snapshot
    from label_studio_ml.training.records.event_queue import StoredEvent
    from label_studio_ml.versions.factory import open_store

    require_unix("train")
    settings = settings_from(args)
    logs.configure("WARNING")
    project = known_project(settings, args.project)
    with opened_job_store(settings, work=True) as open_jobs:
        data: dict[str, Any] = {"action": "START_TRAINING", "project": {"id": project.project_id}}
        if args.from_version:
            store = open_store(settings)
            version_snapshot(store, project.uid, args.from_version)
            data["from_version"] = args.from_version
        earlier_tries = open_jobs.job_store.tries(project.uid)
        event = StoredEvent("START_TRAINING", data, caller="label-studio-ml train")
        job_id = open_jobs.job_store.record(project.uid, event)
        say(f"Job {job_id}: training project {project.project_id}", flush=True)
        if args.no_wait:
            if open_jobs.alone:
                raise BrokerError(
                    "No backend is running that could train; the event is kept until one is",
                    fix=f"Start it with: {our_command('start', folder_of(args))}, or leave out --no-wait",
                )
            return 0

        def is_postponed() -> bool:  # recording the event has ended an earlier postponement
            return (
                open_jobs.job_store.tries(project.uid) > earlier_tries
                and open_jobs.job_store.postponement(project.uid) is not None
            )

        try:
            job = follow(open_jobs.job_store, job_id, is_postponed=is_postponed)
        except KeyboardInterrupt:
            if not args.cancel_on_interrupt:
                say("", _unfollowed_note(folder_of(args), job_id, alone=open_jobs.alone), flush=True)
                return 130
            job = _cancelled(open_jobs, project.uid, job_id)
        if job is None:
            raise UnknownJob(f"Job {job_id} no longer exists: its project was deleted")
        if job.running:
            say(f"label-studio-ml: the training waits: {job.message}", file=sys.stderr)
            say(_unfollowed_note(folder_of(args), job_id, alone=open_jobs.alone))
            return 1
        return outcome(job)


def _unfollowed_note(folder: Path, job_id: str, *, alone: bool) -> str:
    """Return what happens to a job that this command no longer follows, and how to follow or cancel it."""
    if alone:
        return "No backend is running, so the training stops now. It starts again with the backend"
    return (
        f"The training continues. Follow it: {our_command('jobs', folder, '--follow', job_id)}. "
        f"Cancel it: {our_command('cancel', folder, job_id)}"
    )


def _cancelled(open_jobs: OpenJobStore, uid: str, job_id: str) -> "Job | None":
    """Cancel a job, or the running job that took over its events; return the record of the cancelled job.

    Ctrl-C also reaches this command's own worker, which returns its events to the queue, where another job gets them.
    """
    from label_studio_ml.training.scheduling.cancellation import request_cancel

    say("", "Cancelling", flush=True)
    for candidate in [job_id, *(job.id for job in open_jobs.job_store.jobs.of(uid, 3) if job.running)]:
        try:
            request_cancel(open_jobs.job_store, candidate)
        except (JobEnded, UnknownJob):
            continue
        return follow(open_jobs.job_store, candidate)
    return open_jobs.job_store.jobs.get(job_id)

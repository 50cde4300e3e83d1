"""`label-studio-ml cancel DIR JOB`: cancel a running or queued training job."""

import argparse
from pathlib import Path

from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments, folder_of, settings_from
from label_studio_ml.cli.shared.open_job_store import OpenJobStore, opened_job_store
from label_studio_ml.cli.streams import say
from label_studio_ml.cli.train.follow import WorkerCheck, follow
from label_studio_ml.errors import UnknownJob
from label_studio_ml.monitoring import logs
from label_studio_ml.support.texts import our_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `cancel`."""
    add_backend_arguments(parser)
    parser.add_argument("job", metavar="JOB", help="the job's id, as label-studio-ml jobs lists it")


def run(args: argparse.Namespace) -> int:
    """Cancel a job; return 0 if it is cancelled or will be, 1 if it ended in another state."""
    settings = settings_from(args, run_wsgi=False)
    logs.configure("WARNING")
    with opened_job_store(settings) as open_jobs:
        return cancel(open_jobs, args.job, folder_of(args))


def cancel(open_jobs: OpenJobStore, job_id: str, folder: Path) -> int:
    """Request the cancellation of a job, wait for the end of a running one, and print the outcome.

    Returns the exit code. Raises UnknownJob, JobEnded when the job had ended before, and BrokerError. `folder` is the
    backend's folder, for the advice in errors.
    """
    from label_studio_ml.training.scheduling.cancellation import request_cancel

    try:
        job = request_cancel(open_jobs.job_store, job_id)
    except UnknownJob as error:
        error.fix = f"List them with: {our_command('jobs', folder)}"
        raise
    check = WorkerCheck(open_jobs)
    if job.state == "queued":
        say(f"Job {job_id} is cancelled: it has not started and will not run")
    if check.idle_reason:
        say(_closed_later(check.idle_reason))
    if check.idle_reason or job.state == "queued":
        return 0
    say(f"Job {job_id}: cancellation requested", flush=True)
    final_record = follow(open_jobs.job_store, job_id, stop_following=check.has_left)
    if final_record is not None and final_record.running:
        say(_closed_later(check.idle_reason))
        return 0
    if final_record is not None and final_record.state != "cancelled":
        say(f"It ended before it could be cancelled: it is {final_record.state}")
        return 1
    say(f"Cancelled: {final_record.ending if final_record is not None else 'its project was deleted'}")
    return 0


def _closed_later(idle_reason: str) -> str:
    return f"{idle_reason}. The job is closed once one is running"

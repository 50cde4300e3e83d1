"""`label-studio-ml jobs DIR`: list training jobs, follow or cancel one, list or retry parked events."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from label_studio_ml.cli.options import count
from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments, folder_of, settings_from
from label_studio_ml.cli.shared.open_job_store import OpenJobStore, opened_job_store
from label_studio_ml.cli.shared.studio_arguments import add_known_project_argument
from label_studio_ml.cli.shared.tables import print_table
from label_studio_ml.cli.streams import say, say_json
from label_studio_ml.cli.train.cancel import cancel
from label_studio_ml.cli.train.follow import WorkerCheck, follow, outcome
from label_studio_ml.cli.train.job_list import COLUMNS, row
from label_studio_ml.cli.train.parked_events import retry, show
from label_studio_ml.errors import UnknownJob, UnknownProject
from label_studio_ml.monitoring import logs
from label_studio_ml.support.texts import our_command, plural

if TYPE_CHECKING:
    from label_studio_ml.config.settings import Settings

#: Default maximum number of jobs that are listed for each project.
_DEFAULT_LIMIT = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `jobs`."""
    add_backend_arguments(parser)
    add_known_project_argument(parser, "only those of this Label Studio project")
    parser.add_argument(
        "--most",
        type=count,
        default=_DEFAULT_LIMIT,
        metavar="N",
        help="list at most N jobs of each project (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--follow", metavar="JOB", help="show a job's log and progress until it ends")
    action.add_argument("--cancel", metavar="JOB", help="the same as: label-studio-ml cancel DIR JOB")
    action.add_argument("--parked", action="store_true", help="list the events that were set aside, and why")
    action.add_argument("--retry", action="store_true", help="train on the events that were set aside")


def run(args: argparse.Namespace) -> int:
    """List jobs and return 0, or do what `--follow`, `--cancel`, `--parked` or `--retry` says and return its code.

    `--follow` returns 1 if the job failed or was cancelled, or waits while no backend is running.
    """
    settings = settings_from(args, run_wsgi=False)
    logs.configure("WARNING")
    with opened_job_store(settings) as open_jobs:
        if args.cancel:
            return cancel(open_jobs, args.cancel, folder_of(args))
        if args.follow:
            return _follow(open_jobs, args.follow, folder_of(args))
        if args.parked or args.retry:
            return (show if args.parked else retry)(open_jobs, _project_uids(settings, args.project))
        return _list(settings, open_jobs, args)


def _follow(open_jobs: OpenJobStore, job_id: str, folder: Path) -> int:
    job = open_jobs.job_store.jobs.get(job_id)
    check = WorkerCheck(open_jobs)

    def print_idle_reason() -> None:
        say(f"{check.idle_reason}. The job continues once one is running", file=sys.stderr, flush=True)

    def print_if_left() -> bool:
        if check.has_left():
            print_idle_reason()
        return False

    if job is not None and job.running and check.idle_reason:
        print_idle_reason()
        if open_jobs.alone:  # this command's broker ends with it
            return 1
    job = follow(open_jobs.job_store, job_id, log=True, stop_following=print_if_left)
    if job is None:
        raise UnknownJob(f"There is no job {job_id}", fix=f"List them with: {our_command('jobs', folder)}")
    return outcome(job)


def _list(settings: "Settings", open_jobs: OpenJobStore, args: argparse.Namespace) -> int:
    jobs = [
        job
        for uid in _project_uids(settings, args.project)
        for job in open_jobs.job_store.jobs.of(uid, args.most)
    ]
    jobs.sort(key=lambda job: job.created, reverse=True)
    if args.json:
        import msgspec

        from label_studio_ml.training.records.job_pages import read_log
        from label_studio_ml.training.records.job_views import LINES_IN_LIST, describe

        records = [describe(job, read_log(open_jobs.job_store, job.id, -LINES_IN_LIST)) for job in jobs]
        say_json(msgspec.json.format(msgspec.json.encode(records), indent=1).decode())
        return 0
    if not jobs:
        say("There are no training jobs yet")
        return 0
    print_table(COLUMNS, [row(job) for job in jobs])
    for uid in _project_uids(settings, args.project):
        _print_reprediction(open_jobs, uid)
    return 0


def _print_reprediction(open_jobs: OpenJobStore, uid: str) -> None:
    """Print the progress of the re-prediction after the project's last training, if there is one."""
    from label_studio_ml.training.records.repredictions import Repredictions

    reprediction = Repredictions(open_jobs.job_store).get(uid)
    if reprediction is not None:
        say(
            f"Project {uid.partition('.')[0]}: {reprediction.written:,} of "
            f"{plural(reprediction.total, 'task')} got predictions of version "
            f"{reprediction.version} after its training ({reprediction.state})"
            + (f": {reprediction.error}" if reprediction.error else "")
        )


def _project_uids(settings: "Settings", project: str | None) -> list[str]:
    """Return the uids of the backend's known projects; if `project`, only those with that uid or id.

    Raises UnknownProject if none has it.
    """
    from label_studio_ml.versions.state.project_state import Projects

    uids = Projects(settings.model_dir).uids()
    matches = [uid for uid in uids if project is None or project in (uid, uid.partition(".")[0])]
    if project is not None and not matches:
        raise UnknownProject(
            f"This backend does not know project {project}",
            fix=f"Known: {', '.join(sorted(uids)) or 'none yet'}",
            field="--project",
        )
    return matches

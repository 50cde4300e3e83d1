"""`label-studio-ml predict DIR --project ID`: predict all tasks of a project or a file with one version."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from label_studio_ml.cli.options import shard_count
from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments, settings_from
from label_studio_ml.cli.shared.model_arguments import (
    add_prediction_source_arguments,
    print_note,
    started_source,
)
from label_studio_ml.cli.shared.studio_arguments import (
    add_studio_arguments,
    project_number,
    read_label_config,
    with_studio,
)
from label_studio_ml.cli.streams import say
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.monitoring import logs
from label_studio_ml.support.texts import plural
from label_studio_ml.versions.state.project_state import Project, Projects

if TYPE_CHECKING:
    from label_studio_ml.projects.pipeline import Progress
    from label_studio_ml.projects.prediction_run import Report
    from label_studio_ml.projects.project_api import ProjectApi
    from label_studio_ml.studio.resources.task_filters import Filter

#: Seconds to wait for a worker that predicts the same project after a training to release it.
_RELEASE_TIMEOUT = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `predict`."""
    add_backend_arguments(parser)
    parser.add_argument("--project", metavar="ID", type=project_number, help="Label Studio's project")
    add_studio_arguments(parser)
    parser.add_argument(
        "--where",
        metavar="CONDITION",
        action="append",
        default=[],
        help='predict only tasks for which it holds: "total_annotations = 0", "data.lang = en"; several must all hold',
    )
    parser.add_argument(
        "--only-missing",
        action="store_true",
        help="predict only tasks without a prediction of this version (it always does)",
    )
    parser.add_argument("--input", metavar="FILE", type=Path, help="tasks in a .json or .jsonl file instead")
    parser.add_argument("--output", metavar="FILE", type=Path, help="where to write them with predictions")
    parser.add_argument(
        "--label-config", metavar="FILE", type=Path, help="the label config for --input (an XML file)"
    )
    parser.add_argument(
        "--shards",
        type=shard_count,
        metavar="N",
        help="let workers predict the project, in N parts; several for each worker spread the work evenly",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, predict one task")
    add_prediction_source_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Predict and print a summary; return 0, or 1 if a task has no prediction because of an error.

    With `--dry-run`, one task is predicted, and nothing is stored.
    """
    if (args.project is None) == (args.input is None) or (args.input is None) != (args.output is None):
        raise SettingsError(
            "Neither a project nor a file is named, or both are",
            fix="Give --project ID, or --input tasks.json --output predictions.json",
        )
    if args.shards and (args.project is None or args.backend or args.model_workers):
        raise SettingsError(
            "--shards lets workers predict, each with a model of its own",
            fix="Use it with --project, and without --backend and --model-workers",
            field="--shards",
        )
    args.log_level = args.log_level or "WARNING"  # the progress display replaces the INFO lines
    settings = with_studio(args, settings_from(args))
    logs.configure(args.log_level)
    report = asyncio.run(_project(args, settings) if args.project is not None else _file(args, settings))
    return _print_report(report, dry_run=args.dry_run)


async def _project(args: argparse.Namespace, settings: Settings) -> "Report":
    from label_studio_ml.cli.shared.progress_display import shown
    from label_studio_ml.projects import prediction_run
    from label_studio_ml.projects.journal import Journal
    from label_studio_ml.projects.pipeline import Progress
    from label_studio_ml.projects.project_api import project_api
    from label_studio_ml.studio.resources import task_filters

    conditions = [task_filters.parse(text) for text in args.where]
    api = project_api(settings, args.project)
    api.notify = print_note
    async with prediction_run.stopping(api):
        project = await asyncio.to_thread(prediction_run.project_of, api, settings)
        if args.shards and not args.dry_run:
            from label_studio_ml.cli.studio.predict_shards import predict_in_shards

            report = await predict_in_shards(args, settings, api, project, conditions)
            return await _with_present(report, api, conditions)
        progress = Progress()
        async with (
            started_source(args, settings, project) as prediction_source,
            shown(progress, f"Project {args.project}"),
        ):
            if args.dry_run:
                return await prediction_run.try_project(
                    api, prediction_source, progress, conditions=conditions
                )
            report = await prediction_run.predict_project(
                api,
                project,
                prediction_source,
                settings,
                progress,
                conditions=conditions,
                journal_of=partial(Journal, patience=_RELEASE_TIMEOUT),
            )
        return await _with_present(report, api, conditions)


async def _with_present(report: "Report", api: "ProjectApi", conditions: Sequence["Filter"]) -> "Report":
    """Count the tasks that had a prediction before, if no other task was left to predict; return the report."""
    if not _had_tasks(report.progress):
        report.present = await asyncio.to_thread(api.count, conditions)
    return report


async def _file(args: argparse.Namespace, settings: Settings) -> "Report":
    from label_studio_ml.cli.shared.progress_display import shown
    from label_studio_ml.projects import prediction_run
    from label_studio_ml.projects.pipeline import Progress

    project, progress = _project_of_file(args, settings), Progress()
    async with (
        started_source(args, settings, project) as prediction_source,
        shown(progress, args.input.name),
    ):
        return await prediction_run.predict_file(args.input, args.output, prediction_source, progress)


def _project_of_file(args: argparse.Namespace, settings: Settings) -> Project:
    """Return the project for the tasks of a file: the only one that the backend knows, or one named "file".

    Its label config is that of `--label-config` if given. Raises SettingsError when no label config is known.
    """
    projects = Projects(settings.model_dir)
    uids = projects.uids()
    project = projects.get(uids[0]) if len(uids) == 1 else None
    if args.label_config is None:
        if project is None:
            raise SettingsError(
                "The label config to build the model for is not known",
                fix="Give --label-config config.xml",
                field="--label-config",
            )
        return project
    label_config = read_label_config(args.label_config)
    return msgspec.structs.replace(project or Project(uid="file"), label_config=label_config)


def _busy_share(progress: "Progress") -> str:
    """Return a phrase with the share of the time that the model was busy, empty if that is not known."""
    return f", the model was busy for {progress.busy / progress.seconds:.0%} of it" if progress.busy else ""


def _print_report(report: "Report", *, dry_run: bool) -> int:
    progress = report.progress
    if dry_run:
        say(
            f"{plural(progress.total or 0, 'task has', 'tasks have')} no prediction of version "
            f"{report.version}; nothing was stored"
        )
        if report.sample is not None:
            say(f"The first would get: {report.sample.error or json.dumps(report.sample.predictions)}")
        return 1 if report.sample is not None and report.sample.error else 0
    summary = (
        f"{plural(progress.written, 'task has', 'tasks have')} a prediction of version {report.version} now, "
        f"in {progress.seconds:.1f} s ({progress.rate:.1f}/s{_busy_share(progress)})"
    )
    if report.present is not None and not _had_tasks(progress):
        summary = _nothing_left(report.present, report.version)
    if report.removed:
        summary += f"; {plural(report.removed, 'second copy was', 'second copies were')} removed"
    say(summary)
    for cause, tasks in progress.causes.items():
        say(f"label-studio-ml: {plural(tasks, 'task has', 'tasks have')} none: {cause}", file=sys.stderr)
    return 1 if progress.failed else 0


def _had_tasks(progress: "Progress") -> bool:
    """Tell whether there was a task to predict."""
    return bool(progress.predicted or progress.written or progress.failed)


def _nothing_left(present: int, version: str) -> str:
    """Return a sentence for a run that had no task to predict, as `present` tasks had a prediction before."""
    if not present:
        return "There is no task to predict"
    if present == 1:
        return f"The only task has a prediction of version {version} already"
    return f"All {present:,} tasks have a prediction of version {version} already"

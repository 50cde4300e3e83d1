"""`label-studio-ml rank DIR --project ID`: order unlabelled tasks for active learning, the most informative first."""

import argparse
import asyncio
import sys

from label_studio_ml.cli.options import count
from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments, settings_from
from label_studio_ml.cli.shared.model_arguments import (
    add_prediction_source_arguments,
    print_note,
    started_source,
)
from label_studio_ml.cli.shared.studio_arguments import add_studio_arguments, project_number, with_studio
from label_studio_ml.cli.streams import say
from label_studio_ml.config.settings import Settings
from label_studio_ml.monitoring import logs
from label_studio_ml.support.texts import plural

#: Copy of the names in `projects.rank`, which is slow to import.
_METHODS = ("margin", "entropy", "least-confidence", "diversity", "coverage")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `rank`."""
    add_backend_arguments(parser)
    parser.add_argument(
        "--project", metavar="ID", type=project_number, required=True, help="Label Studio's project"
    )
    add_studio_arguments(parser)
    parser.add_argument(
        "--by", choices=_METHODS, default="margin", help="what the order goes by (default: %(default)s)"
    )
    parser.add_argument(
        "--top",
        metavar="K",
        type=count,
        help="how many tasks get a score, the first ones (default: all; by coverage: 50)",
    )
    parser.add_argument(
        "--where",
        metavar="CONDITION",
        action="append",
        default=[],
        help="rank only tasks for which it holds, as in predict --where",
    )
    parser.add_argument(
        "--no-select", action="store_true", help="store the scores, but change no setting of the project"
    )
    add_prediction_source_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Rank the tasks and store their scores; return 0, or 1 if a task could not be ranked."""
    args.log_level = args.log_level or "WARNING"
    settings = with_studio(args, settings_from(args))
    logs.configure(args.log_level)
    return asyncio.run(_rank(args, settings))


async def _rank(args: argparse.Namespace, settings: Settings) -> int:
    from label_studio_ml.cli.shared.progress_display import shown
    from label_studio_ml.projects.pipeline import Progress
    from label_studio_ml.projects.prediction_run import project_of, stopping
    from label_studio_ml.projects.project_api import project_api
    from label_studio_ml.projects.rank import rank
    from label_studio_ml.studio.resources import task_filters

    conditions = [task_filters.parse(text) for text in args.where]
    api = project_api(settings, args.project)
    api.notify = print_note
    async with stopping(api):
        project = await asyncio.to_thread(project_of, api, settings)
        progress = Progress()
        async with (
            started_source(args, settings, project) as prediction_source,
            shown(progress, f"Project {args.project}"),
        ):
            ranked = await rank(
                api,
                project,
                prediction_source,
                settings,
                progress,
                by=args.by,
                top=args.top,
                conditions=conditions,
                select=not args.no_select,
            )
    say(
        f"{plural(ranked.stored, 'task has', 'tasks have')} a score as {ranked.version}; "
        "the lowest is to be labelled first"
    )
    if ranked.stored and not args.no_select:
        say('"Label All Tasks" uses this order; in the Data Manager, order by prediction score, lowest first')
    for task, score in ranked.first:
        say(f"  task {task}: {score:.4f}")
    for cause, tasks in progress.causes.items():
        say(f"label-studio-ml: {plural(tasks, 'task has', 'tasks have')} no score: {cause}", file=sys.stderr)
    return 1 if progress.failed else 0

"""`label-studio-ml value DIR`: measure whether the predictions of a project help its annotators."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments, settings_from
from label_studio_ml.cli.shared.project_arguments import known_project
from label_studio_ml.cli.shared.studio_arguments import (
    add_known_project_argument,
    add_studio_arguments,
    with_studio,
)
from label_studio_ml.cli.streams import say, say_json
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BrokerError
from label_studio_ml.support.texts import plural

if TYPE_CHECKING:
    from label_studio_ml.evaluation.value_report import ValueReport, VersionUse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `value`."""
    add_backend_arguments(parser)
    add_known_project_argument(parser)
    add_studio_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead of tables")


def run(args: argparse.Namespace) -> int:
    """Read the project's annotations, print the report, store it for the dashboard, and return 0."""
    from label_studio_ml.evaluation.value_report import measure_value
    from label_studio_ml.monitoring import logs
    from label_studio_ml.projects.project_api import project_api

    settings = with_studio(args, settings_from(args))
    logs.configure("WARNING")
    project = known_project(settings, args.project, reads=True)
    api = project_api(settings, int(project.project_id))
    try:
        with _progress() as counted:
            report = measure_value(api.judged(), project.uid, project.title, counted=counted)
    finally:
        api.close()
    _store(settings, report)
    if args.json:
        import msgspec

        say_json(msgspec.json.encode(report).decode())
    else:
        _show(report)
    return 0


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Show the number of tasks that were read; give the function that is called with it."""
    from label_studio_ml.cli.shared.progress_display import ProgressState, progress_display

    with progress_display(sys.stderr, keep=False) as display:
        yield lambda tasks: display.show(
            ProgressState("Reading annotations", amount=plural(tasks, "task"), done=tasks)
        )


def _store(settings: Settings, report: "ValueReport") -> None:
    """Store the report for the dashboard. Without a Redis that answers, only print a note."""
    import msgspec

    from label_studio_ml.cli.shared.open_job_store import opened_job_store
    from label_studio_ml.reports.value_reports import ValueReports

    try:
        with opened_job_store(settings) as open_jobs:
            ValueReports(lambda: open_jobs.job_store).put(report.project, msgspec.json.encode(report))
    except BrokerError as error:
        say(f"label-studio-ml: The dashboard does not get this report: {error}", file=sys.stderr)


def _show(report: "ValueReport") -> None:
    from label_studio_ml.cli.shared.tables import Column, Row, print_table

    say(f"{plural(report.tasks, 'annotated task')} of project {report.project}")
    if not report.versions:
        say("No annotation began as a prediction: do annotators see predictions in this project?")
    columns = [
        Column("VERSION"),
        *(
            Column(name, right=True)
            for name in ("SEEN", "ACCEPTED", "CHANGED", "DISCARDED", "NOT USED", "SKIPPED", "SECONDS")
        ),
    ]
    print_table(columns, [Row(_cells(use)) for use in report.versions])
    say(
        "",
        f"{plural(report.unaided, 'annotation was', 'annotations were')} made without a prediction"
        + (f", in {report.unaided_seconds:.1f} s (median)" if report.unaided_seconds is not None else ""),
    )
    if report.lost:
        say(f"{plural(report.lost, 'annotation began', 'annotations began')} as a prediction that is gone")


def _cells(use: "VersionUse") -> list[str]:
    counts = (use.annotations, use.accepted, use.changed, use.discarded, use.unused, use.skipped)
    return [use.version, *map(str, counts), "-" if use.seconds is None else f"{use.seconds:.1f}"]

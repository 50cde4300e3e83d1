"""`label-studio-ml evaluate DIR`: measure a version's predictions against annotations."""

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments, settings_from
from label_studio_ml.cli.shared.progress_display import progress_display, run_state
from label_studio_ml.cli.shared.studio_arguments import (
    add_known_project_argument,
    add_studio_arguments,
    with_studio,
)
from label_studio_ml.cli.streams import say_json
from label_studio_ml.cli.versions.annotated_project import labelled_tasks, project_of
from label_studio_ml.cli.versions.interrupted_measurement import told_if_interrupted
from label_studio_ml.cli.versions.trial_arguments import add_trial_arguments, is_trial
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import VersionError

if TYPE_CHECKING:
    from label_studio_ml.evaluation.metrics.results import Evaluation
    from label_studio_ml.versions.store.local_store import VersionStore
    from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate`."""
    add_backend_arguments(parser)
    add_known_project_argument(parser)
    add_studio_arguments(parser)
    parser.add_argument(
        "--version", metavar="V", help="name or id of the version (default: the one that is served)"
    )
    parser.add_argument(
        "--annotations",
        metavar="FILE",
        type=Path,
        help="take the annotations from Label Studio's JSON export, or from a version's snapshot",
    )
    parser.add_argument(
        "--label-config", metavar="FILE", type=Path, help="the label config, if the backend does not know it"
    )
    task_choice = parser.add_mutually_exclusive_group()
    task_choice.add_argument(
        "--test",
        metavar="SHARE",
        type=_share,
        help="use the test half of annotations.split(test=SHARE) (default: tasks the version was not trained on)",
    )
    task_choice.add_argument("--all", action="store_true", help="use every annotated task")
    parser.add_argument(
        "--ground-truth", action="store_true", help="use only annotations that are marked as ground truth"
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        type=Path,
        help="where to write (default: evaluations/VERSION in DIR)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead of tables")
    add_trial_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate the version, write the report, print it, and return 0. Raises BackendError when that fails.

    With `--curve` or `--doubtful`, train the class on parts of the tasks instead; return 130 after Ctrl-C.
    """
    if is_trial(args):
        from label_studio_ml.cli.versions.trial_runs import run_trials

        return run_trials(args)
    from label_studio_ml.evaluation.evaluate import Assignment, evaluate, save
    from label_studio_ml.evaluation.evaluated_model import ModelUnderTest
    from label_studio_ml.evaluation.metrics.needed_libraries import require_libraries
    from label_studio_ml.evaluation.task_selection import Choice, expected, trained_on
    from label_studio_ml.model_calls.adapter import ModelSpec
    from label_studio_ml.monitoring import logs
    from label_studio_ml.user_code.model_source import settled_code
    from label_studio_ml.versions.factory import open_store
    from label_studio_ml.versions.state.project_state import Projects
    from label_studio_ml.versions.store.version_files import file_name

    settings = with_studio(args, settings_from(args))
    logs.configure("WARNING")
    store = open_store(settings)
    project = project_of(settings, args)
    require_libraries(project.label_config, pictures=True)
    store.synchronise(project.uid)
    manifest = _version(store, project.uid, args.version)
    if manifest is not None:
        store.fetch(manifest)
        code = settled_code(settings.backend_dir, settings.script, settings.class_name)
        if note := manifest.other_code(code):
            logger.warning("Project %s: %s", project.uid, note)
    with told_if_interrupted():
        tasks = labelled_tasks(settings, project, args.annotations)
    # The untrained model was trained on none of the tasks.
    trained_ids = trained_on(store.folder(project.uid, manifest.id)) if manifest else set[int]()
    choice = Choice(test=args.test, everything=args.all, ground_truth=args.ground_truth)
    model = ModelUnderTest(
        settings,
        ModelSpec.of(project, manifest),
        _state(settings, store, project.uid, manifest),
        settings.log_dir / "evaluate.log",
    )
    with told_if_interrupted(), model, _progress(expected(tasks.expected, choice, trained_ids)) as progress:
        evaluation = evaluate(model, Assignment(tasks, project, choice, trained_ids), progress=progress)
    folder = args.output or settings.backend_dir / "evaluations" / file_name(evaluation.version, keep=" ")
    evaluation = save(evaluation, folder)
    # Of a project that the backend does not have, nothing is kept.
    is_stored = Projects(settings.model_dir).get(project.uid) is not None
    if manifest is not None or (is_stored and args.annotations is None):
        _share_report(store, project.uid, manifest.id if manifest else evaluation.version, evaluation)
    if args.json:
        say_json(evaluation.to_json().decode())
    else:
        from label_studio_ml.cli.versions.evaluation_tables import show

        show(evaluation, folder)
    return 0


def _share_report(store: "VersionStore", uid: str, version_id: str, evaluation: "Evaluation") -> None:
    """Keep the report beside the versions, where the dashboard finds it. A failure is logged: the report is written."""
    from label_studio_ml.versions.evaluation_reports import EvaluationReports

    try:
        EvaluationReports(store).put(uid, version_id, evaluation.to_json())
    except VersionError as error:
        logger.warning("The dashboard will not show this report: %s", error)


def _share(text: str) -> float:
    """Parse a number between 0 and 1, exclusive. Raises argparse.ArgumentTypeError for other text."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share between 0 and 1, such as 0.2")
    return share


def _version(store: "VersionStore", uid: str, name: str | None) -> "Manifest | None":
    """Return the version to measure, None for the untrained model. Raises UnknownVersion."""
    from label_studio_ml.versions.operations import find

    return find(store, uid, name) if name else store.served(uid)


def _state(
    settings: Settings, store: "VersionStore", uid: str, manifest: "Manifest | None"
) -> dict[str, str]:
    """Return the key/value pairs as a server of this version has them: a model may keep its weights in them."""
    from label_studio_ml.versions.state.key_values import StoredState
    from label_studio_ml.versions.state.lineage import pairs_of

    history = store.history(uid)
    fit_keys = {key for version in history for key in version.state}
    other_pairs = {
        key: value
        for key, value in StoredState(settings.model_dir, uid).items().items()
        if key not in fit_keys
    }
    return {**other_pairs, **(pairs_of(history, manifest) if manifest else {})}


@contextlib.contextmanager
def _progress(expected: int | None) -> Iterator[Callable[[int], None]]:
    """Show the progress on standard error; yield a function to call with the number of tasks of each predicted batch.

    `expected` is the total number of tasks, None if unknown.
    """
    from label_studio_ml.projects.pipeline import Progress

    progress = Progress(total=expected)
    with progress_display(sys.stderr, keep=False) as display:

        def advance(count: int) -> None:
            progress.written += count
            display.show(run_state(progress, "Predicting"))

        advance(0)
        yield advance

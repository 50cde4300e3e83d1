"""`evaluate --curve` and `evaluate --doubtful`: trainings on parts of the labelled tasks, and their reports."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from label_studio_ml.cli.options import require_unix
from label_studio_ml.cli.shared.backend_arguments import settings_from
from label_studio_ml.cli.shared.progress_display import ProgressState, progress_display
from label_studio_ml.cli.shared.studio_arguments import with_studio
from label_studio_ml.cli.shared.units import duration
from label_studio_ml.cli.streams import say, say_json
from label_studio_ml.cli.versions.annotated_project import labelled_tasks, project_of
from label_studio_ml.cli.versions.interrupted_measurement import told_if_interrupted
from label_studio_ml.cli.versions.postponed_end import postponed_end
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.support.texts import plural

if TYPE_CHECKING:
    from label_studio_ml.evaluation.trials.task_pool import TaskPool
    from label_studio_ml.evaluation.trials.trials import Trials
    from label_studio_ml.versions.state.project_state import Project

#: Exit code after Ctrl-C.
_INTERRUPTED = 130
_FOLDS, _NEXT, _TAB = 5, 100, "Doubtful labels"


def run_trials(args: argparse.Namespace) -> int:
    """Run `--curve` or `--doubtful`; return 0, or 130 after Ctrl-C with the report of what was measured until then.

    Raises BackendError if there are too few tasks, if no training succeeds, or if the report cannot be written.
    """
    from label_studio_ml.evaluation.curve.curve_plot import require_format
    from label_studio_ml.evaluation.metrics.needed_libraries import require_libraries
    from label_studio_ml.evaluation.trials.task_pool import Grouping, TaskPool
    from label_studio_ml.evaluation.trials.trials import Trials
    from label_studio_ml.monitoring import logs

    name = "curve" if args.curve else "doubtful"
    require_unix(f"evaluate --{name}")
    if args.plot is not None:
        require_format(args.plot)
    settings = with_studio(args, settings_from(args))
    logs.configure("WARNING")
    project = project_of(settings, args)
    require_libraries(project.label_config, pictures=args.curve)
    with told_if_interrupted():
        tasks = labelled_tasks(settings, project, args.annotations)
    with Trials(settings, project, settings.log_dir / "evaluate.log") as trials:
        with told_if_interrupted():
            pool = TaskPool(tasks, trials.folder, Grouping(args.by or "", args.ground_truth))
        run = _run_curve if args.curve else _run_doubtful
        return run(args, settings, project, trials, pool)


def _run_curve(
    args: argparse.Namespace, settings: Settings, project: "Project", trials: "Trials", pool: "TaskPool"
) -> int:
    from label_studio_ml.cli.versions.curve_tables import show
    from label_studio_ml.evaluation.curve.curve_plot import draw
    from label_studio_ml.evaluation.curve.learning_curve import CurvePlan, measure_curve

    plan = CurvePlan(
        shares=args.shares or (),
        folds=args.folds or _FOLDS,
        seed=args.seed or 0,
        labels=args.next or _NEXT,
        metric=args.metric or "",
    )
    with told_if_interrupted(), _progress(trials) as report:
        curve = measure_curve(trials, pool, project, plan, report)
    folder = args.output or settings.backend_dir / "evaluations" / "learning-curve"
    plots = [args.plot or folder / "learning-curve.svg"] if curve.forecasts else []
    _write(folder / "learning-curve.json", curve.to_json())
    for plot in plots:
        draw(curve, plot)
    if args.json:
        say_json(curve.to_json().decode())
    else:
        show(curve, [folder / "learning-curve.json", *plots])
    return 0 if curve.complete else _INTERRUPTED


def _run_doubtful(
    args: argparse.Namespace, settings: Settings, project: "Project", trials: "Trials", pool: "TaskPool"
) -> int:
    from label_studio_ml.cli.versions.doubtful_tables import show
    from label_studio_ml.evaluation.doubtful.doubtful_labels import find_doubtful
    from label_studio_ml.projects.doubtful_tab import TabRequest, make_tab, with_links

    login = _tab_login(args, project, settings, pool)
    with told_if_interrupted(), _progress(trials) as report:
        doubtful, results = find_doubtful(
            trials,
            pool,
            project,
            fold_count=args.folds or _FOLDS,
            seed=args.seed or 0,
            limit=args.doubtful,
            report=report,
        )
    doubtful = with_links(doubtful, project, settings)
    folder = args.output or settings.backend_dir / "evaluations" / "doubtful-labels"
    file = folder / "doubtful-labels.json"
    _write(file, doubtful.to_json())  # kept even if Label Studio refuses the tab
    try:
        if login is not None:
            tab = TabRequest(args.tab or _TAB, results if args.order else None)
            with postponed_end(_say_postponed):  # a half tab would stay in Label Studio
                doubtful = make_tab(doubtful, login, tab)
                _write(file, doubtful.to_json())
    finally:  # also before the error if there is no tab
        if args.json:
            say_json(doubtful.to_json().decode())
        else:
            show(doubtful, file)
    return 0 if doubtful.complete else _INTERRUPTED


def _say_postponed() -> None:
    say("Interrupted: the tab in Label Studio is finished first; once more ends at once", file=sys.stderr)


def _tab_login(
    args: argparse.Namespace, project: "Project", settings: Settings, pool: "TaskPool"
) -> dict[str, Any] | None:
    """Return the arguments of StudioClient for making the tab, None if no tab is wanted.

    Raises StudioError or SettingsError, before the trainings, if the tab cannot be made.
    """
    from label_studio_ml.model_calls.project_login import studio_arguments
    from label_studio_ml.projects.doubtful_tab import require_tab

    wants_tab = args.tab is not None or args.order or args.annotations is None
    if args.no_tab or not wants_tab:
        return None
    login = studio_arguments(project, settings, instead="make no tab, with --no-tab")
    require_tab(project.project_id, login, args.tab or _TAB, has_ids=pool.has_ids)
    return login


def _write(path: Path, content: bytes) -> None:
    """Write a report. Raises SettingsError if its folder cannot be written to."""
    from label_studio_ml.storage.private_files import make_folder

    try:
        make_folder(path.parent)
        path.write_bytes(content + b"\n")
    except OSError as error:
        raise SettingsError(
            f"The report cannot be written to {path}: {error}",
            fix="Name another folder with --output",
            field="--output",
        ) from error


@contextlib.contextmanager
def _progress(trials: "Trials") -> Iterator[Callable[[int, int, float], None]]:
    """Show the progress and the phases of `trials` on standard error; yield a function to call before each training.

    It takes the numbers of trainings that are done and in all, and the seconds that the last one took.
    """
    with progress_display(sys.stderr, at_once=True, keep=False) as display:
        total_seconds = 0.0
        state = ProgressState("Training")

        def show_phase(phase: str, seconds: float) -> None:
            elapsed = f" for {duration(seconds)}" if seconds >= 1 else ""
            notes = ", ".join(text for text in (f"{phase}{elapsed}", state.note) if text)
            display.show(replace(state, note=notes))

        def report(done: int, total: int, seconds: float) -> None:
            nonlocal total_seconds, state
            total_seconds += seconds
            notes = []
            if done:
                notes = [
                    f"the last took {duration(seconds)}",
                    f"{duration(total_seconds / done * (total - done))} left",
                ]
            state = ProgressState(
                "Training",
                share=done / total,
                amount=f"{done} of {plural(total, 'training')}",
                note=", ".join(notes),
                done=done,
                total=total,
            )
            display.show(state)

        trials.on_phase = show_phase
        yield report

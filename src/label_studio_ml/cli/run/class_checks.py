"""`label-studio-ml test DIR`: check a model class without Label Studio, and report what is wrong with it."""

import argparse
from pathlib import Path

import msgspec

from label_studio_ml.cli.options import add_model_options, require_unix
from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments, settings_from
from label_studio_ml.cli.shared.sample import looked_up_controls, sample_configs, sample_label_config
from label_studio_ml.cli.shared.studio_arguments import read_label_config
from label_studio_ml.cli.streams import say, say_error, say_json
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, SettingsError
from label_studio_ml.test_kit.check_catalogue import skip_problem
from label_studio_ml.test_kit.child_runner import Limits
from label_studio_ml.test_kit.class_check import CheckOptions, NamedConfig, check_class
from label_studio_ml.test_kit.junit_report import junit
from label_studio_ml.test_kit.report import Figures, Outcome, Report, Status
from label_studio_ml.test_kit.trial_data.template_configs import fitting_templates, templates_folder
from label_studio_ml.user_code.folder_label_config import LABEL_CONFIG, folder_label_config

#: How an outcome is shown while the checks run.
_WORDS = {Status.PASSED: "ok", Status.FAILED: "FAILED", Status.SKIPPED: "skipped"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_backend_arguments(parser)
    add_model_options(parser)
    parser.add_argument(
        "--label-config",
        type=Path,
        action="append",
        metavar="FILE",
        help="a label config to test with; may be repeated (default: label_config.xml in DIR, or else one with the "
        "tags that the class looks up)",
    )
    parser.add_argument(
        "--templates",
        nargs="?",
        const="",
        metavar="FOLDER",
        help="test with each of Label Studio's templates that has a control the class looks up (default FOLDER: that "
        "of the Label Studio in this environment)",
    )
    parser.add_argument("--quick", action="store_true", help="leave out checks that take long")
    parser.add_argument(
        "--skip",
        type=_skipped_check,
        action="append",
        default=[],
        metavar="CHECK=REASON",
        help="leave out a check, for a reason that the report shows; may be repeated",
    )
    parser.add_argument(
        "--timeout",
        type=_positive,
        default=60.0,
        metavar="SECONDS",
        help="for each call of predict (default: 60)",
    )
    parser.add_argument(
        "--fit-timeout",
        type=_positive,
        default=600.0,
        metavar="SECONDS",
        help="for each call of fit (default: 600)",
    )
    parser.add_argument(
        "--cancel-grace",
        type=_positive,
        default=10.0,
        metavar="SECONDS",
        help="in which fit ends after a cancellation (default: 10)",
    )
    parser.add_argument(
        "--memory", type=_positive, default=8192.0, metavar="MIB", help="for the model (default: 8192)"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the report as JUnit XML, too")


def run(args: argparse.Namespace) -> int:
    """Test the class; return 0 if nothing is wrong, 1 if a check failed, 2 if the class could not be tested."""
    require_unix(args.command)
    try:
        settings = settings_from(args)
        configs = label_configs(settings, args.label_config or [], args.templates)
        options = CheckOptions(
            limits=Limits(
                timeout=args.timeout,
                fit_timeout=args.fit_timeout,
                cancel_grace=args.cancel_grace,
                memory=args.memory,
            ),
            skipped=dict(args.skip),
            quick=args.quick,
        )
        report = check_class(settings, configs, options, None if args.json else _Lines().show)
        if args.junit:
            _write(args.junit, junit(report))
    except BackendError as error:
        say_error(error)
        return 2
    if args.json:
        say_json(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        _summarize(report)
    return 0 if report.passed else 1


def settings_of(folder: Path) -> Settings:
    """Return the settings of the backend in a folder; `_wsgi.py` is not run. Raises as `settings_from` does."""
    args = argparse.Namespace(project_name=str(folder.resolve()), root_dir=".", script=None)
    return settings_from(args, run_wsgi=False)


def label_configs(settings: Settings, files: list[Path], templates: str | None = None) -> list[NamedConfig]:
    """Return the label configs to test with: those of the files, or of templates, else one that fits the class.

    Raises SettingsError or ModelFileError.
    """
    if files:
        return [NamedConfig(str(path), read_label_config(path)) for path in files]
    script = settings.script or settings.backend_dir / "model.py"
    if templates is not None:
        folder = Path(templates) if templates else templates_folder()
        pairs = [(lookup.control, lookup.object_tag) for lookup in looked_up_controls(script)]
        found = [NamedConfig(name, text) for name, text in fitting_templates(folder, pairs)]
        if not found:
            raise SettingsError(
                "No template has a control that the class looks up by its tag",
                fix="Give the label config of your project: --label-config FILE",
                field="--templates",
            )
        return found
    if own := folder_label_config(settings.backend_dir):
        return [NamedConfig(LABEL_CONFIG, own)]
    if samples := sample_configs(script):
        last = samples[-1]  # with all controls that the class looks up
        return [NamedConfig(last.tags, last.label_config, made_up=True)]
    return [NamedConfig("<Choices> on <Text>", sample_label_config("Choices", "Text"), made_up=True)]


class _Lines:
    """Prints the outcome of each check as a line, and each reason for skipping once."""

    def __init__(self) -> None:
        self._reasons: set[str] = set()
        self._label_config = ""

    def show(self, outcome: Outcome) -> None:
        """Print an outcome, unless another check's failure or a known reason has prevented the check."""
        if outcome.label_config != self._label_config:
            self._label_config, self._reasons = outcome.label_config, set()
            say(f"{outcome.label_config}:", flush=True)
        reason = outcome.reason
        if reason.endswith(" failed") or reason in self._reasons:
            return
        if outcome.status is Status.SKIPPED:
            self._reasons.add(reason)
        text = f"{_WORDS[outcome.status]:<8}{outcome.check:<20}{reason or outcome.claim}"
        say(text, flush=True)


def _summarize(report: Report) -> None:
    """Print the failures, what was measured, and the totals."""
    for text in report.failure_texts:
        say()
        for line in text.splitlines():
            say(line)
    say()
    for figures in report.figures:
        say(f"{figures.label_config}: {_measured(figures)}")
    for note in report.notes:
        say(f"note: {note}")
    say(f"{report.summary}: {report.model}")


def _measured(figures: Figures) -> str:
    """Return what was measured as a phrase."""
    parts = []
    if figures.import_seconds is not None:
        parts.append(f"import {figures.import_seconds:.1f} s")
    if figures.seconds_per_task is not None:
        parts.append(f"{figures.seconds_per_task * 1000:.1f} ms per task")
    if figures.fit_seconds is not None:
        parts.append(f"fit {figures.fit_seconds:.1f} s")
    if figures.memory is not None:
        parts.append(f"{figures.memory:.0f} MiB of memory")
    return ", ".join(parts) or "nothing was measured"


def _write(path: Path, text: str) -> None:
    """Write a report. Raises SettingsError if that is not possible."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}", field="--junit") from error


def _skipped_check(text: str) -> tuple[str, str]:
    """Return id and reason of `CHECK=REASON`."""
    check, _, reason = text.partition("=")
    if problem := skip_problem(check, reason):
        raise argparse.ArgumentTypeError(problem)
    return check, reason.strip()


def _positive(text: str) -> float:
    """Return a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number

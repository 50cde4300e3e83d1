"""`label-studio-ml conformance URL`: call any ML backend as Label Studio does, and say what its users would see."""

import argparse
import contextlib
import textwrap
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from label_studio_ml.cli.options import add_login_options
from label_studio_ml.cli.shared.studio_arguments import read_label_config
from label_studio_ml.cli.streams import say, say_json
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError

if TYPE_CHECKING:
    from label_studio_ml.conformance.trial import Trial

#: The label config without `--label-config`.
DEFAULT_CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="sentiment" toName="text">
    <Choice value="Positive"/>
    <Choice value="Negative"/>
  </Choices>
</View>"""

#: Number of tasks that are sent at once, unless a file of tasks has fewer.
TASKS = 8

_DESCRIPTION = """
The backend may be in any language; the report says what Label Studio's users would see. Sent are GET /health and
/versions; POST /setup, /predict (for one task, for eight, for a click, for 2 MB, for a broken task) and /webhook; wrong
bodies; with a login, wrong ones. All is about two made-up projects, 2147483601 and 2147483602, whose address and token
lead nowhere. Events that start trainings are only sent with --train. Sample files are served by this command meanwhile,
on a free port of this machine.

The exit status is 1 if a check failed (warnings do not count), there was no time for a check, or there is no backend at
URL.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `conformance`."""
    from label_studio_ml.conformance.conform import CHECKS
    from label_studio_ml.conformance.transport.run_limit import DEFAULT_SECONDS

    paragraphs = [textwrap.fill(part, 110) for part in _DESCRIPTION.strip().split("\n\n")]
    parser.description = "\n\n".join([str(parser.description), *paragraphs])
    parser.add_argument("url", metavar="URL", help="the backend's address, as it is entered in Label Studio")
    parser.add_argument(
        "--label-config",
        metavar="FILE",
        type=Path,
        help="the label config (XML) of a project that the model is for (default: texts in two classes)",
    )
    parser.add_argument(
        "--tasks",
        metavar="FILE",
        type=Path,
        help=f"tasks of such a project, JSON as Label Studio exports it, of which the first {TASKS} are sent "
        "(default: made-up ones)",
    )
    parser.add_argument(
        "--extra-params",
        metavar="TEXT",
        help="the extra params of the backend in Label Studio, sent with /setup",
    )
    parser.add_argument(
        "--train", action="store_true", help="also send events of annotations, and the request for a training"
    )
    parser.add_argument(
        "--predict-timeout",
        type=_seconds,
        default=100.0,
        metavar="SECONDS",
        help="how long your Label Studio waits for a prediction (its ML_TIMEOUT_PREDICT; default: 100)",
    )
    parser.add_argument(
        "--time-limit",
        type=_seconds,
        metavar="SECONDS",
        help="how long all checks may take together; those that it leaves no time for are skipped, and the exit status "
        f"is 1 (default: {DEFAULT_SECONDS:g}, or twice --predict-timeout if that is longer)",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=tuple(CHECKS),
        metavar="CHECK",
        help=f"make only this check; may be repeated: {', '.join(CHECKS)}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_login_options(parser)


def _seconds(text: str) -> float:
    """Parse a number of seconds. Raises argparse.ArgumentTypeError for other text."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def run(args: argparse.Namespace) -> int:
    """Make the checks and print their outcomes; return 1 if a check failed, else 0.

    Raises BackendError when an argument is wrong, or there is no backend at the address.
    """
    from label_studio_ml.cli.studio.conformance_report import as_json, show
    from label_studio_ml.conformance.conform import conform
    from label_studio_ml.conformance.first_contact import first_contact
    from label_studio_ml.conformance.outcome import exit_code

    with _trial(args) as trial:
        first_contact(trial)
        if args.json:
            outcomes = list(conform(trial, args.only))
            say_json(as_json(outcomes))
            return exit_code(outcomes)
        if not args.label_config:
            say(
                "With texts in two classes; for another model, give --label-config and --tasks of its project.",
                "",
            )
        outcomes = show(conform(trial, args.only))
    return exit_code(outcomes)


@contextlib.contextmanager
def _trial(args: argparse.Namespace) -> Iterator["Trial"]:
    """Prepare the calls and the projects; sample files are served until the end of the block. Raises BackendError."""
    from label_studio_ml.conformance.file_host import file_host
    from label_studio_ml.conformance.sample_project import FIRST_ID, SampleProject
    from label_studio_ml.conformance.second_project import second_project
    from label_studio_ml.conformance.studio_calls import Limits, StudioCalls
    from label_studio_ml.conformance.transport.run_limit import TimeLimit, default_seconds
    from label_studio_ml.conformance.trial import Trial
    from label_studio_ml.connect.addresses import checked
    from label_studio_ml.controls.collection import Controls

    url = checked(args.url, "URL")
    time_limit = TimeLimit(args.time_limit or default_seconds(args.predict_timeout))
    calls = StudioCalls(url, _login(args), Limits(predict=args.predict_timeout), time_limit)
    label_config = read_label_config(args.label_config) if args.label_config else DEFAULT_CONFIG
    if not Controls(label_config):
        raise SettingsError(
            f"{args.label_config} has no control tags, such as <Choices>",
            fix="Give the code that the project's Labeling Interface settings show",
            field="--label-config",
        )
    own = _own_tasks(args)
    with file_host(label_config, TASKS, url) as (address, sampled):
        first = SampleProject(FIRST_ID, label_config, tuple(own or sampled), address)
        yield Trial(
            calls,
            first,
            second_project(first),
            trains=args.train,
            extra_params=args.extra_params,
            own_tasks=bool(own),
        )


def _own_tasks(args: argparse.Namespace) -> list[dict[str, object]]:
    """Return the `data` of the tasks in `--tasks`; empty without. Raises SettingsError."""
    from label_studio_ml.projects.task_files import read_tasks

    if not args.tasks:
        return []
    if not args.label_config:
        raise SettingsError(
            "--tasks needs the label config of the tasks",
            fix="Add --label-config FILE",
            field="--label-config",
        )
    tasks = [task["data"] for task in islice(read_tasks(args.tasks), TASKS)]
    if not tasks:
        raise SettingsError(f"{args.tasks} has no tasks", fix="Give a file with tasks", field="--tasks")
    return tasks


def _login(args: argparse.Namespace) -> tuple[str, str] | None:
    """Return user and password of the options, else of the environment; None without. Raises SettingsError."""
    settings = Settings.from_env()
    user = args.basic_auth_user or settings.basic_auth_user
    password = args.basic_auth_pass or settings.basic_auth_pass
    if bool(user) != bool(password):
        missing, other = ("--basic-auth-pass", "--basic-auth-user")[:: 1 if user else -1]
        raise SettingsError(f"{missing} is not given although {other} is", fix="Give both", field=missing)
    return (user, password) if user else None

"""Options of `evaluate --curve` and `evaluate --doubtful`, which train the class on parts of the labelled tasks."""

import argparse
from pathlib import Path

from label_studio_ml.cli.options import count
from label_studio_ml.errors import SettingsError

#: Option -> the option without which it means nothing. Their attributes are None or False unless they are given.
_NEEDS = {
    "--shares": ("--curve",),
    "--next": ("--curve",),
    "--metric": ("--curve",),
    "--plot": ("--curve",),
    "--tab": ("--doubtful",),
    "--no-tab": ("--doubtful",),
    "--order": ("--doubtful",),
    "--folds": ("--curve", "--doubtful"),
    "--seed": ("--curve", "--doubtful"),
    "--by": ("--curve", "--doubtful"),
}
#: Options that say which version is measured on which tasks, of which neither applies to trainings on parts.
_OF_VERSIONS = ("--version", "--test", "--all")


def add_trial_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `--curve` and `--doubtful`."""
    group = parser.add_argument_group(
        "train on parts of the tasks", "These train the class several times; nothing is published."
    )
    kind = group.add_mutually_exclusive_group()
    kind.add_argument(
        "--curve", action="store_true", help="measure a learning curve, and what the next labels would bring"
    )
    kind.add_argument(
        "--doubtful",
        metavar="N",
        type=count,
        help="list the N annotations that predictions of models without them contradict most surely",
    )
    group.add_argument("--folds", metavar="K", type=_folds, help="number of folds (default: 5)")
    group.add_argument("--seed", metavar="S", type=int, help="another number, other folds (default: 0)")
    group.add_argument(
        "--by", metavar="FIELD", help="tasks with the same value of this field of their data stay in one fold"
    )
    group.add_argument(
        "--shares",
        metavar="S,S,…",
        type=_shares,
        help="shares of each fold's training half to train on, such as 0.1,0.2,0.4,0.7,1 (default: five sizes)",
    )
    group.add_argument(
        "--next", metavar="LABELS", type=count, help="what so many further labels would bring (default: 100)"
    )
    group.add_argument(
        "--metric",
        metavar="NAME",
        help="the metric of the curve (default: the main one of each kind of control)",
    )
    group.add_argument(
        "--plot",
        metavar="FILE",
        type=Path,
        help="where to draw the curve, an .svg or .png (default: in --output)",
    )
    group.add_argument(
        "--tab",
        metavar="NAME",
        type=_title,
        help='name of the tab in the Data Manager (default: "Doubtful labels"; with --annotations, none)',
    )
    group.add_argument("--no-tab", action="store_true", help="make no tab")
    group.add_argument(
        "--order",
        action="store_true",
        help="let the tab have the order of the list: stores the predictions, and lets the project show them",
    )


def is_trial(args: argparse.Namespace) -> bool:
    """Tell whether `--curve` or `--doubtful` is given. Raises SettingsError for options that do not go together."""
    kinds = {name for name in ("--curve", "--doubtful") if _given(args, name)}
    for option, needed in _NEEDS.items():
        if _given(args, option) and not kinds & set(needed):
            raise SettingsError(
                f"{option} goes with {' or '.join(needed)}",
                fix="Add it, or leave the other out",
                field=option,
            )
    if kinds:
        for option in _OF_VERSIONS:
            if _given(args, option):
                raise SettingsError(
                    f"{option} does not go with {next(iter(kinds))}, which measures no version but new trainings",
                    fix="Leave it out",
                    field=option,
                )
    if args.tab is not None and args.no_tab:
        raise SettingsError(
            "--tab and --no-tab do not go together", fix="Leave one of them out", field="--no-tab"
        )
    if args.order and args.no_tab:
        raise SettingsError(
            "--order orders the tab, which --no-tab does not make",
            fix="Leave one of them out",
            field="--order",
        )
    return bool(kinds)


def _given(args: argparse.Namespace, option: str) -> bool:
    value = getattr(args, option.lstrip("-").replace("-", "_"))
    return value is not None and value is not False


def _folds(text: str) -> int:
    """Parse a number of folds, 2 to 100. Raises argparse.ArgumentTypeError for other text."""
    number = count(text)
    if not 2 <= number <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 2 to 100")
    return number


def _title(text: str) -> str:
    """Return the name of a tab without blanks around it. Raises argparse.ArgumentTypeError if nothing is left."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name of the tab is empty: leave --tab out for the usual one")
    return text.strip()


def _shares(text: str) -> list[float]:
    """Parse shares above 0 and up to 1. Raises argparse.ArgumentTypeError for other text."""
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if not shares or not all(0 < share <= 1 for share in shares):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of shares above 0 and up to 1, such as 0.1,0.2,0.4,0.7,1"
        )
    return shares

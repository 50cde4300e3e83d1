"""`label-studio-ml examples`: list the models of the gallery."""

import argparse
import json

import msgspec

from label_studio_ml.cli.shared.tables import Column, Row, print_table
from label_studio_ml.cli.streams import say, say_json
from label_studio_ml.gallery.catalogue import GalleryModel, models
from label_studio_ml.gallery.fitting_models import needs

_COLUMNS = (
    Column("NAME"),
    Column("TASK"),
    Column("FILLS", wide=True),
    Column("TRAINS"),
    Column("INTERACTIVE", wide=True),
    Column("INSTALL", right=True, wide=True),
    Column("LICENCE", wide=True),
    Column("TASKS/S", right=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `examples`."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Print the models and return 0."""
    if args.json:
        say_json(json.dumps([msgspec.to_builtins(model) for model in models()], indent=2))
        return 0
    print_table(_COLUMNS, [_row(model) for model in models()])
    say("")
    say("Make a backend of one: label-studio-ml init my_backend --example NAME")
    say("Or of the one that fits a project: label-studio-ml init my_backend --project 1 --url URL")
    return 0


def cells(model: GalleryModel) -> tuple[str, ...]:
    """Return a model's cells of the table, which the documentation has, too. Unmeasured figures are empty."""
    return (
        model.name,
        model.task,
        needs(model),
        "yes" if model.trains else "no",
        "yes" if model.interactive else "no",
        f"{model.install_mb} MB" if model.install_mb else "",
        model.licence,
        f"{model.tasks_per_second:g}" if model.tasks_per_second else "",
    )


def _row(model: GalleryModel) -> Row:
    details = (
        f"fills {needs(model)}",
        f"interactive: {'yes' if model.interactive else 'no'}, installs {model.install_mb} MB, {model.licence}",
    )
    return Row(cells(model), details=details)

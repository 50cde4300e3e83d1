"""The options of `init` that choose a model of the gallery."""

import argparse
from pathlib import Path

from label_studio_ml.cli.shared.studio_arguments import add_studio_arguments, project_number
from label_studio_ml.errors import SettingsError


def add_gallery_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a model of the gallery."""
    gallery = parser.add_argument_group("a ready model of the gallery")
    gallery.add_argument(
        "--project", metavar="ID", type=project_number, help="take the model that fits this project best"
    )
    gallery.add_argument(
        "--label-config", metavar="FILE", type=Path, help="take the model that fits this label config best"
    )
    gallery.add_argument(
        "--example", metavar="NAME", help="take this model; label-studio-ml examples lists all"
    )
    gallery.add_argument(
        "--list", action="store_true", help="only list which models fit, and why the others do not"
    )
    gallery.add_argument(
        "--install",
        action="store_true",
        help="also install what the new backend needs, with this Python's pip",
    )
    add_studio_arguments(gallery)


def is_wanted(args: argparse.Namespace) -> bool:
    """Return whether the command line asks for a model of the gallery. Raises SettingsError for `--script` with it."""
    wish = next(
        (
            option
            for option, value in (
                ("--project", args.project),
                ("--label-config", args.label_config),
                ("--example", args.example),
            )
            if value is not None
        ),
        "",
    )
    if wish and args.script:
        raise SettingsError(
            f"--script and {wish} do not go together: both name a model", fix="Leave one out", field=wish
        )
    if args.project is not None and args.label_config is not None:
        raise SettingsError(
            "--project and --label-config do not go together: a project has a label config",
            fix="Leave one out",
            field="--label-config",
        )
    return bool(wish)

"""The project that `evaluate` measures on, and its annotated tasks: of Label Studio or of a file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from label_studio_ml.cli.shared.studio_arguments import read_label_config
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StudioError, UnknownProject

if TYPE_CHECKING:
    from label_studio_ml.training.dataset import LabelledTasks
    from label_studio_ml.versions.state.project_state import Project


def project_of(settings: Settings, args: argparse.Namespace) -> "Project":
    """Return the project, with the label config of `--label-config` if given.

    With `--annotations`, the backend need not know the project. Raises UnknownProject, StudioError or SettingsError.
    """
    import msgspec

    from label_studio_ml.cli.shared.project_arguments import known_project
    from label_studio_ml.versions.state.project_state import Project

    try:
        project = known_project(settings, args.project, reads=True)
    except (UnknownProject, StudioError):
        if args.annotations is None:
            raise
        project = Project(uid=args.project or "0")
    if args.label_config is None:
        return project
    return msgspec.structs.replace(project, label_config=read_label_config(args.label_config))


def labelled_tasks(settings: Settings, project: "Project", file: Path | None) -> "LabelledTasks":
    """Return the annotated tasks of `file`, or of Label Studio if `file` is None.

    Raises StudioError when Label Studio's address or token is not known.
    """
    from label_studio_ml.evaluation.evaluate import tasks_in
    from label_studio_ml.model_calls.project_login import studio_arguments
    from label_studio_ml.studio.client import StudioClient
    from label_studio_ml.training.dataset import from_studio

    if file is not None:
        return tasks_in(file, project=project.uid)
    login = studio_arguments(project, settings, instead="name an export with --annotations")
    return from_studio(StudioClient(**login), project.uid)

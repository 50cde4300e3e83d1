"""Arguments of the commands about versions, and the version store and project that they name."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.cli.shared.backend_arguments import (
    add_folder_arguments,
    folder_of,
    settings_without_model,
)
from label_studio_ml.cli.shared.project_arguments import chosen_uid
from label_studio_ml.cli.shared.studio_arguments import add_known_project_argument
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import UnknownProject
from label_studio_ml.monitoring import logs
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.state.project_state import Projects
from label_studio_ml.versions.store.local_store import VersionStore


@dataclass(frozen=True, slots=True)
class StoredProject:
    """The versions of one project of a backend."""

    store: VersionStore
    model_dir: Path
    uid: str

    @property
    def number(self) -> str:
        """The project's id without the creation time that its uid has."""
        return self.uid.partition(".")[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name the backend's folder, its model folder and the project."""
    add_folder_arguments(parser)
    add_model_dir_argument(parser)
    add_known_project_argument(parser)


def add_model_dir_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the folder of the versions."""
    parser.add_argument(
        "--model-dir", metavar="FOLDER", help="where its versions are, seen from DIR (default: MODEL_DIR)"
    )


def find(args: argparse.Namespace, *, reads: bool = False, fallback_uid: str = "") -> StoredProject:
    """Return the versions of the project that `args` name; the model file is not needed for it.

    `reads` says that the command changes nothing. `fallback_uid` is the uid of a project that matches although the
    backend may not know it; empty for none. Raises SettingsError or UnknownProject.
    """
    settings = settings_of(args)
    store = open_store(settings)
    uid = _uid(store, settings, args.project, reads=reads, fallback_uid=fallback_uid)
    store.synchronise(uid)
    return StoredProject(store, settings.model_dir, uid)


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings of the backend that `args` name. Raises SettingsError when there is no such folder."""
    settings = settings_without_model(folder_of(args), args.model_dir)
    logs.configure("ERROR")  # no warnings about damaged versions: the list shows them
    return settings


def _uid(store: VersionStore, settings: Settings, name: str | None, *, reads: bool, fallback_uid: str) -> str:
    model_dir = settings.model_dir
    uids = set(store.projects())
    if (model_dir / "projects.db").exists():  # opening would create it
        uids.update(Projects(model_dir).uids())
    matches = {uid for uid in uids if name is None or name in _names(uid)}
    if fallback_uid and (fallback_uid in matches or (not matches and name in (None, *_names(fallback_uid)))):
        return fallback_uid
    uid = chosen_uid(settings, uids, name, reads=reads)
    if uid is not None:
        return uid
    if name is None:
        raise UnknownProject(
            f"No project is known in {model_dir}",
            fix="Start the backend and add it to a project in Label Studio",
        )
    raise UnknownProject(
        f"Project {name} is not known in {model_dir}",
        fix=f"Known: {', '.join(sorted(uids)) or 'none'}",
        field="--project",
    )


def _names(uid: str) -> tuple[str, str]:
    """Return the names of a project that `--project` accepts: its uid and its id."""
    return uid, uid.partition(".")[0]

"""Compare the code in a backend's folder with the code that trained a version, for commands about versions."""

import argparse
import contextlib
from pathlib import Path

from label_studio_ml.cli.shared.backend_arguments import folder_of, source_of
from label_studio_ml.cli.shared.wsgi_file import WsgiFile, read_wsgi
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelFileError
from label_studio_ml.user_code.code_identity import CodeIdentity, identify
from label_studio_ml.user_code.model_source import served_class
from label_studio_ml.versions.store.manifest import Manifest


def code_here(args: argparse.Namespace) -> CodeIdentity:
    """Return the identity of the code that `start` would serve; an empty one if there is no model file.

    `_wsgi.py` is executed only if reading it does not tell which class it serves.
    """
    folder = folder_of(args)
    settings = Settings.from_env(backend_dir=folder)
    wsgi = WsgiFile() if settings.script is not None or _names_class(folder) else read_wsgi(folder)
    try:
        return identify(source_of(folder, settings.script, settings.class_name, wsgi).script)
    except (ModelFileError, OSError):
        return CodeIdentity()


def _names_class(folder: Path) -> bool:
    """Tell whether reading `_wsgi.py`, without executing it, tells which class it serves."""
    with contextlib.suppress(ModelFileError):
        return served_class(folder.resolve() / "_wsgi.py") is not None
    return False


def code_warning(version: Manifest, folder_code: CodeIdentity) -> str:
    """Return a note to append to a message if the version was trained by other code than `folder_code`, else ""."""
    note = version.other_code(folder_code)
    return f". Note: {note}" if note else ""

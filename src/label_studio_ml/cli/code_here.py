"""The code in a backend's folder, for commands about versions that other code may have trained."""

import argparse
from pathlib import Path

from label_studio_ml.code_identity import CodeIdentity
from label_studio_ml.settings import Settings
from label_studio_ml.source import code_on_disk
from label_studio_ml.versions.manifest import Manifest


def code_here(args: argparse.Namespace) -> CodeIdentity:
    """Return the code of the backend that `args` name; one without a hash where it has no model file."""
    settings = Settings.from_env(backend_dir=Path(args.root_dir, args.project_name))
    return code_on_disk(settings.backend_dir, settings.script, settings.class_name)


def code_warning(chosen: Manifest, here: CodeIdentity) -> str:
    """Return a line to print where other code trained a version than is in the folder, else nothing."""
    if chosen.code.same(here):
        return ""
    return (
        f"\nNote: code {chosen.code.short} trained it ({chosen.created}), and the folder has code {here.short}; "
        f"different: {', '.join(chosen.code.differences(here))}. It is served by the code that is there"
    )

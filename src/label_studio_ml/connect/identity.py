"""A name that stays the same for one backend's model folder, so that its old webhooks are known as its own."""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from label_studio_ml.errors import SettingsError

#: The header of our webhooks that says whose they are.
HEADER = "X-Label-Studio-ML-Backend"

_MARK = re.compile(r"label-studio-ml backend ([0-9a-f]{12})")


def identity(folder: Path) -> str:
    """Return the name of the backend with the model folder `folder`, made on the first call. Raises SettingsError."""
    path = folder / "backend-id"
    try:
        if found := known_identity(folder):
            return found
        folder.mkdir(parents=True, exist_ok=True)
        made = secrets.token_hex(6)
        temporary = path.with_name(f".backend-id.{os.getpid()}")
        temporary.write_text(f"{made}\n", encoding="ascii")
        os.replace(temporary, path)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be used: {error}", fix="MODEL_DIR must be a folder that this user may write to"
        ) from None
    return made


def known_identity(folder: Path) -> str:
    """Return the name of the backend with the model folder `folder`, empty if it never was connected."""
    try:
        found = (folder / "backend-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return found if re.fullmatch("[0-9a-f]{12}", found) else ""


def description(name: str) -> str:
    """Return the text by which a backend in Label Studio is known as ours."""
    return f"label-studio-ml backend {name}"


def is_ours(backend: Mapping[str, Any], name: str) -> bool:
    """Tell whether a backend in Label Studio was connected from this model folder."""
    found = _MARK.search(str(backend.get("description") or ""))
    return found is not None and found[1] == name

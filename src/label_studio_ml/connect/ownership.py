"""The persistent id of a backend's model folder, by which its entries and webhooks in Label Studio are recognized."""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from label_studio_ml.errors import SettingsError
from label_studio_ml.storage import atomic_files

#: The header of our webhooks that holds the backend's id.
HEADER = "X-Label-Studio-ML-Backend"

_DESCRIPTION = re.compile(r"label-studio-ml backend ([0-9a-f]{12})")


def identity(folder: Path) -> str:
    """Return the id of the model folder `folder`, generated on the first call: 12 hexadecimal digits.

    Raises SettingsError when the file `backend-id` cannot be written.
    """
    path = folder / "backend-id"
    try:
        if existing_id := known_identity(folder):
            return existing_id
        folder.mkdir(parents=True, exist_ok=True)
        generated_id = secrets.token_hex(6)
        atomic_files.replace_file(path, f"{generated_id}\n", mode=0o666, durable=False)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be used: {error}", fix="MODEL_DIR must be a folder that this user may write to"
        ) from None
    return generated_id


def known_identity(folder: Path) -> str:
    """Return the id of the model folder `folder`, empty if it has none yet or its file is unreadable or invalid."""
    try:
        text = (folder / "backend-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if re.fullmatch("[0-9a-f]{12}", text) else ""


def description(name: str) -> str:
    """Return the description of a backend in Label Studio, which marks it as the backend with the id `name`."""
    return f"label-studio-ml backend {name}"


def belongs_to(backend: Mapping[str, Any], name: str) -> bool:
    """Tell whether the description of a backend in Label Studio names the backend with the id `name`."""
    match = _DESCRIPTION.search(str(backend.get("description") or ""))
    return match is not None and match[1] == name

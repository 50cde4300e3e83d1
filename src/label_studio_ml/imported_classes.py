"""Model classes that reading a file does not find: the file is imported, in a process of its own, to look."""

import json
from pathlib import Path
from typing import Any

from label_studio_ml.child_answer import child_answer
from label_studio_ml.errors import ModelFileError
from label_studio_ml.settings import Settings

#: Seconds that a model file has to be imported.
PATIENCE = 300.0


def imported_classes(script: Path) -> list[str]:
    """Return the names under which `script` has model classes once it is imported; its own go before imported ones.

    Raises ModelFileError if it cannot be imported.
    """
    settings = Settings(backend_dir=script.parent)
    try:
        answer, _ = child_answer(
            settings, "label_studio_ml.imported_classes_child", script, patience=PATIENCE
        )
    except TimeoutError:
        raise ModelFileError(
            f"{script} was not imported within {PATIENCE:g} s",
            fix="Name its class with --script FILE:CLASS",
            field=str(script),
        ) from None
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError:
        return []  # it ended the process; reading has found nothing either
    if found["error"]:
        raise ModelFileError(found["error"], fix=found["fix"], field=str(script))
    return list(found["own"] or found["imported"])

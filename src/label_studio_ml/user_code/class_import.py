"""Find model classes that reading a file does not reveal, by importing the file in a child process."""

import json
from pathlib import Path
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelFileError
from label_studio_ml.processes.child_answer import child_answer

#: Seconds that the import of a model file may take.
IMPORT_TIMEOUT = 300.0


def imported_classes(script: Path) -> list[str]:
    """Return the names of the model classes of `script` after its import: those it defines, else those it imports.

    Empty if the file ends the child process. Raises ModelFileError if the import fails or takes too long.
    """
    settings = Settings(backend_dir=script.parent)
    try:
        answer, _ = child_answer(
            settings, "label_studio_ml.model_calls.class_import_child", script, timeout=IMPORT_TIMEOUT
        )
    except TimeoutError:
        raise ModelFileError(
            f"{script} was not imported within {IMPORT_TIMEOUT:g} s",
            fix="Name its class with --script FILE:CLASS",
            field=str(script),
        ) from None
    try:
        result: dict[str, Any] = json.loads(answer)
    except ValueError:
        return []  # the file has ended the child process
    if result["error"]:
        raise ModelFileError(result["error"], fix=result["fix"], field=str(script))
    return list(result["own"] or result["imported"])

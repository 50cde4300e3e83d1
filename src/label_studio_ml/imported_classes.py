"""Model classes that reading a file does not find: the file is imported, in a process of its own, to look.

python -m label_studio_ml.imported_classes_child FD FILE
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from label_studio_ml.errors import ModelFileError
from label_studio_ml.interpreter import command
from label_studio_ml.settings import Settings

#: Seconds that a model file has to be imported.
PATIENCE = 300.0


def imported_classes(script: Path) -> list[str]:
    """Return the names under which `script` has model classes once it is imported; its own go before imported ones.

    Raises ModelFileError if it cannot be imported.
    """
    ours, theirs = os.pipe()
    with os.fdopen(ours) as answer:
        process = subprocess.Popen(
            command(
                Settings(backend_dir=script.parent), "label_studio_ml.imported_classes_child", theirs, script
            ),
            pass_fds=[theirs],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise ModelFileError(
                f"{script} was not imported within {PATIENCE:g} s",
                fix="Name its class with --script FILE:CLASS",
                field=str(script),
            ) from None
        finally:
            process.kill()
            process.wait()
        try:
            found: dict[str, Any] = json.loads(answer.read())
        except ValueError:
            return []  # it ended the process; reading has found nothing either
    if found["error"]:
        raise ModelFileError(found["error"], fix=found["fix"], field=str(script))
    return list(found["own"] or found["imported"])

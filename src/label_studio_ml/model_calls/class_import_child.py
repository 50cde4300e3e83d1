"""Child process that imports a Python file and reports its model classes. The arguments are FD and FILE.

The report is JSON, written to the descriptor FD.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from label_studio_ml.errors import ModelFileError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.processes.process_table import end_with_parent
from label_studio_ml.user_code.loading import import_model_file


def main() -> None:
    """Import the file, write the report, and end the process."""
    end_with_parent()
    descriptor, script = int(sys.argv[1]), Path(sys.argv[2])
    os.set_inheritable(descriptor, False)
    answer: dict[str, Any] = {"error": "", "fix": "", "own": [], "imported": []}
    try:
        module = import_model_file(script)
    except ModelFileError as error:
        answer |= {"error": error.message, "fix": error.fix}
    else:
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, LabelStudioMLBase):
                if value.__module__.partition(".")[0] == "label_studio_ml":
                    continue
                answer["own" if value.__module__ == module.__name__ else "imported"].append(name)
        bases = {base for name in answer["own"] for base in vars(module)[name].__mro__[1:]}
        answer["own"] = [name for name in answer["own"] if vars(module)[name] not in bases]
    with os.fdopen(descriptor, "w") as out:
        json.dump(answer, out)
    os._exit(0)  # without waiting for threads of the user's file

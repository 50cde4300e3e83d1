"""A folder with the model of `data/models/obedient.py`, and the strings it is pulled by."""

import contextlib
import errno
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from label_studio_ml.config.setting_values import InvalidPredictions
from label_studio_ml.config.settings import Settings

MODEL = Path(__file__).parent / "data" / "models" / "obedient.py"

CONFIG = (
    '<View><Text name="t" value="$t"/><Choices name="c" toName="t">'
    '<Choice value="A"/><Choice value="B"/></Choices></View>'
)


class Tricky:
    """A backend's folder in `folder`. Everything that blocks by order goes on at the end of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(MODEL, folder / "obedient.py")

    def settings(self, class_name: str = "Tricky", **changes: Any) -> Settings:
        """Return the settings of a backend that serves it."""
        base = Settings(
            invalid_predictions=InvalidPredictions.SEND,  # these models' regions only say which task they are for
            backend_dir=self.folder,
            script=self.folder / "obedient.py",
            class_name=class_name,
            model_dir=self.folder / "data",
            log_dir=self.folder / "logs",
        )
        return replace(base, **changes)

    def order(self, when: str, what: str = "") -> None:
        """Say what happens `on_import`, `on_load`, `on_load.VERSION` or `on_fit`; nothing takes the order back."""
        path = self.folder / when
        if what:
            path.write_text(what)
        else:
            path.unlink(missing_ok=True)

    def lines(self, name: str) -> list[str]:
        """Return what the model noted in `loads` or `predicts`."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def started(self, name: str) -> int:
        """Return the id of the process that blocks on `name`; 0 while none does."""
        path = self.folder / f"{name}.started"
        return int(path.read_text() or 0) if path.exists() else 0

    def release(self, name: str, limit: float = 120.0) -> None:
        """Let whoever blocks on `name` go on."""
        end = time.monotonic() + limit
        while True:
            try:
                os.close(os.open(self.folder / name, os.O_WRONLY | os.O_NONBLOCK))
            except OSError as error:
                if error.errno not in (errno.ENXIO, errno.ENOENT) or time.monotonic() > end:
                    raise
                time.sleep(0.005)
            else:
                (self.folder / f"{name}.started").unlink(missing_ok=True)
                return


def task(number: int, do: str = "") -> dict[str, Any]:
    """Return a task that tells the model what to do."""
    return {"id": number, "data": {"do": do} if do else {}}


def alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False

"""Decide whether a version is loaded in a running process or in a new one that imports the code on the disk."""

import asyncio
import logging
from collections.abc import Callable

from label_studio_ml.serving.registry.loaded_model import LoadedModel
from label_studio_ml.serving.registry.serving_process import ServingProcess
from label_studio_ml.user_code.code_identity import CodeIdentity
from label_studio_ml.user_code.model_source import settled

logger = logging.getLogger(__name__)


class CodeChoice:
    """Compares the code that trained a version with that of its process. `on_disk` identifies the current files."""

    def __init__(self, on_disk: Callable[[], CodeIdentity]) -> None:
        self._on_disk = on_disk
        self._warned: set[tuple[str, str, str]] = set()

    async def needs_process(self, model: LoadedModel, process: ServingProcess | None = None) -> bool:
        """Return whether the model needs a new process instead of `process` (default: the model's own).

        This is so if the version was trained by other code than `process` has imported, and the files on the
        disk have changed since `process` started.
        """
        process = process or model.process
        if model.manifest is None or not process.runner.own_memory:
            return False
        trained_by, running = model.manifest.code, process.code
        if trained_by.same(running):
            return False
        disk = await asyncio.to_thread(settled, self._on_disk)
        if not _changed(running, disk):
            return False
        logger.info(
            "Project %s: version %s was trained by other code than its model process has (different: %s); "
            "it is loaded in a new process, with the code on the disk",
            model.project.uid,
            model.manifest.name,
            ", ".join(trained_by.differences(running)),
        )
        return True

    def warn_if_other(self, model: LoadedModel) -> None:
        """Warn if a model is served by other code than it was trained by, once for each version and code."""
        running = model.process.code
        note = model.manifest.other_code(running) if model.manifest is not None else ""
        if model.manifest is None or not note:
            return
        about = (model.project.uid, model.manifest.id, running.hash)
        if about in self._warned:
            return
        self._warned.add(about)
        logger.warning(
            "Project %s: %s. If it needs the code that trained it, put that on this machine and start the server "
            "again; else train a new version",
            model.project.uid,
            note,
        )


def _changed(running: CodeIdentity, disk: CodeIdentity) -> bool:
    """Return whether a process that starts now would have other code. Only packages found in both are compared."""
    if not running.hash or not disk.hash:
        return False
    shared = running.packages.keys() & disk.packages.keys()
    return running.files != disk.files or any(
        running.packages[name] != disk.packages[name] for name in shared
    )

"""Decide whether a version is loaded in a running process or in a new one that imports the code on the disk."""

import asyncio
import logging
from collections.abc import Callable

from label_studio_ml.serving.registry.loaded_model import LoadedModel, ProcessGroup
from label_studio_ml.user_code.code_identity import CodeIdentity

logger = logging.getLogger(__name__)


class CodeChoice:
    """Compares the code that trained a version with that of its process. `on_disk` identifies the current files."""

    def __init__(self, on_disk: Callable[[], CodeIdentity]) -> None:
        self._on_disk = on_disk
        self._said: set[tuple[str, str, str]] = set()

    async def needs_process(self, live: LoadedModel, process_group: ProcessGroup | None = None) -> bool:
        """Return whether the model needs a new process instead of `process_group` (default: the model's own).

        This is so if the version was trained by other code than `process_group` has imported, and the files on the
        disk have changed since `process_group` started.
        """
        process_group = process_group or live.process_group
        if live.manifest is None or not process_group.runner.own_memory:
            return False
        trained_by, running = live.manifest.code, process_group.code
        if trained_by.same(running):
            return False
        disk = await asyncio.to_thread(self._on_disk)
        if not _changed(running, disk):
            return False
        logger.info(
            "Project %s: version %s was trained by other code than its model process has (different: %s); "
            "it is loaded in a new process, with the code on the disk",
            live.project.uid,
            live.manifest.name,
            ", ".join(trained_by.differences(running)),
        )
        return True

    def say(self, live: LoadedModel) -> None:
        """Warn if a model is served by other code than it was trained by, once for each version and code."""
        running = live.process_group.code
        note = live.manifest.other_code(running) if live.manifest is not None else ""
        if live.manifest is None or not note:
            return
        about = (live.project.uid, live.manifest.id, running.hash)
        if about in self._said:
            return
        self._said.add(about)
        logger.warning(
            "Project %s: %s. If it needs the code that trained it, put that on this machine and start the server "
            "again; else train a new version",
            live.project.uid,
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

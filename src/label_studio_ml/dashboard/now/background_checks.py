"""Run the quick checks of `doctor` in a process of their own, at most once a minute, while somebody looks."""

import asyncio
import contextlib
import json
import logging
import socket
import subprocess
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, BrokerError
from label_studio_ml.processes.interpreter import command
from label_studio_ml.reports.shared_checks import LONGEST_RUN, Checks, Finding

logger = logging.getLogger(__name__)

#: Seconds from the end of a run to the next one, and the longest time of a run.
INTERVAL, TIMEOUT = 60.0, LONGEST_RUN - 20.0
#: The names of the checks that are about a project; the others are about the backend.
PROJECT_CHECKS = frozenset(
    ("project", "address", "backend", "webhook", "annotations", "pre-labeling", "scores")
)


class ChecksStore(Protocol):
    """Where findings are shared between servers; see `SharedChecks`."""

    def read(self) -> Checks | None:
        """Return the last findings, None if there are none."""

    def claim(self, server: str) -> bool:
        """Claim the next run."""

    def store(self, checks: Checks) -> None:
        """Store the findings of a run."""


class BackgroundChecks:
    """The findings of `doctor` for the backend with `settings`; `server` is the id of this server.

    Each run checks the backend and one project, where Label Studio's address and token are set: the projects take
    turns, and the findings about the others stay until their next turn.
    """

    def __init__(self, settings: Settings, store: ChecksStore, server: str) -> None:
        self._settings = settings
        self._store = store
        self._server = server
        self._running: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    async def current(self, projects: Sequence[str]) -> Checks | None:
        """Return the last findings, None before the first; start a run if they are old and no server runs one.

        `projects` are the ids of the projects in use, in Label Studio's numbers. Raises BrokerError.
        """
        checks = await asyncio.to_thread(self._store.read)
        if _is_due(checks) and not self._closed and (self._running is None or self._running.done()):
            self._running = asyncio.create_task(self._run_if_free(projects))
        return checks

    async def close(self) -> None:
        """End a run in progress."""
        self._closed = True
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.kill()
        if self._running is not None:
            await asyncio.wait([self._running], timeout=2.0)

    async def _run_if_free(self, projects: Sequence[str]) -> None:
        with contextlib.suppress(BrokerError):
            if not await asyncio.to_thread(self._store.claim, self._server):
                return
            last = await asyncio.to_thread(self._store.read)
            if last is not None and not _is_due(last):  # another server has run them meanwhile
                await asyncio.to_thread(self._store.store, last)
                return
            settings = self._settings
            known = settings.studio_url and settings.studio_api_key and projects
            project = _next_project(last, projects) if known else ""
            checks = await asyncio.to_thread(self._run, project)
            await asyncio.to_thread(self._store.store, _merged(last, checks, project, projects))

    def _run(self, project: str) -> Checks:
        """Run `doctor` and return its findings."""
        folder = self._settings.backend_dir
        options = ["doctor", folder, "--json", "--quick", *(("--project", project) if project else ())]
        host = socket.gethostname()
        try:
            process = self._process = subprocess.Popen(
                command(self._settings, "label_studio_ml.cli.main", *options),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._settings.child_env(),
                process_group=0,  # Ctrl-C goes to the server, which ends this process
            )
            output, _ = process.communicate(timeout=TIMEOUT)
            findings = msgspec.convert(json.loads(output), tuple[Finding, ...])
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return Checks(time.time(), host, error=f"the checks took longer than {TIMEOUT:.0f} s")
        except (OSError, ValueError, BackendError) as error:
            if not self._closed:
                logger.info("The checks of doctor ended without findings: %s", error)
            return Checks(
                time.time(), host, error=f"the checks ended without findings ({type(error).__name__})"
            )
        finally:
            self._process = None
        return Checks(
            time.time(),
            host,
            tuple(
                msgspec.structs.replace(finding, project=project if finding.name in PROJECT_CHECKS else "")
                for finding in findings
            ),
        )


def _is_due(last: Checks | None) -> bool:
    return last is None or time.time() - last.at > INTERVAL


def _next_project(last: Checks | None, projects: Sequence[str]) -> str:
    """Return the project whose turn it is: after the one that the last run checked."""
    checked = [finding.project for finding in last.findings if finding.project] if last is not None else []
    if not checked or checked[-1] not in projects:
        return projects[0]
    return projects[(projects.index(checked[-1]) + 1) % len(projects)]


def _merged(last: Checks | None, checks: Checks, project: str, projects: Sequence[str]) -> Checks:
    """Return the findings of a run with the earlier ones about other projects that are in use, which come first."""
    earlier = [
        finding
        for finding in (last.findings if last is not None else ())
        if finding.project and finding.project != project and finding.project in projects
    ]
    return msgspec.structs.replace(checks, findings=(*earlier, *checks.findings))

"""Record of the webhook events received from each project: when, which actions, with or without the login.

Label Studio does not report failing webhooks; from this record, `connect` and `doctor` know whether webhooks arrive.
"""

import asyncio
import contextlib
import logging
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml import __version__
from label_studio_ml.cache import SqliteCache
from label_studio_ml.config.backend_login import asks_login
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError
from label_studio_ml.protocol.webhook_actions import SENT_ACTIONS
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.storage.small_files import DamagedFile, parse_json
from label_studio_ml.versions.state.known_projects import EVENTS_DB, SETUP
from label_studio_ml.versions.state.project_state import Project

logger = logging.getLogger(__name__)

#: Minimum seconds between two writes for a project; events in between are written with the next event.
_WRITE_INTERVAL = 1.0
#: Minimum seconds between two writes of the time of a project's last `/setup`, which Label Studio calls often.
_SETUP_INTERVAL = 30.0
#: The most projects whose last `/setup` is kept in memory.
_MAX_SETUPS = 10_000
#: The most seconds that a shutdown waits for writes.
_CLOSE_TIMEOUT = 5.0


class WebhookReceipt(msgspec.Struct, frozen=True):
    """Last event of one action: `at` in seconds since 1970, `authorized` if it carried a required login."""

    at: float
    authorized: bool


class WebhookReceipts:
    """Last events of each project, in memory and, for the backend's other processes, in the database `events.db`."""

    def __init__(self, folder: Path) -> None:
        self._cache = SqliteCache(str(folder), db_name=EVENTS_DB)
        self._lock = threading.Lock()
        self._events: dict[str, dict[str, WebhookReceipt]] = {}
        self._unwritten: dict[str, dict[str, str]] = {}
        self._written: dict[str, float] = {}
        self._problem = ""
        self._setups: dict[str, float] = {}
        self._written_setups: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def note_setup(self, uid: str) -> None:
        """Record that Label Studio called `/setup` for a project now; it is written in the background."""
        now = self._setups[uid] = time.time()
        if now - self._written_setups.get(uid, 0.0) < _SETUP_INTERVAL:
            return
        if len(self._written_setups) > _MAX_SETUPS:  # calls may name any number of projects
            self._setups = {uid: now}
            self._written_setups.clear()
        self._written_setups[uid] = now
        task = asyncio.get_running_loop().create_task(self._write_setup(uid, now))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for the writes in progress, at most `_CLOSE_TIMEOUT` seconds: later ones could meet a removed folder."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_TIMEOUT)

    async def _write_setup(self, uid: str, at: float) -> None:
        text = msgspec.json.encode(WebhookReceipt(at, authorized=True)).decode()
        try:
            await asyncio.to_thread(self._cache.update, uid, {SETUP: text})
        except BackendError as error:
            self._log_problem(str(error))

    async def last_setup(self, uid: str) -> float | None:
        """Return when Label Studio last called `/setup` for a project (seconds since 1970), None if it never did."""
        times = [self._setups[uid]] if uid in self._setups else []
        with contextlib.suppress(BackendError, DamagedFile):
            if text := await asyncio.to_thread(self._cache.get, uid, SETUP):
                times.append(parse_json(text.encode(), WebhookReceipt).at)
        return max(times, default=None)

    async def note(self, uid: str, action: str, *, authorized: bool) -> None:
        """Record that an event arrived now, if Label Studio sends its action. Write errors are logged, not raised."""
        if action not in SENT_ACTIONS:
            return
        event = WebhookReceipt(time.time(), authorized)
        with self._lock:
            self._events.setdefault(uid, {})[action] = event
            self._unwritten.setdefault(uid, {})[action] = msgspec.json.encode(event).decode()
            if time.monotonic() - self._written.get(uid, -_WRITE_INTERVAL) < _WRITE_INTERVAL:
                return
            self._written[uid] = time.monotonic()
            changes = self._unwritten.pop(uid)
        try:
            await asyncio.to_thread(self._cache.update, uid, changes)
        except BackendError as error:
            self._log_problem(str(error))
            with self._lock:  # write them with the next event; newer events of the same action win
                self._unwritten[uid] = {**changes, **self._unwritten.get(uid, {})}
        else:
            self._problem = ""

    def _log_problem(self, problem: str) -> None:
        if problem != self._problem:
            logger.warning("%s", problem)
        self._problem = problem

    async def of(self, uid: str) -> dict[str, Any]:
        """Return a project's last event of each action, as a dict of action to `{"at", "authorized"}`."""
        try:
            stored = await asyncio.to_thread(self._cache.items, uid)
        except BackendError as error:
            self._log_problem(str(error))
            stored = {}
        events: dict[str, WebhookReceipt] = {}
        stored.pop(SETUP, None)
        for action, text in stored.items():
            with contextlib.suppress(DamagedFile):
                events[action] = parse_json(text.encode(), WebhookReceipt)
        with self._lock:
            for action, event in self._events.get(uid, {}).items():
                if action not in events or events[action].at < event.at:
                    events[action] = event
        return {action: msgspec.to_builtins(event) for action, event in sorted(events.items())}


async def connection(
    settings: Settings,
    registry: ModelRegistry,
    receipts: WebhookReceipts,
    project: Project | None,
    events: set[str],
) -> dict[str, Any]:
    """Return what `label-studio-ml connect` and `doctor` need to know of this backend and, if given, of a project.

    `events` are the actions that start a training. `model_class`, `learns` and `initial_version` are
    None before the import. `studio` says
    which settings of the login for Label Studio are set.
    """
    info = registry.info
    body: dict[str, Any] = {
        "version": __version__,
        "model_class": info.name if info is not None else None,
        "learns": info.generation != "none" if info is not None else None,
        "initial_version": info.initial_version if info is not None else None,
        "events": sorted(events),
        "login": asks_login(settings),
        "studio": {
            "LABEL_STUDIO_URL": bool(settings.studio_url),
            "LABEL_STUDIO_API_KEY": bool(settings.studio_api_key),
        },
        "time": time.time(),
        "invalid_predictions": registry.counts.invalid_kinds,
    }
    if project is not None:
        body["project"] = {
            "uid": project.uid,
            "hostname": project.hostname,
            "token": bool(project.access_token),
            "model_version": registry.version_if_known(project.uid),
            "heard": await receipts.of(project.uid),
        }
    return body

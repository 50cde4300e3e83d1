"""List the projects that a backend knows, with the data that distinguishes projects of the same number."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from label_studio_ml.cache import SqliteCache
from label_studio_ml.errors import DecisionError
from label_studio_ml.storage.small_files import DamagedFile, parse_json
from label_studio_ml.support.texts import whole_number
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.state.project_state import PROJECTS_DB, Projects
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest

#: The file in the model folder that holds the last event of each kind of each project.
EVENTS_DB = "events.db"
#: The entry among a project's events that says when Label Studio last called `/setup`.
SETUP = "SETUP"


class KnownProject(msgspec.Struct, frozen=True, kw_only=True):
    """A project that the backend knows.

    `number` is the project's id in Label Studio, `host` the address of that Label Studio, `created` when it created the
    project (ISO 8601). `heard` is when the project's last event arrived (seconds since 1970, None if none did).
    `versions` is the number of its versions, `served` the name of the served one, empty if none is. `forgotten`: only
    versions are left of the project. `current`: the most recently active project of this number.
    """

    uid: str
    number: str
    title: str = ""
    host: str = ""
    created: str = ""
    heard: float | None = None
    versions: int = 0
    served: str = ""
    forgotten: bool = False
    current: bool = True

    @property
    def heard_at(self) -> str:
        """When the last event arrived, as ISO 8601; empty if none did."""
        return "" if self.heard is None else _iso(self.heard)

    def text(self) -> str:
        """Return a short description of the project for messages."""
        words = [
            self.title and repr(self.title),
            self.host and f"of {self.host}",
            self.created and f"created {self.created[:10]}",
            f"last event {self.heard_at[:16].replace('T', ' ')}" if self.heard else "no event yet",
        ]
        return ", ".join(word for word in words if word)


class _Moment(msgspec.Struct):
    at: float = 0.0


def known_projects(model_dir: Path, store: VersionStore) -> list[KnownProject]:
    """Return the projects in `projects.db` and those with versions, by number; of one number, the current one first.

    A project whose versions or decision cannot be read is listed without that data.
    """
    has_database = (model_dir / PROJECTS_DB).exists()  # reading must not create the file
    database = Projects(model_dir) if has_database else None
    uids = set(database.uids()) if database else set()
    listed = []
    for uid in uids | set(store.projects()):
        number, _, seconds = uid.partition(".")
        project = database.get(uid) if database is not None else None
        versions: list[Manifest] = []
        served: Manifest | None = None
        is_unreadable = False
        try:
            versions = store.versions(uid)
            served = store.served(uid)
        except DecisionError:  # the list of the project's versions reports it
            is_unreadable = True
        if project is None and not versions and not is_unreadable:
            continue
        listed.append(
            KnownProject(
                uid=uid,
                number=number,
                title=project.title if project else "",
                host=project.hostname if project else "",
                created=_iso(whole_number(seconds)),
                heard=_last_event_time(model_dir, uid),
                versions=len(versions),
                served=served.name if served else "",
                forgotten=project is None,
            )
        )
    listed.sort(key=lambda entry: (entry.number.zfill(20), entry.forgotten, [-at for at in _recency(entry)]))
    first_uid = {entry.number: entry.uid for entry in reversed(listed)}
    return [
        msgspec.structs.replace(entry, current=not entry.forgotten and entry.uid == first_uid[entry.number])
        for entry in listed
    ]


def _last_event_time(model_dir: Path, uid: str) -> float | None:
    """Return when the last event of a project arrived, in seconds since 1970; None if none did."""
    if not (model_dir / EVENTS_DB).exists():
        return None
    events = SqliteCache(str(model_dir), db_name=EVENTS_DB).items(uid)
    events.pop(SETUP, None)
    times: list[float] = []
    for text in events.values():
        with contextlib.suppress(DamagedFile):
            times.append(parse_json(text.encode(), _Moment).at)
    return max(times, default=None)


def forget(model_dir: Path, store: VersionStore, uid: str, *, versions: bool) -> None:
    """Delete the entry and the last events of a project, and, with `versions`, its versions and key/value pairs.

    Events that wait for a training are in the queue and stay. Raises StoreError, VersionError.
    """
    if (model_dir / EVENTS_DB).exists():
        events = SqliteCache(str(model_dir), db_name=EVENTS_DB)
        for action in events.items(uid):
            events.delete(uid, action)
    if versions:
        store.delete_project(uid)
        pairs = StoredState(model_dir, uid)
        for key in pairs.items():
            pairs.delete(key)
    Projects(model_dir).delete(uid)


def _recency(project: KnownProject) -> tuple[float, float]:
    """Return the sort key of projects of one number: the time of the last event, then that of the creation."""
    return project.heard or 0.0, whole_number(project.uid.partition(".")[2]) or 0


def _iso(seconds: float | None) -> str:
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""

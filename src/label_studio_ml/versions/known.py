"""The projects that a backend knows, with what tells two of the same number apart."""

import contextlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from label_studio_ml.cache import SqliteCache
from label_studio_ml.errors import DecisionError
from label_studio_ml.small_files import DamagedFile, parse_json
from label_studio_ml.texts import whole_number
from label_studio_ml.versions.manifest import Manifest
from label_studio_ml.versions.state import Projects, StoredState
from label_studio_ml.versions.store import VersionStore

#: The file in the model folder that holds the last event of each kind of each project.
EVENTS = "events.db"


class KnownProject(msgspec.Struct, frozen=True, kw_only=True):
    """One project.

    `number` is Label Studio's, `host` is where that Label Studio is, `created` when it made the project (ISO 8601),
    `heard` when its last event arrived (seconds since 1970, None if none did). `versions` counts those that are there,
    `served` names the one that is served. `forgotten`: only its versions are left. `current`: of several projects of
    this number it is the one that was heard last.
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
        """The time of the last event as ISO 8601, empty if none arrived."""
        return "" if self.heard is None else _iso(self.heard)

    def text(self) -> str:
        """Say in a few words which project it is."""
        words = [
            self.title and repr(self.title),
            self.host and f"of {self.host}",
            self.created and f"made {self.created[:10]}",
            f"last heard {self.heard_at[:16].replace('T', ' ')}" if self.heard else "never heard",
        ]
        return ", ".join(word for word in words if word)


class _Moment(msgspec.Struct):
    at: float = 0.0


def known_projects(model_dir: Path, store: VersionStore) -> list[KnownProject]:
    """Return the projects that the backend has heard of or has versions of, by number, the current one first."""
    there = (model_dir / "projects.db").exists()  # looking must not make it
    projects = Projects(model_dir) if there else None
    uids = set(projects.uids()) if projects else set()
    found = []
    for uid in uids | set(store.projects()):
        number, _, seconds = uid.partition(".")
        project = projects.get(uid) if projects is not None else None
        versions: list[Manifest] = []
        served: Manifest | None = None
        is_lost = False
        try:
            versions = store.versions(uid)
            served = store.served(uid)
        except DecisionError:  # the list of its versions says so
            is_lost = True
        if project is None and not versions and not is_lost:
            continue
        found.append(
            KnownProject(
                uid=uid,
                number=number,
                title=project.title if project else "",
                host=project.hostname if project else "",
                created=_iso(whole_number(seconds)),
                heard=last_heard(model_dir, uid),
                versions=len(versions),
                served=served.name if served else "",
                forgotten=project is None,
            )
        )
    found.sort(key=lambda one: (one.number.zfill(20), one.forgotten, [-at for at in _recency(one)]))
    place: Counter[str] = Counter()
    marked = []
    for one in found:
        marked.append(msgspec.structs.replace(one, current=not place[one.number] and not one.forgotten))
        place[one.number] += 1
    return marked


def last_heard(model_dir: Path, uid: str) -> float | None:
    """Return when the last event of a project arrived, in seconds since 1970; None if none did."""
    if not (model_dir / EVENTS).exists():
        return None
    events = SqliteCache(str(model_dir), db_name=EVENTS).items(uid).values()
    found: list[float] = []
    for text in events:
        with contextlib.suppress(DamagedFile):
            found.append(parse_json(text.encode(), _Moment).at)
    return max(found, default=None)


def forget(model_dir: Path, store: VersionStore, uid: str, *, versions: bool) -> None:
    """Remove what the backend knows of a project, and, with `versions`, its versions and key/value pairs.

    What waits for a training is not here: that is the queue's. Raises StoreError, VersionError.
    """
    if (model_dir / EVENTS).exists():
        events = SqliteCache(str(model_dir), db_name=EVENTS)
        for action in events.items(uid):
            events.delete(uid, action)
    if versions:
        store.delete_project(uid)
        pairs = StoredState(model_dir, uid)
        for key in pairs.items():
            pairs.delete(key)
    Projects(model_dir).delete(uid)


def _recency(project: KnownProject) -> tuple[float, float]:
    """Return what orders projects of one number: the last event, then when Label Studio made them."""
    return project.heard or 0.0, whole_number(project.uid.partition(".")[2]) or 0


def _iso(seconds: float | None) -> str:
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""

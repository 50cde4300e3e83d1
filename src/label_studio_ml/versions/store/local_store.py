"""Store model versions on disk: a folder for each version, which its manifest commits.

    <model_dir>/versions/<project uid>/
        <version id>/                what `fit` wrote to its workdir
        <version id>/manifest.json   written last: its appearance is the commit
        <version id>/deleted.json    in place of it once the version is deleted: name and events are kept
        <version id>.failed          why the version did not load
        served.json                  the decision of a person: promoted, rolled back, pinned
        served.json.copy             its copy, written before it: used if it is damaged
        changed                      a hint for pollers, different after each change

A folder without a manifest was left by a run that did not finish. A version whose fence is not above that of the newest
committed one is refused: another run has trained the project in the meantime.
"""

import contextlib
import logging
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import unquote

import msgspec

from label_studio_ml.config.metric_gate import Gate
from label_studio_ml.errors import DecisionError, StoreError, VersionError
from label_studio_ml.storage import atomic_files
from label_studio_ml.versions.store import version_files
from label_studio_ml.versions.store.commit_checks import check_not_superseded, refusal
from label_studio_ml.versions.store.damage import damage
from label_studio_ml.versions.store.decision import Decision, named, served_line
from label_studio_ml.versions.store.decision_files import PROMOTE_ADVICE, DecisionFiles
from label_studio_ml.versions.store.failure_records import failure_record, read_failures, write_failure
from label_studio_ml.versions.store.manifest import MANIFEST, TOMBSTONE, Manifest, new_version_id
from label_studio_ml.versions.store.manifest_files import ManifestFiles, fingerprinted, write_manifest
from label_studio_ml.versions.store.project_folders import ProjectFolders
from label_studio_ml.versions.store.version_source import (
    LocalSource,
    NoUploads,
    VersionSource,
    VersionUploads,
)

logger = logging.getLogger(__name__)


class VersionStore:
    """The versions of all projects below one folder. Safe to use from several threads and processes.

    `pin` is the name or id of a version that is served regardless of decisions, in the projects that have it. `source`
    and `uploads` are the place that versions are fetched from and written to: in this class, the folder itself.
    """

    def __init__(self, model_dir: Path, *, pin: str = "") -> None:
        self._root = model_dir / "versions"
        self.pin = pin
        self.folders = ProjectFolders(self._root)
        self._manifest_files = ManifestFiles()
        self.decisions = DecisionFiles(self.folder)
        self._warned: set[str] = set()
        self.source: VersionSource = LocalSource(self.local_projects, self.served, self.local_damage)
        self.uploads: VersionUploads = NoUploads()

    def folder(self, uid: str, version_id: str = "") -> Path:
        """Return the folder of a project's versions, or of one version."""
        base = self.folders.path(uid)
        return base / version_files.file_name(version_id) if version_id else base

    def projects(self) -> list[str]:
        """Return the sorted uids of all projects. Raises DecisionError if the folder cannot be read, StoreError."""
        return self.source.projects()

    def local_projects(self) -> list[str]:
        """Return the sorted uids of the projects that have a folder here. Raises DecisionError if it cannot be read."""
        return self.folders.uids()

    # Writing

    def new_id(self, uid: str) -> str:
        """Return an id for a new version, which no version of the project has or had."""
        used_ids = {version.id for version in self.history(uid)}
        return next(
            version_id
            for version_id in iter(new_version_id, "")
            if version_id not in used_ids and not self.folder(uid, version_id).exists()
        )

    def begin(self, uid: str, version_id: str) -> Path:
        """Create the folder of a new version, and return it. Raises VersionError if the disk refuses."""
        return self.folders.create(uid, version_id)

    def publish(
        self,
        manifest: Manifest,
        *,
        gate: Gate | None = None,
        after_commit: Callable[[Manifest], None] | None = None,
        check_lease: Callable[[], None] = lambda: None,
        unique_events: bool = True,
    ) -> Manifest:
        """Commit the version whose folder `begin` made; return the manifest as written, with its files' sha256.

        A version that `gate` does not let through is committed and not served. `after_commit` is called with the
        manifest before the hint changes. `check_lease` is called before the commit and raises if the lease on the
        project is lost. Raises StaleFence if a version with the same or a higher fence is committed already, or, with
        `unique_events`, one that has some of the events. Raises VersionError if the disk refuses.
        """
        uid, folder = manifest.project, self.folder(manifest.project, manifest.id)
        with self.folders.writes(f"Version {manifest.id}"):
            if (folder / MANIFEST).exists():
                (folder / MANIFEST).unlink()
                raise VersionError(f"fit wrote {MANIFEST}, a reserved name", fix="Give the file another name")
            version = fingerprinted(folder, manifest)
            self.uploads.upload(folder, version, check_lease)
            with self.folders.locked(uid):
                history = self.refreshed_history(uid, check_lease)
                check_not_superseded(manifest, history, manifest.events if unique_events else [])
                served = self.served(uid)
                version = msgspec.structs.replace(
                    version, gate=refusal(gate, version, served) if gate else ""
                )
                self.uploads.commit(version, check_lease)
                write_manifest(folder, version)
        try:
            if after_commit is not None:
                after_commit(version)
        finally:
            self.announce(uid)
        return version

    def announce(self, uid: str) -> None:
        """Change the hint, so that pollers read again. The change is stored already: errors are logged or ignored.

        The hint on this disk comes first: servers on this machine need not wait for a store that is unreachable.
        """
        self.folders.write_hint(uid)
        self.uploads.announce(uid)

    def clear_unfinished(self, uid: str) -> None:
        """Remove the files of versions that were never committed or were deleted; copies in progress stay.

        The caller must hold the project's lease, so that no run is in progress.
        """
        self.folders.clear_unfinished(uid)
        self.uploads.clear_unfinished(uid)

    def discard(self, uid: str, version_id: str) -> None:
        """Remove the folder of a version that was not committed, or the files of one that was deleted."""
        self.folders.discard(uid, version_id)
        self.uploads.discard(uid, version_id)

    def delete(self, uid: str, version_id: str) -> None:
        """Delete a version's files; its manifest stays, renamed. Raises VersionError if the disk refuses."""
        folder = self.folder(uid, version_id)
        self.uploads.mark_deleted(uid, version_id)
        with self.folders.writes(f"Version {version_id}"):
            (folder / MANIFEST).rename(folder / TOMBSTONE)
            atomic_files.flush_folder(folder)
        self.clear_failure(uid, version_id)
        self.discard(uid, version_id)

    def decide(self, uid: str, decision: Decision) -> None:
        """Store a decision. The caller must hold the lock of `locked`. Raises VersionError if the disk refuses."""
        self.uploads.put_decision(uid, decision)
        with self.folders.writes("The decision"):
            self.decisions.write(uid, decision)

    def record_failure(self, uid: str, version_id: str, cause: str) -> None:
        """Record that a version failed to load, so that other processes skip it. Disk errors are ignored."""
        with self.uploads.reporting_failure(uid, version_id, cause):
            write_failure(self.failure_record(uid, version_id), cause)

    def clear_failure(self, uid: str, version_id: str) -> None:
        """Remove the record that `record_failure` made. Disk errors are ignored."""
        record = self.failure_record(uid, version_id)
        if version_files.exists(record):
            with contextlib.suppress(OSError):
                record.unlink(missing_ok=True)
            self.uploads.clear_failure(uid, version_id)

    def delete_project(self, uid: str) -> None:
        """Delete a project's versions and their decision. Raises DecisionError if its folder cannot be read."""
        self.folders.check(uid)
        self.uploads.delete_project(uid)
        self.decisions.forget(uid)
        shutil.rmtree(self.folder(uid), ignore_errors=True)

    # Reading

    def versions(self, uid: str) -> list[Manifest]:
        """Return the committed versions of a project, oldest first, without deleted ones."""
        return self._manifests(uid, MANIFEST)

    def history(self, uid: str) -> list[Manifest]:
        """Return all versions that a project ever had, oldest first, including deleted ones."""
        return sorted([*self.versions(uid), *self._manifests(uid, TOMBSTONE)], key=_age)

    def refreshed_history(self, uid: str, check_lease: Callable[[], None] | None = None) -> list[Manifest]:
        """Return `history`, synchronised with the source first. Raises StoreError, and what `check_lease` raises.

        With `check_lease`, an unreachable source is retried for some time, as long as `check_lease` does not raise.
        """
        self.source.refresh(uid, check_lease)
        return self.history(uid)

    def newest(self, uid: str) -> Manifest | None:
        """Return the newest committed version of a project, served or not, or None."""
        return next(iter(reversed(self.versions(uid))), None)

    def fence(self, uid: str) -> int:
        """Return the highest fence that a version of a project ever had; -1 before the first. Raises StoreError."""
        return max((version.fence for version in self.refreshed_history(uid)), default=-1)

    def unreadable(self, uid: str) -> list[str]:
        """Return the ids of the versions whose manifest is damaged."""
        folders = [path for path in self.folders.versions(uid) if version_files.exists(path / MANIFEST)]
        return [unquote(path.name) for path in folders if self._manifest_files.get(path / MANIFEST) is None]

    def decision(self, uid: str) -> Decision | None:
        """Return the decision about a project's versions, None if there is none. Raises DecisionError if unreadable."""
        self.folders.check(uid)
        return self.decisions.read(uid)

    @property
    def decision_problems(self) -> list[str]:
        """One line for each project folder that cannot be read, and each decision with a problem at its last read."""
        return [*self.folders.problems(), *self.decisions.problems.values()]

    def decision_problem(self, uid: str) -> str:
        """Return what is wrong with the decision about a project's versions, empty if nothing is."""
        try:
            self.line(uid)
        except DecisionError as error:
            return str(error)
        return self.decisions.problems.get(uid, "")

    def lost(self, uid: str) -> str:
        """Return the id of the decision's version if that is missing and was not deleted, else an empty string."""
        return self._lost_version(uid, self.decision(uid), self.versions(uid))

    def _lost_version(self, uid: str, decision: Decision | None, versions: list[Manifest]) -> str:
        if decision is None or any(version.id == decision.version for version in versions):
            return ""
        deleted = version_files.exists(self.folder(uid, decision.version) / TOMBSTONE)
        return "" if deleted else decision.version

    def line(self, uid: str) -> list[Manifest]:
        """Return the versions that were served one after the other, oldest first; the last is the one to serve now.

        Raises DecisionError if folder or decision cannot be read, or its version is missing and no other can be served.
        A version named by `pin` is returned alone where the decision cannot be read.
        """
        versions = self.versions(uid)
        pinned = named(versions, self.pin)
        try:
            decision = self.decision(uid)
        except DecisionError:
            if pinned is None:
                raise
            return [pinned]
        lost = self._lost_version(uid, decision, versions)
        if self.pin and pinned is None:
            self.warn_once(f"Project {uid} has no version {self.pin!r}, so MODEL_VERSION has no effect there")
        line = served_line(versions, decision, self.pin, lost=bool(lost))
        if lost and not line:
            raise DecisionError(
                f"Version {lost}, which project {uid} is to be served, is missing or damaged",
                fix=PROMOTE_ADVICE,
            )
        if lost and decision is not None and line[-1].fence <= decision.fence:
            self.warn_once(
                f"Version {lost}, which project {uid} is to be served, is missing or damaged. "
                f"{line[-1].name}, the version served before it, is served. {PROMOTE_ADVICE}"
            )
        return line

    def served(self, uid: str, *, failed_ids: Collection[str] | None = None) -> Manifest | None:
        """Return the version to serve: the last of `line` with undamaged files that is not in `failed_ids`.

        None stands for the untrained model. `failed_ids` are the ids of versions that failed to load; None stands for
        those recorded by `record_failure`. Raises DecisionError, as `line` does.
        """
        skipped_ids = self.failures(uid) if failed_ids is None else failed_ids
        for manifest in reversed(self.line(uid)):
            if manifest.id in skipped_ids:
                continue
            problem = self.damage(manifest)
            if not problem:
                return manifest
            self.warn_once(
                f"Project {uid}: version {manifest.name} is damaged and not served: {problem}. "
                "The version before it is served; restore its files or delete it"
            )
        self.decision(uid)  # raises if it cannot be read: `line` was the version of `pin` alone
        return None

    def loadable(self, uid: str, failed_ids: Collection[str]) -> Manifest | None:
        """Return the version to serve, of those whose files are on this machine; `failed_ids` as in `served`."""
        return self.source.loadable(uid, failed_ids)

    def lacks_files(self, uid: str, failed_ids: Collection[str]) -> bool:
        """Tell whether there is a version to serve, while no usable one has its files on this machine."""
        return self.source.lacks_files(uid, failed_ids)

    def damage(self, manifest: Manifest, *, full: bool = False) -> str:
        """Return what is wrong with a version's files, empty if nothing is.

        With `full`, the version is fetched, and the contents of its files are checked. Raises StoreError.
        """
        if not full:
            return self.source.damage(manifest)
        try:
            self.source.fetch(manifest)
        except StoreError:
            raise
        except VersionError as error:
            return error.message
        return self.local_damage(manifest, full=True)

    def local_damage(self, manifest: Manifest, *, full: bool = False) -> str:
        """Return what is wrong with a version's files on this machine; with `full`, their contents are checked."""
        return damage(self.folder(manifest.project, manifest.id), manifest, full=full)

    def failures(self, uid: str) -> dict[str, str]:
        """Return, by id, why versions failed to load, as `record_failure` recorded it."""
        return read_failures(self.folder(uid))

    def hint(self, uid: str) -> str | None:
        """Return a text that differs after each change of the project, empty before the first. One small read.

        None if it cannot be read now; callers take that as no change.
        """
        return self.folders.read_hint(uid)

    # Source and uploads

    @property
    def problem(self) -> str:
        """Why this machine cannot read the source, empty if it can."""
        return self.source.problem

    @property
    def write_problem(self) -> str:
        """Why this machine cannot write to the source, empty if it can."""
        return self.source.write_problem

    def check(self) -> None:
        """Check that a remote store can be read and written. Raises SettingsError or StoreError."""
        self.uploads.check()

    def start(self) -> None:
        """Start watching the source; log unreadable folders and decisions. Raises DecisionError, SettingsError."""
        for uid in self.local_projects():
            with contextlib.suppress(VersionError):
                self.decision(uid)
        self.source.start()

    def stop(self) -> None:
        """Stop watching the source."""
        self.source.stop()

    def needs_sync(self, uid: str) -> bool:
        """Tell whether `synchronise` must be called before the project is served."""
        return self.source.needs_sync(uid)

    def servable_offline(self, uid: str) -> bool:
        """Tell whether the project can be served from the files on this disk after `synchronise` failed."""
        return self.source.servable_offline(uid)

    def synchronise(self, uid: str, mark: str | None = None) -> None:
        """Synchronise a project with the source, and fetch the version to serve. Raises StoreError.

        `mark` is the mark of the project's hint object if the caller has just listed it; None lists it here.
        """
        self.source.synchronise(uid, mark)

    def fetch(self, manifest: Manifest) -> None:
        """Fetch a version's files from the source, and compare each with its sha256. Raises VersionError."""
        self.source.fetch(manifest)

    def failure_record(self, uid: str, version_id: str) -> Path:
        """Return the path of the record that a version failed to load."""
        return failure_record(self.folder(uid), version_id)

    def _manifests(self, uid: str, name: str) -> list[Manifest]:
        manifests = [self._manifest_files.get(path / name) for path in self.folders.versions(uid)]
        return sorted((manifest for manifest in manifests if manifest is not None), key=_age)

    def warn_once(self, text: str) -> None:
        """Log a warning, unless this object has logged the same one before."""
        if text not in self._warned:
            self._warned.add(text)
            logger.warning("%s", text)


def _age(manifest: Manifest) -> tuple[int, str]:
    """Return the sort key of age: an imported version has the same fence as the newest one at its import."""
    return manifest.fence, manifest.created

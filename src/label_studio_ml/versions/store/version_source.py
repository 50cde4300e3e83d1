"""Protocols for a remote store: the source of a version store's versions, and the uploads to it.

The versions of a store in a folder are all on this machine: its `LocalSource` and `NoUploads` do nothing.
`remote.mirror` and `remote.uploads` implement the protocols for a remote store.
"""

# ruff: noqa: D102 (the protocols describe the methods)

import contextlib
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from label_studio_ml.versions.store.decision import Decision
from label_studio_ml.versions.store.manifest import Manifest


class VersionSource(Protocol):
    """The place that this machine's versions are fetched from. Methods raise StoreError if it cannot be reached."""

    @property
    def problem(self) -> str:
        """Why this machine cannot read the source, empty if it can."""

    @property
    def write_problem(self) -> str:
        """Why this machine cannot write to the source, empty if it can."""

    @property
    def is_remote(self) -> bool:
        """Whether calls may take longer than a lease on a project, and servers may be on other machines."""

    def start(self) -> None:
        """Start watching for changes by other machines."""

    def stop(self) -> None:
        """Stop watching."""

    def projects(self) -> list[str]:
        """Return the sorted uids of the projects in the source."""

    def needs_sync(self, uid: str) -> bool:
        """Tell whether `synchronise` must be called before the project is served."""

    def servable_offline(self, uid: str) -> bool:
        """Tell whether the project can be served from the files on this machine after `synchronise` failed."""

    def synchronise(self, uid: str, mark: str | None = None) -> None:
        """Synchronise a project, and fetch the version to serve."""

    def refresh(self, uid: str, check_lease: Callable[[], None] | None) -> None:
        """Synchronise a project's manifests; with `check_lease`, retry while it does not raise."""

    def loadable(self, uid: str, failed_ids: Collection[str]) -> Manifest | None:
        """Return the version to serve, of those whose files are on this machine and that are not in `failed_ids`."""

    def lacks_files(self, uid: str, failed_ids: Collection[str]) -> bool:
        """Tell whether there is a version to serve, while no usable one has its files on this machine."""

    def fetch(self, manifest: Manifest) -> None:
        """Get a version's files onto this machine. Raises VersionError if they are damaged."""

    def damage(self, manifest: Manifest) -> str:
        """Return what is known to be wrong with a version's files, empty if nothing is."""

    def release(self, manifest: Manifest) -> None:
        """Remove a version's files from this machine if they can be fetched again."""


class VersionUploads(Protocol):
    """The place that versions and decisions are written to, before they are changed on this machine."""

    def check(self) -> None:
        """Check that the place can be read and written. Raises SettingsError or StoreError."""

    def upload(self, folder: Path, manifest: Manifest, check_lease: Callable[[], None]) -> None:
        """Write the files of a version in `folder`, as long as `check_lease` does not raise."""

    def commit(self, manifest: Manifest, check_lease: Callable[[], None]) -> None:
        """Write a manifest, after `check_lease` has not raised."""

    def adopt(self, folder: Path, manifest: Manifest) -> None:
        """Write the files and the manifest of the version in `folder`. Raises VersionError if its id is in use."""

    def announce(self, uid: str) -> None:
        """Tell other machines that a project has changed."""

    def clear_unfinished(self, uid: str) -> None:
        """Remove the files of versions that were never committed."""

    def discard(self, uid: str, version_id: str) -> None:
        """Remove the files of a version that was not committed or was deleted."""

    def mark_deleted(self, uid: str, version_id: str) -> None:
        """Rename a version's manifest to that of a deleted version."""

    def put_decision(self, uid: str, decision: Decision) -> None:
        """Write a decision."""

    def reporting_failure(self, uid: str, version_id: str, cause: str) -> AbstractContextManager[None]:
        """Write that a version failed to load; the block writes the record on this machine."""

    def clear_failure(self, uid: str, version_id: str) -> None:
        """Remove the record of a version that failed to load."""

    def delete_project(self, uid: str) -> None:
        """Delete all versions of a project and their decision."""


class LocalSource:
    """The source of a store whose versions are all on this machine."""

    problem = write_problem = ""
    is_remote = False

    def __init__(
        self,
        projects: Callable[[], list[str]],
        served: Callable[..., Manifest | None],
        damage: Callable[[Manifest], str],
    ) -> None:
        self.projects = projects
        self.damage = damage
        self._served = served

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def needs_sync(self, uid: str) -> bool:
        return False

    def servable_offline(self, uid: str) -> bool:
        return True

    def synchronise(self, uid: str, mark: str | None = None) -> None: ...

    def refresh(self, uid: str, check_lease: Callable[[], None] | None) -> None: ...

    def loadable(self, uid: str, failed_ids: Collection[str]) -> Manifest | None:
        return self._served(uid, failed_ids=failed_ids)

    def lacks_files(self, uid: str, failed_ids: Collection[str]) -> bool:
        return False

    def fetch(self, manifest: Manifest) -> None: ...

    def release(self, manifest: Manifest) -> None: ...


class NoUploads:
    """The uploads of a store whose versions stay on this machine."""

    def check(self) -> None: ...

    def upload(self, folder: Path, manifest: Manifest, check_lease: Callable[[], None]) -> None: ...

    def commit(self, manifest: Manifest, check_lease: Callable[[], None]) -> None:
        check_lease()

    def adopt(self, folder: Path, manifest: Manifest) -> None: ...

    def announce(self, uid: str) -> None: ...

    def clear_unfinished(self, uid: str) -> None: ...

    def discard(self, uid: str, version_id: str) -> None: ...

    def mark_deleted(self, uid: str, version_id: str) -> None: ...

    def put_decision(self, uid: str, decision: Decision) -> None: ...

    def reporting_failure(self, uid: str, version_id: str, cause: str) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def clear_failure(self, uid: str, version_id: str) -> None: ...

    def delete_project(self, uid: str) -> None: ...

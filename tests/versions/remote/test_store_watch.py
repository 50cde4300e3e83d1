"""The thread that watches a remote store: projects that cannot be synchronised, beside others that can."""

from pathlib import Path

import pytest

from e2e.processes import wait_until
from label_studio_ml.errors import DecisionError, StoreError, VersionError
from label_studio_ml.versions.remote.object_store import ObjectStore
from label_studio_ml.versions.remote.store_watch import StoreWatch


class _Store:
    """A watched folder whose projects fail as `errors` says; `brought` has the others, `tries` counts all."""

    def __init__(self, folder: Path, errors: dict[str, Exception], *good: str) -> None:
        self.errors = errors
        self.tries = 0
        self.brought: list[str] = []
        self.watch = StoreWatch(ObjectStore(folder.as_uri()), self._synchronise)
        self.watch.marks.update(dict.fromkeys([*errors, *good], "?"))

    def _synchronise(self, uid: str, mark: str) -> None:
        self.tries += 1
        if uid in self.errors:
            raise self.errors[uid]
        self.brought.append(uid)
        self.watch.marks[uid] = mark


@pytest.mark.parametrize("error", [ValueError("embedded null byte"), DecisionError("it is empty")])
def test_the_projects_after_some_that_fail_by_themselves_are_synchronised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    store = _Store(tmp_path, dict.fromkeys("abcd", error), "z")
    store.watch.start()
    try:
        wait_until(lambda: store.brought == ["z"], "the last one is synchronised")
        wait_until(lambda: str(error) in store.watch.problem, "the problem is named")
        wait_until(lambda: store.tries > 9, "it is tried again")
        assert caplog.text.count("Traceback") == (4 if isinstance(error, ValueError) else 0), "one for each"
        store.errors.clear()
        wait_until(
            lambda: set("abcd") <= set(store.brought) and not store.watch.problem, "it heals by itself"
        )
    finally:
        store.watch.stop()


def test_a_store_that_cannot_be_reached_is_not_asked_for_every_project(tmp_path: Path) -> None:
    store = _Store(tmp_path, dict.fromkeys("abcd", StoreError("it is away")), "z")
    with pytest.raises(VersionError, match="it is away"):
        store.watch._synchronise_all(dict.fromkeys("abcdz", ""))
    assert store.tries == 3
    assert store.brought == []

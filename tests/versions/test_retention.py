"""Old versions go, those that may still be needed stay."""

from pathlib import Path

import pytest

from label_studio_ml.errors import VersionError
from label_studio_ml.versions.operations import promote, rollback
from label_studio_ml.versions.retention import apply_retention
from label_studio_ml.versions.store.local_store import VersionStore

from .made import Made, P


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


@pytest.mark.parametrize(
    ("names", "keep", "left"),
    [
        ("abcdef", 0, "abcdef"),
        ("abcdef", 3, "def"),
        ("abcdef", 6, "abcdef"),
        ("abcdef", 9, "abcdef"),
        ("abcdef", 1, "ef"),  # rollback goes back to e
        ("abCDEF", 2, "abef"),  # b is served, a is where rollback goes
        ("", 1, ""),
    ],
)
def test_the_last_ones_stay_and_what_is_served(made: Made, names: str, keep: int, left: str) -> None:
    made.add_all(names)
    before = made.served()
    gone = apply_retention(made.store, P, keep)
    assert made.names() == left
    assert sorted(one.name for one in gone) == sorted(set(names.lower()) - set(left))
    assert made.served() == before
    assert [one.name for one in made.store.history(P)] == list(names.lower())


def test_what_was_promoted_by_hand_stays(made: Made) -> None:
    made.add_all("aBcd")
    promote(made.store, made.folder, P, "b")
    made.add_all("efgh")
    apply_retention(made.store, P, 1)
    assert made.names() == "bgh"


def test_what_is_pinned_and_its_way_back_stay(made: Made) -> None:
    made.add_all("abcd")
    promote(made.store, made.folder, P, "b", pinned=True)
    made.add_all("ef")
    apply_retention(made.store, P, 1)
    assert made.names() == "abdf"  # a is b's parent, rollback goes to d, f is the last one
    assert made.served() == "b"
    rollback(made.store, made.folder, P)
    assert made.served() == "d"


def test_what_the_environment_pins_stays(made: Made) -> None:
    made.add_all("abcdef")
    made.store.pin = "c"
    apply_retention(made.store, P, 1)
    assert made.names() == "bcf"
    assert made.served() == "c"


def test_what_stands_in_for_a_damaged_version_stays(made: Made) -> None:
    made.add_all("abcdef")
    for name in "ef":
        made.weights(name).unlink()
    apply_retention(made.store, P, 1)
    assert made.served() == "d"


def test_a_disk_that_refuses_is_no_failure(
    made: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made.add_all("abcd")

    def refuses(store: VersionStore, uid: str, version_id: str) -> None:
        raise VersionError("the disk says no")

    monkeypatch.setattr(VersionStore, "delete", refuses)
    assert apply_retention(made.store, P, 1) == []
    assert "the disk says no" in caplog.text
    assert made.names() == "abcd"

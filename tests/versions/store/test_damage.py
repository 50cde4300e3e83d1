"""Versions that are not what was written are not served, and it is said why."""

from pathlib import Path

import msgspec
import pytest

from label_studio_ml.errors import VersionError
from label_studio_ml.versions.store.damage import damage
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import MANIFEST
from versions.made import Made, P


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path)
    made.add_all("ab")
    return made


def _damage(made: Made, *, full: bool) -> str:
    (found,) = [one for one in made.store.versions(P) if one.name == "b"]
    return damage(made.store.folder(P, found.id), found, full=full)


@pytest.mark.parametrize(
    ("content", "quick", "full"),
    [
        ("weights of b", "", ""),
        ("WEIGHTS OF B", "", "weights was changed after it was written (its sha256 differs)"),
        ("weights", "weights has 7 bytes, 12 were written", "weights has 7 bytes, 12 were written"),
        (None, "weights is missing", "weights is missing"),
    ],
)
def test_what_is_wrong(made: Made, content: str | None, quick: str, full: str) -> None:
    if content is None:
        made.weights("b").unlink()
    else:
        made.weights("b").write_text(content)
    assert _damage(made, full=False) == quick
    assert _damage(made, full=True) == full
    assert made.served() == ("a" if quick else "b")


def test_the_one_before_is_served_and_it_is_said_once(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    made.weights("b").write_text("cut")
    for _ in range(3):
        served = made.store.served(P)
    assert served is not None
    assert served.name == "a"
    assert caplog.text.count("version b is damaged and not served: weights has 3 bytes, 12 were written") == 1
    made.weights("b").write_text("weights of b")
    assert made.served() == "b"


def test_a_damaged_manifest(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    made.store.versions(P)
    path = made.store.folder(P, "id-b") / MANIFEST
    path.write_text(path.read_text()[:100])
    for _ in range(3):
        assert made.store.served(P) == made.store.versions(P)[-1]
        assert made.served() == "a"
    assert caplog.text.count("This version is not served; restore the file or delete the version") >= 1
    assert made.store.unreadable(P) == ["id-b"]
    made.store.clear_unfinished(P)
    assert made.weights("b").exists(), "somebody may want to mend it"


def test_a_file_of_the_users_that_has_our_name(tmp_path: Path) -> None:
    store = VersionStore(tmp_path)
    folder = store.begin(P, "id-a")
    (folder / MANIFEST).write_text("{}")
    made = Made(tmp_path)
    with pytest.raises(VersionError, match=r"fit wrote manifest\.json, a reserved name"):
        made.store.publish(Made(tmp_path / "other").add("a"))
    store.discard(P, "id-a")
    assert not folder.exists()


def test_a_file_of_that_name_further_down_is_the_users(made: Made) -> None:
    folder = made.store.begin(P, "id-c")
    (folder / "deep").mkdir()
    (folder / "deep" / MANIFEST).write_text("{}")
    other = Made(made.folder / "other").add("c")
    committed = made.store.publish(msgspec.structs.replace(other, fence=9))
    assert committed.files.keys() == {"deep/manifest.json"}

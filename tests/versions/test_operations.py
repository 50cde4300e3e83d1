"""Which version is served after what people and trainings did, in any order."""

import random
from pathlib import Path

import pytest

from label_studio_ml.errors import RequestError, UnknownVersion, VersionError
from label_studio_ml.versions.operations import delete, find, promote, rollback, unpin
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.store import version_files
from label_studio_ml.versions.store.local_store import VersionStore

from .made import Made, P


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def _do(made: Made, steps: str) -> None:
    """Do some steps: `+a` trains a, `+A` trains a that is held back, `!a` promotes, `!!a` pins, `<`, `~` unpins."""
    for step in steps.split():
        if step.startswith("+"):
            made.add_all(step[1:])
        elif step.startswith("!"):
            promote(made.store, made.folder, P, step.lstrip("!"), pinned=step.startswith("!!"))
        elif step == "<":
            rollback(made.store, made.folder, P)
        elif step == "~":
            unpin(made.store, made.folder, P)
        else:
            delete(made.store, P, [step.lstrip("-")])


@pytest.mark.parametrize(
    ("steps", "served"),
    [
        ("", ""),
        ("+a", "a"),
        ("+abc", "c"),
        ("+A", ""),
        ("+aB", "a"),
        ("+aBc", "c"),
        ("+ab !a", "a"),
        ("+aB !b", "b"),
        ("+ab !a +c", "c"),
        ("+ab !a +C", "a"),
        ("+ab !!a +c", "a"),
        ("+ab !!a +c !b", "b"),
        ("+ab !!a +c ~", "c"),
        ("+ab !!a ~", "a"),
        ("+ab !!a ~ +c", "c"),
        ("+ab ~", "b"),
        ("+ab <", "a"),
        ("+ab < +c", "c"),
        ("+ab < +C", "a"),
        ("+ab < +c <", "a"),
        ("+abc < <", "a"),
        ("+aBc <", "a"),
        ("+abc !a <", "c"),
        ("+abc !a +d < <", "c"),
        ("+ab !!a < +c", "c"),
        ("+abc !!a <", "c"),
        ("+abc -b <", "a"),
        ("+abc !b -c +d <", "b"),
    ],
)
def test_which_version_is_served(made: Made, steps: str, served: str) -> None:
    _do(made, steps)
    assert made.served() == served


@pytest.mark.parametrize("steps", ["", "+a", "+A", "+aB", "+ab <", "+ab -a"])
def test_nothing_to_roll_back_to(made: Made, steps: str) -> None:
    _do(made, steps)
    with pytest.raises(RequestError, match=r"nothing to roll back|No other version was served before \w"):
        rollback(made.store, made.folder, P)


def test_rollback_passes_by_what_cannot_be_served(made: Made) -> None:
    made.add_all("abcd")
    made.weights("c").write_text("cut")
    made.store.record_failure(P, "id-b", "no memory")
    present, back = rollback(made.store, made.folder, P)
    assert (present.name, back.name, made.served()) == ("d", "a", "a")


def test_what_is_pinned_by_the_environment(made: Made) -> None:
    made.add_all("abC")
    made.store.pin = "a"
    assert made.served() == "a"
    for name in ("b", "c"):
        with pytest.raises(RequestError, match="MODEL_VERSION keeps version a"):
            promote(made.store, made.folder, P, name)
    with pytest.raises(RequestError, match="MODEL_VERSION keeps version a"):
        rollback(made.store, made.folder, P)
    made.add("x", uid="8.1")
    made.add("y", uid="8.1")
    assert made.served("8.1") == "y"
    promote(made.store, made.folder, "8.1", "x")
    assert made.served("8.1") == "x"


def test_a_pin_that_names_nothing_is_said_once(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    made.add_all("ab")
    made.store.pin = "nowhere"
    for _ in range(3):
        served = made.store.served(P)
    assert served is not None
    assert served.name == "b"
    assert caplog.text.count("no version 'nowhere', so MODEL_VERSION has no effect") == 1


def test_find(made: Made) -> None:
    for name in ("20261123-141530-9f3a", "20261123-151530-9f3a", "mine"):
        made.add(name)
    find_ = made.store, P
    assert find(*find_, "mine").id == find(*find_, "id-mine").id == "id-mine"
    assert find(*find_, "20261123-14").name == "20261123-141530-9f3a"
    with pytest.raises(
        UnknownVersion, match="any of the versions 20261123-141530-9f3a, 20261123-151530-9f3a"
    ):
        find(*find_, "20261123")
    with pytest.raises(UnknownVersion, match="Did you mean mine"):
        find(*find_, "mien")
    with pytest.raises(UnknownVersion, match="may be any of the versions mine"):
        find(*find_, "mi")
    with pytest.raises(UnknownVersion, match="Did you mean mine or 20261123-151530-9f3a"):
        find(*find_, "")
    with pytest.raises(UnknownVersion, match="has none yet"):
        find(made.store, "8.1", "mine")


def test_a_damaged_version_is_not_promoted(made: Made) -> None:
    made.add_all("ab")
    made.weights("a").write_text("WEIGHTS OF A")
    with pytest.raises(VersionError, match="a is damaged: weights was changed after it was written"):
        promote(made.store, made.folder, P, "a")
    assert made.served() == "b"


def test_promoting_tries_a_version_again_that_did_not_load(made: Made) -> None:
    made.add_all("ab")
    made.store.record_failure(P, "id-b", "no memory")
    assert made.served() == "a"
    hint = made.store.hint(P)
    promote(made.store, made.folder, P, "b")
    assert made.served() == "b"
    assert made.store.hint(P) != hint, "the server would not look"


def test_delete(made: Made) -> None:
    made.add("a", events=["1-0"], state={"k": "v"})
    made.add_all("bC")
    with pytest.raises(RequestError, match="b is served, so it cannot be deleted"):
        delete(made.store, P, ["a", "b"])
    with pytest.raises(UnknownVersion):
        delete(made.store, P, ["a", "nowhere"])
    assert made.names() == "abc"
    assert delete(made.store, P, ["id-a", "a", "c"]) == ["a", "c"]
    assert made.names() == "b"
    fresh = VersionStore(made.folder)
    assert [one.name for one in fresh.history(P)] == ["a", "b", "c"]
    assert fresh.history(P)[0].events == ["1-0"]
    assert fresh.fence(P) == 3
    assert not made.weights("a").exists()
    fresh.clear_unfinished(P)
    assert [one.name for one in fresh.history(P)] == ["a", "b", "c"]


def test_a_version_whose_manifest_is_damaged_can_be_deleted(made: Made) -> None:
    made.add_all("ab")
    (made.store.folder(P, "id-b") / "manifest.json").write_text("{")
    assert made.served() == "a"
    with pytest.raises(RequestError, match="a is served"):
        delete(made.store, P, ["id-b", "a"])
    assert delete(made.store, P, ["id-b"]) == ["id-b"]
    assert VersionStore(made.folder).unreadable(P) == []
    assert not made.weights("b").exists()
    made.add("c")
    assert made.served() == "c"


def test_what_a_crash_left_of_a_deleted_version_goes(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    made.add_all("ab")
    with monkeypatch.context() as patch:
        patch.setattr(
            version_files, "clear_folder", lambda folder, keep: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            delete(made.store, P, ["a"])
    assert made.names() == "b"
    assert made.weights("a").exists()
    made.store.clear_unfinished(P)
    assert not made.weights("a").exists()
    assert [one.name for one in made.store.history(P)] == ["a", "b"]


def test_pairs_follow_the_version_that_is_served_by_hand(made: Made) -> None:
    state = StoredState(made.folder, P)
    state.set("from setup", "stays")
    for name, pairs in (("a", {"n": "1"}), ("b", {"n": "2", "only b": "x"}), ("c", {"n": "3"})):
        made.add(name, state={**pairs, "model_version": "asked for"})
        state.update({**pairs, "model_version": name})
    rollback(made.store, made.folder, P)
    assert state.items() == {"from setup": "stays", "n": "2", "only b": "x", "model_version": "b"}
    rollback(made.store, made.folder, P)
    assert state.items() == {"from setup": "stays", "n": "1", "model_version": "a"}
    promote(made.store, made.folder, P, "c")
    assert state.items() == {"from setup": "stays", "n": "3", "only b": "x", "model_version": "c"}
    state.set("n", "set while it was served")
    promote(made.store, made.folder, P, "c", pinned=True)
    assert state.get("n") == "set while it was served"


@pytest.mark.parametrize("seed", range(20))
def test_the_rule_holds_whatever_is_done(made: Made, seed: int) -> None:
    """A model of the rule, told in other words, agrees after every step."""
    dice = random.Random(seed)
    names: list[str] = []
    stack: list[str] = []
    waiting: list[str] = []
    pinned = False
    for number in range(25):
        step = dice.choice(("train", "train", "held", "promote", "pin", "unpin", "rollback"))
        if step in ("train", "held"):
            name = f"v{number}"
            made.add(name, gate="x > 1" if step == "held" else "")
            names.append(name)
            if step == "train":
                (waiting if pinned else stack).append(name)
        elif step in ("promote", "pin") and names:
            name = dice.choice(names)
            promote(made.store, made.folder, P, name, pinned=step == "pin")
            stack = [one for one in stack if one != name] + [name]
            pinned, waiting = step == "pin", []
        elif step == "unpin":
            unpin(made.store, made.folder, P)
            stack += waiting
            pinned, waiting = False, []
        elif step == "rollback" and len(stack) > 1:
            rollback(made.store, made.folder, P)
            stack.pop()
            pinned, waiting = False, []
        assert made.served() == (stack[-1] if stack else "")
        assert [one.name for one in made.store.line(P)] == stack

"""The commands about versions: what they print, and what is on the disk after them."""

import json
import shlex
import tarfile
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.cli import main as cli
from label_studio_ml.user_code.code_identity import identify
from label_studio_ml.versions.state.project_state import Projects
from label_studio_ml.versions.store.local_store import VersionStore
from versions.made import Made, P

pytestmark = pytest.mark.usefixtures("clean_env", "own_logging")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Versions a (served before), b (served) and c (held back) in the backend folder `tmp_path`."""
    made = Made(tmp_path / "data")
    made.add(
        "a", metrics={"accuracy": 0.91234, "epochs": 3}, annotations=1200, created="2026-11-23T14:15:30+00:00"
    )
    made.add_all("bC")
    return made


def _run(made: Made, capsys: pytest.CaptureFixture[str], command: str, *words: str) -> str:
    """Run a command that works; return what it printed."""
    code = cli.main([command, str(made.folder.parent), *words])
    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    return printed.out


def _fails(made: Made, capsys: pytest.CaptureFixture[str], command: str, *words: str) -> str:
    """Run a command that fails; return the line that says why, and the one that explains it."""
    code = cli.main([command, str(made.folder.parent), *words])
    printed = capsys.readouterr()
    assert (code, printed.out) == (1, "")
    assert printed.err.count("\n") == 2
    return printed.err


def _listed(made: Made, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    body = json.loads(_run(made, capsys, "versions", "--json", *words))
    return {entry["name"]: entry for entry in body["versions"]}


def test_the_table(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    printed = _run(made, capsys, "versions")
    lines = printed.splitlines()
    assert lines[0].split() == ["Project", "7"]
    assert lines[1].split() == ["VERSION", "TRAINED", "ANNOTATIONS", "METRICS", "PARENT", "SIZE", "STATE"]
    c, b, a = lines[2:]
    assert c.split()[0] == "c"
    assert "held back: the new version has no x that is a number" in c
    assert (b.split()[0], b.split()[-1]) == ("b", "served")
    assert "1,200" in a
    assert "accuracy 0.9123 epochs 3" in a
    assert "12 B" in a
    assert a.split()[-1] == "ready"


def test_json_has_all_of_it(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    listed = _listed(made, capsys)
    assert list(listed) == ["c", "b", "a"]
    assert listed["a"] == {
        "id": "id-a",
        "name": "a",
        "state": "ready",
        "note": "",
        "pinned": False,
        "created": "2026-11-23T14:15:30+00:00",
        "annotations": 1200,
        "source": "",
        "metrics": {"accuracy": 0.91234, "epochs": 3},
        "parent": "",
        "job": "",
        "size": 12,
        "comparison": "",
        "code": "",
        "code_differs": [],
    }
    assert (listed["c"]["parent"], listed["c"]["annotations"]) == ("b", None)


def test_every_state(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    made.add_all("de")
    made.weights("d").write_text("cut")
    made.store.record_failure(P, "id-e", "ModelLoadError: no memory")
    (made.store.folder(P, "id-c") / "manifest.json").write_text("{")
    _run(made, capsys, "promote", "b", "--pin")
    listed = _listed(made, capsys)
    states = {name: (entry["state"], entry["note"], entry["pinned"]) for name, entry in listed.items()}
    assert states == {
        "a": ("ready", "", False),
        "b": ("served", "", True),
        "d": ("damaged", "weights has 3 bytes, 12 were written", False),
        "e": ("failed to load", "ModelLoadError: no memory", False),
        "id-c": ("damaged", "its manifest cannot be read", False),
    }
    assert "served, pinned" in _run(made, capsys, "versions")


def test_verify_reads_every_file(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    made.weights("a").write_text("WEIGHTS OF A")
    assert _listed(made, capsys)["a"]["state"] == "ready"
    assert cli.main(["versions", str(made.folder.parent), "--verify"]) == 1
    assert "damaged: weights was changed after it was written (its sha256 differs)" in capsys.readouterr().out


def test_promote_rollback_unpin(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert "version c, until a newer version replaces it" in _run(made, capsys, "promote", "c")
    assert made.served() == "c"
    assert "version b instead of c" in _run(made, capsys, "rollback")
    assert made.served() == "b"
    assert "version a, until it is unpinned" in _run(
        made, capsys, "promote", "id-a", "--pin", "--project", "7"
    )
    made.add("d")
    assert made.served() == "a"
    assert "version d" in _run(made, capsys, "unpin")
    assert made.served() == "d"


def test_versions_that_other_code_trained_are_named_with_what_differs(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made.folder.parent
    model = "from label_studio_ml.model import LabelStudioMLBase\nclass Mine(LabelStudioMLBase):\n    x = 1\n"
    (folder / "model.py").write_text(model)
    before = identify(folder / "model.py")
    for name in "de":
        made.add(name, code=before, created="2026-11-24T10:00:00+00:00")
    assert "Code" not in _run(made, capsys, "versions")
    (folder / "model.py").write_text(model.replace("x = 1", "x = 2"))
    after = identify(folder / "model.py")
    made.add("f", code=after)
    listed = _listed(made, capsys)
    assert [listed[name]["code"] for name in "fed"] == [after.short, before.short, before.short]
    assert [listed[name]["code_differs"] for name in "feda"] == [[], ["model.py"], ["model.py"], []]
    note = next(line for line in _run(made, capsys, "versions").splitlines() if line.startswith("Code "))
    assert note.startswith(f"Code {before.short} trained e, d (the first 2026-11-24 ")
    assert note.endswith("the folder has other code, different: model.py")
    said = _run(made, capsys, "rollback")
    assert "is served version e instead of f" in said
    trained = f"Note: version e was trained (2026-11-24T10:00:00+00:00) by code {before.short}"
    assert f"{trained} and runs with code {after.short}; different: model.py" in said
    assert "Note:" in _run(made, capsys, "promote", "d")
    assert "Note:" not in _run(made, capsys, "promote", "f")
    assert "Note:" not in _run(made, capsys, "promote", "a")


def test_delete(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert "b is served, so it cannot be deleted. Promote another one first" in _fails(
        made, capsys, "delete", "a", "b"
    )
    assert made.names() == "abc"
    assert _run(made, capsys, "delete", "a", "c") == "Deleted a, c\n"
    assert list(_listed(made, capsys)) == ["b"]


def test_export(made: Made, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    assert str(file) in _run(made, capsys, "export", "b", "--output", str(file))
    with tarfile.open(file) as archive:
        members = archive.getmembers()
        assert [(one.name, one.isfile(), one.uid, one.uname) for one in members] == [
            ("b/manifest.json", True, 0, ""),
            ("b/weights", True, 0, ""),
        ]
        archive.extractall(tmp_path / "out", filter="data")
    assert (tmp_path / "out" / "b" / "weights").read_text() == "weights of b"
    assert json.loads((tmp_path / "out" / "b" / "manifest.json").read_text())["name"] == "b"
    assert "exists already" in _fails(made, capsys, "export", "b", "--output", str(file))


def test_an_export_leaves_no_half_of_it(
    made: Made, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = tmp_path / "nowhere" / "b.tar.gz"
    assert "cannot be written" in _fails(made, capsys, "export", "b", "--output", str(target))
    made.weights("b").write_text("cut")
    target = tmp_path / "b.tar.gz"
    assert "b is damaged: weights has 3 bytes" in _fails(made, capsys, "export", "b", "--output", str(target))
    assert [path for path in tmp_path.iterdir() if "tar" in path.name] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["promote", "d"], "There is no version 'd'. Did you mean"),
        (["promote", "id-"], "'id-' may be any of the versions a, b, c"),
        (["versions", "--project", "8"], "Project 8 is not known"),
        (["rollback", "--model-dir", "elsewhere"], "No project is known in"),
    ],
)
def test_mistakes(made: Made, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    command, *rest = words
    assert said in _fails(made, capsys, command, *rest)


def test_several_projects_have_to_be_told_apart(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    made.add("z", uid="8.1")
    Projects(made.folder).update("9.1", title="connected, not trained")
    said = _fails(made, capsys, "rollback")
    assert f"several projects: {P}, 8.1, 9.1. Name one with --project, such as --project 7\n" in said
    assert list(_listed(made, capsys, "--project", "8.1")) == ["z"]
    assert "Project 9 has no trained version yet" in _run(made, capsys, "versions", "--project", "9")
    assert "nothing to roll back" in _fails(made, capsys, "rollback", "--project", "9")


def test_looking_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["versions", str(tmp_path)]) == 1
    assert "No project is known in" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert cli.main(["versions", str(tmp_path / "nowhere")]) == 1
    assert "There is no folder" in capsys.readouterr().err


def test_the_environment_is_heeded(
    made: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_VERSION", "a")
    assert _listed(made, capsys)["a"]["pinned"]
    assert "MODEL_VERSION keeps version a served" in _fails(made, capsys, "promote", "b")


def _other(made: Made, name: str = "other one") -> Made:
    """Return the empty model folder of another backend, in the folder `name`."""
    return Made(made.folder.parent / name / "data")


def test_import(made: Made, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    _run(made, capsys, "export", "b", "--output", str(file))
    other = _other(made)
    other.folder.mkdir(parents=True)
    printed = _run(other, capsys, "import", str(file))
    command = f"label-studio-ml promote '{other.folder.parent}' b --project={P}"
    assert printed == (
        "Version b has no parent now: a, from which it was trained, was not copied\n"
        f"Version b is imported into project 7. Serve it with: {command}\n"
    )
    assert _listed(other, capsys)["b"]["state"] == "held back"
    assert "is in project 7 already" in _run(other, capsys, "import", str(file))
    assert cli.main(shlex.split(command)[1:]) == 0
    capsys.readouterr()
    assert _listed(other, capsys)["b"]["state"] == "served"


def test_import_into_the_project_of_another_label_studio(
    made: Made, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "b.tar.gz"
    _run(made, capsys, "export", "b", "--output", str(file))
    other = _other(made)
    Projects(other.folder).update("3.18", title="known, not trained")
    printed = _run(other, capsys, "import", str(file), "--as", "b of 7", "--promote")
    assert printed == (
        "Version b of 7 has no parent now: a, from which it was trained, was not copied\n"
        "Version b of 7 is imported into project 3, and is served until a newer version replaces it\n"
    )
    assert other.served("3.18") == "b of 7"
    Projects(other.folder).update("4.18")
    assert "several projects" in _fails(other, capsys, "import", str(file))
    assert "project 4." in _run(other, capsys, "import", str(file), "--project", "4")
    assert "Project 5 is not known" in _fails(other, capsys, "import", str(file), "--project", "5")
    assert "project 7." in _run(other, capsys, "import", str(file), "--project", "7")
    assert "cannot be read" in _fails(other, capsys, "import", str(tmp_path / "none"))


def test_push_and_pull_between_folders(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    there = made.folder.parent / "kept elsewhere"
    printed = _run(made, capsys, "push", str(there))
    assert printed.splitlines()[-1] == f"Copied 3 versions; 0 of them in {there} before"
    assert VersionStore(there).served(P) is None
    printed = _run(made, capsys, "push", str(there), "b", "--promote")
    assert f"Copied 0 versions; 1 of them in {there} before" in printed
    served = VersionStore(there).served(P)
    assert served is not None
    assert served.name == "b"
    other = _other(made)
    other.folder.mkdir(parents=True)
    _run(other, capsys, "pull", str(there), "a", "b", "--promote")
    assert sorted(other.names()) == ["a", "b"]
    assert other.served() == "b"
    assert other.weights("b").read_text() == "weights of b"
    assert "There is no version 'x'" in _fails(other, capsys, "pull", str(there), "x")
    empty = str(there / "nothing")
    assert f"{empty} has no versions" in _fails(other, capsys, "pull", empty)
    assert "has no project 9" in _fails(other, capsys, "pull", str(there), "--project-there", "9")


def test_the_folder_of_another_backend_means_its_versions(
    made: Made, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    backend = tmp_path / "another"
    backend.mkdir()
    (backend / "model.py").write_text("class Model: ...")
    data = backend / "data"
    printed = _run(made, capsys, "push", str(backend))
    assert printed.splitlines()[0] == f"1 of 3: version a is in {data}"
    assert printed.splitlines()[-1] == f"Copied 3 versions; 0 of them in {data} before"
    assert sorted(one.name for one in VersionStore(data).versions(P)) == ["a", "b", "c"]
    assert not (backend / "versions").exists()
    other = _other(made)
    other.folder.mkdir(parents=True)
    _run(other, capsys, "pull", str(backend), "a")
    assert other.names() == "a"
    for where in (made.folder.parent, made.folder):
        assert "is the backend's own model folder" in _fails(made, capsys, "push", str(where))


def test_a_backend_with_versions_in_two_places_has_to_be_named(
    made: Made, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    backend = tmp_path / "another"
    for place in (backend / "versions", backend / "data" / "versions"):
        place.mkdir(parents=True)
        error = _fails(made, capsys, "push", str(backend)) if place.parent.name == "data" else ""
    assert f"{backend} has versions in two places" in error
    assert f"Give {backend / 'data'}" in error
    assert "3 versions" in _run(made, capsys, "push", str(backend / "data"))


def test_a_model_folder_beside_the_model_is_one(
    made: Made, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As release 1.0.9 had it: MODEL_DIR is the backend's folder itself."""
    backend = tmp_path / "another"
    (backend / "versions").mkdir(parents=True)
    (backend / "model.py").write_text("class Model: ...")
    assert f"0 of them in {backend} before" in _run(made, capsys, "push", str(backend))


def test_a_damaged_version_is_not_pushed(
    made: Made, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made.weights("b").write_text("weights of x")
    assert cli.main(["push", str(made.folder.parent), str(tmp_path / "there")]) == 1
    printed = capsys.readouterr()
    assert "Version b is damaged: weights was changed after it was written" in printed.err
    assert [one.name for one in VersionStore(tmp_path / "there").versions(P)] == ["a"], (
        "those before are there"
    )

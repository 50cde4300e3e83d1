"""Paths in what versions hold, after the folder that they name was moved."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from label_studio_ml.versions.state.key_values import StagedState, StoredState
from label_studio_ml.versions.state.user_state import apply_own
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from label_studio_ml.versions.store.manifest_files import manifest_text
from label_studio_ml.versions.store.movable_paths import MovablePaths
from versions.made import Made, P

HERE = Path("/data/versions/7.1/20261123-141530-9f3a")
THERE = Path("/mnt/new place/ü/versions/7.1/20261123-141530-9f3a")


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        (f"{HERE}", f"{THERE}"),
        (f"{HERE}/", f"{THERE}/"),
        (f"{HERE}/deep/model.bin", f"{THERE}/deep/model.bin"),
        (f"file://{HERE}/model.bin", f"file://{THERE}/model.bin"),
        (f"{HERE}/a:{HERE}/b and ({HERE}).", f"{THERE}/a:{THERE}/b and ({THERE})."),
        (f"{HERE}b/model.bin", None),
        (f"{HERE}-copy/model.bin", None),
        (f"{HERE}.failed", None),
        (f"/backup{HERE}/model.bin", None),
        ("/data/versions/7.1", None),
        ("no path", None),
        ("", None),
        ("<version folder>", None),
        ("<version folder>/model.bin, <version folder as text as text", None),
        ("<version folder, in JSON>", None),
        (f"<version folder>{HERE}", f"<version folder>{THERE}"),
    ],
)
def test_a_text_comes_back_with_the_paths_of_the_new_place(text: str, moved: str | None) -> None:
    packed = MovablePaths("version", HERE).packed(text)
    assert MovablePaths("version", THERE).unpacked(packed) == (text if moved is None else moved)
    assert MovablePaths("version", HERE).unpacked(packed) == text
    assert (str(HERE) in packed) == (moved is None and str(HERE) in text)


@pytest.mark.parametrize("there", ["/plain/x/y/z", '/with "quotes" and \\ in/it', "/ü"])
@pytest.mark.parametrize("here", ["/data/x", '/old "q" \\ ü/x', "/ü ä"])
@pytest.mark.parametrize("only_ascii", [True, False])
def test_json_in_a_text_stays_json(here: str, there: str, only_ascii: bool) -> None:
    text = json.dumps({"path": f"{here}/m.bin", "all": [here, "x"]}, ensure_ascii=only_ascii)
    packed = MovablePaths("model", Path(here)).packed(text)
    assert here not in json.loads(packed)["path"]
    moved = MovablePaths("model", Path(there)).unpacked(packed)
    assert json.loads(moved) == {"path": f"{there}/m.bin", "all": [there, "x"]}


DATA = Path("/data")


@pytest.mark.parametrize(
    "text",
    [
        "/database/x",
        "/data2",
        "/data-2/x",
        "/data.bak",
        "/data~",
        "/data+x/y",
        "/data@2/x",
        "/data%20x/y",
        "/data#1/x",
        "/data=1/x",
        "/data copy/x",
        "/data (copy)/x",
        "/dat\u00e4/x",
        "/data\u00e9/x",
        "/datae\u0301/x",
        "/data\U0001f600/x",
        json.dumps({"path": "/data\u00e9/x"}),
        json.dumps({"path": "/data\u4e2d/x"}),
        json.dumps(json.dumps({"path": "/data\u4e2d/x"})),
        "/old/data/x",
        "//data/x",
        "../data/x",
        "\u4e2d/data/x",
        "\U0001f600/data/x",
        json.dumps("\u4e2d/data/x"),
        "a(1)/data/x",
        "a]/data/x",
        "$HOME/data/x",
        "${HOME}/data/x",
        "s3://data/x",
        "https://host/data/x",
    ],
)
def test_only_whole_parts_of_a_path_are_the_folder(text: str) -> None:
    assert MovablePaths("model", DATA).packed(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{}/x",
        "in {}, {}/y; {}: ({}) [{}] <{}> '{}' and {}.",
        "{}:{}/x|{}",
        "PATH={}/bin",
        "\u300c{}\u300d\u3001{}\u3002",
        "one\n{}\ttwo",
        "see {} (it is new)",
        "train --out {} --log logs/x",
        "train --out {} to --log logs/x",
        "file://{}/x",
    ],
)
def test_a_folder_among_other_words(text: str) -> None:
    here, there = text.replace("{}", "/data"), text.replace("{}", "/new")
    for write in (str, json.dumps, lambda one: json.dumps([one], ensure_ascii=False)):
        packed = MovablePaths("model", DATA).packed(write(here))
        assert "/data" not in packed
        assert MovablePaths("model", Path("/new")).unpacked(packed) == write(there)


ODD = "/d/\u00e9 \u4e2d \U0001f600/it's"


@pytest.mark.parametrize("there", ["/plain", "/n\u00fc \u6587/x"])
@pytest.mark.parametrize("only_ascii", [True, False])
@pytest.mark.parametrize("slashes", ["/", "\\/"])
def test_a_text_of_json_comes_back_written_as_it_was(there: str, only_ascii: bool, slashes: str) -> None:
    def text(folder: str) -> str:
        values = {"path": f"{folder}/m", "all": [folder, "\u4e2d"]}
        return json.dumps(values, ensure_ascii=only_ascii).replace("/", slashes)

    for written in (text, lambda folder: f"{text(folder)}\n{text(folder)}\n"):  # also lines of JSON
        packed = MovablePaths("model", Path(ODD)).packed(written(ODD))
        assert MovablePaths("model", Path(ODD)).unpacked(packed) == written(ODD)
        moved = MovablePaths("model", Path(there)).unpacked(packed)
        if there == "/plain" or written is text:
            assert moved == written(there)


def _upper(text: str) -> str:
    return re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), text)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: _upper(json.dumps([path])),
        lambda path: json.dumps([path], ensure_ascii=False).replace("\u4e2d", "\\u4E2d"),
        lambda path: json.dumps([path]).replace("'", "\\u0027").replace(" ", "\\u0020"),
    ],
)
def test_every_way_in_which_json_may_escape_a_path_is_found(write: Callable[[str], str]) -> None:
    packed = MovablePaths("model", Path(ODD)).packed(write(f"{ODD}/m"))
    assert json.loads(MovablePaths("model", Path("/n\u00fc")).unpacked(packed)) == ["/n\u00fc/m"]


def test_json_in_a_text_of_json() -> None:
    packed = MovablePaths("model", Path(ODD)).packed(json.dumps(json.dumps({"path": f"{ODD}/m"})))
    moved = MovablePaths("model", Path("/n\u00fc")).unpacked(packed)
    assert json.loads(json.loads(moved)) == {"path": "/n\u00fc/m"}


def test_a_value_with_a_path_that_is_set_again_is_not_a_change(tmp_path: Path) -> None:
    folder = tmp_path / "\u00e9" / "data"
    folder.mkdir(parents=True)
    text = json.dumps({"path": f"{folder}/m"}, ensure_ascii=False)
    state = StoredState(folder, P)
    state.set("config", text)
    again = StagedState(state)
    again.set("config", text)
    assert again.different() == {}


@pytest.mark.parametrize("only_ascii", [True, False])
def test_json_of_an_earlier_release_with_a_folder_beyond_ascii(tmp_path: Path, only_ascii: bool) -> None:
    state = StoredState(tmp_path, P)
    path = f"/gone \u4e2d/data/versions/{P}/20261123-141530-9f3a/m.bin"
    state._cache.update(P, {"json": json.dumps([path], ensure_ascii=only_ascii)})
    assert json.loads(str(state.get("json"))) == [f"{tmp_path}/versions/{P}/20261123-141530-9f3a/m.bin"]


def test_slashes_that_json_escapes(tmp_path: Path) -> None:
    text = json.dumps({"path": f"{HERE}/m"}).replace("/", "\\/")
    moved = MovablePaths("version", THERE).unpacked(MovablePaths("version", HERE).packed(text))
    assert json.loads(moved) == {"path": f"{THERE}/m"}


def test_the_other_spelling_of_a_folder_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    packed = MovablePaths("model", tmp_path / "link").packed(f"{tmp_path}/real/m")
    assert MovablePaths("model", Path("/new")).unpacked(packed) == "/new/m"


def _values(folder: Path) -> dict[str, Any]:
    """Return what a fit may return that names its folder, in each way that JSON has."""
    return {
        "path": str(folder / "weights"),
        "folder": str(folder),
        "deep": [{"er": [str(folder / "weights"), 1, None, True, 0.5]}, f"{folder}"],
        str(folder / "key"): "as a key",
        "json": json.dumps({"weights": str(folder / "weights")}),
        "elsewhere": "/opt/models/base.bin",
        "beside": str(folder.parents[2] / "base.bin"),
        "mark": "<version folder>/x",
        "job_id": "j",
    }


def _add(made: Made) -> Manifest:
    folder = made.store.folder(P, "id-a")
    pairs = {"where": str(folder / "weights"), "json": json.dumps([str(folder)]), "n": "1"}
    return made.add("a", train_output=_values(folder), state=pairs)


@pytest.fixture
def old(tmp_path: Path) -> Made:
    return Made(tmp_path / "old" / "data")


def test_what_fit_returned_is_right_after_a_move(old: Made, tmp_path: Path) -> None:
    made = _add(old)
    folder = old.store.folder(P, "id-a")
    assert made.train_output == _values(folder)
    assert VersionStore(old.folder).versions(P) == [made]
    text = (folder / "manifest.json").read_text()
    assert str(tmp_path) not in text, "nothing in the file is of this place"
    new = tmp_path / "another place" / "data"
    shutil.move(tmp_path / "old", new.parent)
    store = VersionStore(new)
    (found,) = store.versions(P)
    assert found.train_output == _values(store.folder(P, "id-a"))
    assert Path(found.train_output["path"]).read_text() == "weights of a"
    assert found.state == {
        "where": str(store.folder(P, "id-a") / "weights"),
        "json": json.dumps([str(store.folder(P, "id-a"))]),
        "n": "1",
    }


def test_a_manifest_of_an_earlier_release_is_right_after_a_move(old: Made, tmp_path: Path) -> None:
    made = _add(old)
    folder = old.store.folder(P, "id-a")
    as_before = msgspec.json.encode({**msgspec.to_builtins(made), "portable": False})
    (folder / "manifest.json").write_bytes(as_before)
    assert VersionStore(old.folder).versions(P)[0].train_output == _values(folder), "where it was"
    new = tmp_path / "new one" / "data"
    shutil.move(tmp_path / "old", new.parent)
    store = VersionStore(new)
    (found,) = store.versions(P)
    assert found.train_output == _values(store.folder(P, "id-a"))
    assert found.state["where"] == str(store.folder(P, "id-a") / "weights")
    (tmp_path / "old" / "data").parent.mkdir()
    assert VersionStore(new).versions(P) == [found], "whatever is at the old place"


def test_pairs_are_right_after_a_move(old: Made, tmp_path: Path) -> None:
    apply_own(old.folder, _add(old))
    state = StoredState(old.folder, P)
    folder = old.store.folder(P, "id-a")
    own = {"cache": f"{old.folder}/cache/x", "mark": "<model folder>", "text": "the data"}
    state.update(own)
    state.set("set", str(folder))
    assert {**state.items(), "json": ""} == {
        **own,
        "where": str(folder / "weights"),
        "n": "1",
        "set": str(folder),
        "json": "",
    }
    new = tmp_path / "new" / "data"
    shutil.move(tmp_path / "old", new.parent)
    state = StoredState(new, P).of(P)
    folder = VersionStore(new).folder(P, "id-a")
    assert state.get("where") == str(folder / "weights")
    assert json.loads(str(state.get("json"))) == [str(folder)]
    assert state.items()["set"] == str(folder)
    assert state.get("cache") == f"{new}/cache/x"
    assert (state.get("mark"), state.get("text")) == ("<model folder>", "the data")


@pytest.mark.parametrize("between", ["", "stores/s3%3A%2F%2Fb-1234/"])
def test_pairs_of_an_earlier_release_are_right_after_a_move(tmp_path: Path, between: str) -> None:
    state = StoredState(tmp_path, P)
    path = f"{between}versions/{P}/20261123-141530-9f3a/m.bin"
    values = {"path": f"/gone away/data/{path}", "json": json.dumps([f"/gone away/data/{path}"])}
    state._cache.update(P, {**values, "other": "/gone/versions/8.1/id/m.bin"})
    assert state.get("path") == f"{tmp_path}/{path}"
    assert state.items() == {
        "path": f"{tmp_path}/{path}",
        "json": json.dumps([f"{tmp_path}/{path}"]),
        "other": "/gone/versions/8.1/id/m.bin",
    }


def test_a_path_of_a_parent_that_fit_handed_on(old: Made, tmp_path: Path) -> None:
    old.add("a")
    base = old.store.folder(P, "id-a") / "weights"
    made = old.add("b", train_output={"base": str(base)})
    before = manifest_text(made, old.store.folder(P, "id-b"))
    shutil.move(tmp_path / "old", tmp_path / "new")
    store = VersionStore(tmp_path / "new" / "data")
    assert store.versions(P)[1].train_output == {"base": str(store.folder(P, "id-a") / "weights")}
    assert str(tmp_path) not in before

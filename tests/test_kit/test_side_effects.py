"""What is recorded of user code: what it opens, connects to, changes and reads, with its line."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.test_kit.child.effects.side_effects import SideEffects, _Stdin, written_in
from label_studio_ml.test_kit.code_places import NOWHERE, UserCode

#: An event of the audit hook, its arguments, the list that it is recorded in, and what is recorded.
RECORDED = [
    ("socket.connect", (None, ("example.com", 443)), "network", "example.com:443"),
    ("builtins.input", ("Go? ",), "stdin", "input('Go? ')"),
    ("os.chdir", ("/tmp",), "folders", "/tmp"),
    ("os.putenv", (b"CUDA_VISIBLE_DEVICES", b""), "variables", "CUDA_VISIBLE_DEVICES"),
    ("os.unsetenv", (b"HOME",), "variables", "HOME"),
]


@pytest.fixture
def effects() -> SideEffects:
    """What is recorded if this file is the user's code."""
    return SideEffects(UserCode(Path(__file__).parent, Path(__file__), ""))


def happens(effects: SideEffects, event: str, *arguments: Any) -> None:
    """Call the hook as Python calls it for an event, without adding it to this process for good."""
    effects._hook(event, arguments)


@pytest.mark.parametrize(("event", "arguments", "kind", "name"), RECORDED)
def test_an_event_is_recorded_with_its_line(
    effects: SideEffects, event: str, arguments: tuple[Any, ...], kind: str, name: str
) -> None:
    with effects.watching():
        happens(effects, event, *arguments)
    ((recorded, place),) = getattr(effects, kind)
    assert (recorded, place[0]) == (name, Path(__file__).name)


def test_nothing_is_recorded_outside_of_the_calls_of_user_code(effects: SideEffects) -> None:
    with effects.watching(), effects.watching():
        pass
    for event, arguments, _, _ in RECORDED:
        happens(effects, event, *arguments)
    assert not effects.network + effects.stdin + effects.folders + effects.variables


def test_files_opened_are_told_apart_by_reading_and_writing(effects: SideEffects, tmp_path: Path) -> None:
    with effects.watching():
        happens(effects, "open", str(tmp_path / "read"), "r", os.O_RDONLY)
        happens(effects, "open", os.fsencode(tmp_path / "written"), None, os.O_WRONLY | os.O_CREAT)
        happens(effects, "open", 7, "r", os.O_RDONLY)  # a descriptor
    assert effects.read == {str(tmp_path / "read")}
    assert [path for path, _ in effects.written] == [str(tmp_path / "written")]


def test_files_that_libraries_write_are_not_those_of_user_code(tmp_path: Path) -> None:
    effects = SideEffects(UserCode(tmp_path, tmp_path / "model.py", ""))
    with effects.watching():
        happens(effects, "open", str(tmp_path / "written"), "w", os.O_WRONLY)
        happens(effects, "os.putenv", b"NAME", b"value")
    assert not effects.written
    assert not effects.variables


@pytest.mark.parametrize(
    ("event", "arguments", "error"),
    [
        ("socket.connect", (None, ("example.com", 443)), ConnectionRefusedError),
        ("socket.getaddrinfo", ("example.com", 443), OSError),
    ],
)
def test_an_import_has_no_network(
    effects: SideEffects, event: str, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    effects.is_offline = True
    with effects.watching(), pytest.raises(error, match="without a network"):
        happens(effects, event, *arguments)
    assert effects.network


def test_sockets_of_this_machine_are_no_network(effects: SideEffects) -> None:
    effects.is_offline = True
    with effects.watching():
        happens(effects, "socket.connect", None, "/run/socket")
    assert not effects.network


@pytest.mark.parametrize("read", [_Stdin.read, _Stdin.readline, lambda stdin: next(stdin, "")])
def test_standard_input_is_at_its_end(effects: SideEffects, read: Callable[[Any], str]) -> None:
    assert read(_Stdin(effects)) == ""
    assert effects.stdin[0][0] == "standard input"


def test_weights_are_files_that_exist_in_the_folders_and_are_named_once(
    effects: SideEffects, tmp_path: Path
) -> None:
    kept = [tmp_path / "weights.bin", tmp_path / "sub" / "more.bin"]
    left_out = [
        *(tmp_path / name for name in ("run.log", ".hidden", "__pycache__/a.pyc", "own/x")),
        tmp_path.parent / "elsewhere.bin",
    ]
    for path in [*kept, *left_out]:
        path.parent.mkdir(exist_ok=True)
        path.touch()
        effects.written += [(str(path), ("model.py", 3)), (str(path), NOWHERE)]
    effects.written.append((str(tmp_path / "removed.bin"), ("model.py", 4)))
    assert written_in(effects, [tmp_path], [tmp_path / "own"]) == [
        (str(path), ("model.py", 3)) for path in kept
    ]

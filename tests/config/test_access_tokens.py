"""The file with tokens: what counts in it, and that changes of it count at once."""

import hashlib
import logging
import os
import stat
from pathlib import Path

import pytest

from label_studio_ml.cli.main import main
from label_studio_ml.config import access_tokens
from label_studio_ml.config.access_tokens import AccessTokens, add, names, parse, revoke
from label_studio_ml.errors import SettingsError

LONG = "0123456789abcdef"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.txt"


def test_a_token_that_is_added_is_accepted_and_the_file_has_only_its_hash(file: Path) -> None:
    token = add(file, "ci")
    assert token.startswith("lsml_")
    assert len(token) > 40
    assert token not in file.read_text()
    assert file.read_text() == f"ci: sha256:{hashlib.sha256(token.encode()).hexdigest()}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    tokens = AccessTokens(file)
    assert tokens.name_of(token) == "ci"
    assert tokens.name_of(token + "x") is None
    assert tokens.name_of("") is None
    assert tokens.name_of(hashlib.sha256(token.encode()).hexdigest()) is None


def test_the_file_is_read_again_when_it_changes(file: Path) -> None:
    first = add(file, "first")
    tokens = AccessTokens(file)
    second = add(file, "second")
    assert tokens.name_of(second) == "second"
    revoke(file, "first")
    assert tokens.name_of(first) is None
    assert tokens.name_of(second) == "second"
    assert names(file) == ["second"]


@pytest.mark.parametrize("how", ["gone", "a folder", "empty", "a pipe", "a device", "huge"])
def test_without_a_readable_file_no_token_is_accepted(
    file: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    token = add(file, "ci")
    tokens = AccessTokens(file)
    assert tokens.name_of(token) == "ci"
    saved = file.read_text()
    file.unlink()
    if how == "a folder":
        file.mkdir()
    elif how == "empty":
        file.touch()
    elif how == "a pipe":
        os.mkfifo(file)
    elif how == "a device":
        file.symlink_to("/dev/zero")
    elif how == "huge":
        file.write_text(saved + "#" * (2 << 20))
    assert tokens.name_of(token) is None
    if how != "empty":
        assert "cannot be read" in caplog.text
    if file.is_dir():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)
    file.write_text(saved)
    assert tokens.name_of(token) == "ci"


def test_an_error_that_says_nothing_of_the_file_takes_no_token_away(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = add(file, "ci")
    tokens = AccessTokens(file)
    file.write_text(file.read_text() + "# changed\n")

    def fails(path: Path) -> str:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(access_tokens, "read_text", fails)
        assert tokens.name_of(token) == "ci"


def test_lines_that_are_wrong_are_left_out_and_said(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "\n".join(
        [
            "# a comment",
            "",
            f"plain: {LONG}",
            "short: 0123456789abcde",
            f"plain: {LONG}x",
            f"two words: {LONG}",
            f"blank: {LONG} {LONG}",
            "nothing",
            f"umlaut: ä{LONG}",
            "upper: sha256:" + "A" * 64,
            "cut: sha256:" + "a" * 40,
            "cut too: SHA256:" + "a" * 40,
        ]
    )
    found = parse(text, file)
    assert found["plain"] == hashlib.sha256(LONG.encode()).hexdigest()
    assert set(found) == {"plain", "upper"}
    assert found["upper"] == "a" * 64
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith(f"TOKENS_FILE={file}: 8 lines are left out. Correct or remove line")
    for lines, cause in (
        ("lines 4, 7, 8, 9", "the token is not of at least 16 characters"),
        ("line 5", "an earlier line has the same name"),
        ("lines 6, 12", "the name is not of 1 to 64 letters"),
        ("line 11", "what follows sha256: is not a hash"),
    ):
        assert f"{lines}: {cause}" in said
    assert LONG not in said


def test_a_change_of_a_file_of_wrong_lines_is_one_line_in_the_log(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text("short: a\n" * 10_000)
    tokens = AccessTokens(file)
    for wrong in (1, 25):
        file.write_text(f"plain: {LONG}\n" + "short: a\n" * wrong)
        caplog.clear()
        assert tokens.name_of(LONG) == "plain"
        (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert len(said) < 400
    assert "25 lines are left out. Correct or remove lines 2, 3, 4" in said
    assert "21 and 5 more: the token" in said


def test_a_file_with_tokens_in_the_clear_becomes_private(file: Path) -> None:
    file.write_text(f"plain: {LONG}\n")
    file.chmod(0o644)
    assert AccessTokens(file).name_of(LONG) == "plain"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_names_are_checked_and_not_taken_twice(file: Path) -> None:
    add(file, "ci")
    with pytest.raises(SettingsError, match="a token named ci already"):
        add(file, "ci")
    for name in ("", "a b", "a\nb", "x" * 65, "ci:x"):
        with pytest.raises(SettingsError, match="is no name for a token"):
            add(file, name)
    with pytest.raises(SettingsError, match="no token named other; there are: ci"):
        revoke(file, "other")
    assert names(file) == ["ci"]


def test_what_people_wrote_into_the_file_stays(file: Path) -> None:
    file.write_text(f"# of the team\nplain: {LONG}\n")
    add(file, "ci")
    revoke(file, "ci")
    assert file.read_text() == f"# of the team\nplain: {LONG}\n"


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_changes_keep_the_mode_and_a_link_to_the_file(tmp_path: Path, mode: int) -> None:
    (tmp_path / "shared").mkdir()
    real, link = tmp_path / "shared" / "tokens", tmp_path / "link"
    real.write_text(f"one: sha256:{hashlib.sha256(LONG.encode()).hexdigest()}\n")
    real.chmod(mode)
    link.symlink_to(real)
    token = add(link, "ci")
    revoke(link, "one")
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == mode
    assert names(real) == ["ci"]
    assert AccessTokens(link).name_of(token) == "ci"


@needs_root
def test_changes_keep_the_owner_and_the_group(file: Path) -> None:
    add(file, "one")
    os.chown(file, 1234, 2345)
    file.chmod(0o640)
    for _ in range(2):
        token = add(file, "ci")
        status = file.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 2345, 0o640)
        assert AccessTokens(file).name_of(token) == "ci"
        revoke(file, "ci")
    lock = file.with_name(".tokens.txt.lock").stat()
    assert (lock.st_uid, stat.S_IMODE(lock.st_mode)) == (1234, 0o600), "the owner can change it as well"


@needs_root
def test_a_new_file_belongs_to_the_owner_of_its_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 2345)
    add(tmp_path / "tokens", "ci")
    status = (tmp_path / "tokens").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 2345, 0o600)


@needs_root
def test_a_file_whose_owner_cannot_be_kept_is_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(file, "one")
    os.chown(file, 1234, 2345)
    before = file.read_text()

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fchown", refused)
        with pytest.raises(SettingsError, match=r"belongs to 1234:2345, and root cannot .*Run this as 1234"):
            add(file, "two")
    assert file.read_text() == before
    assert sorted(path.name for path in file.parent.iterdir()) == [".tokens.txt.lock", "tokens.txt"]


def test_the_log_says_why_the_file_cannot_be_read_and_what_to_do(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert AccessTokens(file).name_of("x") is None
    assert "label-studio-ml tokens add NAME" in caplog.text
    add(file, "ci")

    def refused(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(access_tokens, "read_text", refused)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    AccessTokens(file)
    assert f"It belongs to {access_tokens.access(file)}, and this server runs as 54321" in caplog.text
    assert f"chown 54321 {file}" in caplog.text


def test_who_can_read_a_new_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tokens.txt"
    assert main(["tokens", "add", "one", "--file", str(file)]) == 0
    out, err = capsys.readouterr()
    assert AccessTokens(file).name_of(out.strip()) == "one"
    assert access_tokens.access(file).endswith(", 0600")
    assert f"is new ({access_tokens.access(file)}): only its owner can read it" in err
    assert f"chown USER {file}" in err
    assert main(["tokens", "add", "two", "--file", str(file)]) == 0
    assert capsys.readouterr().err == ""


def test_the_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOKENS_FILE", raising=False)
    assert main(["tokens", "list"]) == 1
    assert "TOKENS_FILE" in capsys.readouterr().err
    monkeypatch.setenv("TOKENS_FILE", "tokens.txt")
    assert main(["tokens", "add", "ci"]) == 0
    token = capsys.readouterr().out.strip()
    assert AccessTokens(tmp_path / "tokens.txt").name_of(token) == "ci"
    assert main(["tokens", "add"]) == 1
    assert main(["tokens", "list", "--file", str(tmp_path / "tokens.txt")]) == 0
    assert capsys.readouterr().out == "ci\n"
    assert main(["tokens", "revoke", "ci"]) == 0
    assert AccessTokens(tmp_path / "tokens.txt").name_of(token) is None
    assert main(["tokens", "revoke", "ci"]) == 1
    assert "no token named ci; there are: none" in capsys.readouterr().err


def test_the_tokens_in_a_log_are_named_and_not_shown(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = add(file, "ci")
    os.utime(file)
    AccessTokens(file)
    assert "1 valid token: ci" in caplog.text
    assert "ci" in caplog.text
    assert token not in caplog.text

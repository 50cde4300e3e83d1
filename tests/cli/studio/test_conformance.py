"""The command `conformance`: its arguments, what it prints, its exit statuses."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.fake_backend import BOXES, FakeBackend, html
from label_studio_ml.cli.main import main
from label_studio_ml.conformance.conform import CHECKS
from studio.fake import Reply


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    with FakeBackend() as fake:
        yield fake


def test_a_right_backend(backend: FakeBackend, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["conformance", backend.url, "--only", "setup", "--only", "all-tasks", "--only", "training"])
        == 0
    )
    out, err = capsys.readouterr()
    assert "Label Studio shows version '7'" in out
    assert "Label Studio stores 8 predictions of 8 tasks" in out
    assert "add --train to send it" in out
    assert out.endswith("2 ok, 1 skip\n")
    assert err == ""


def test_a_finding_says_what_label_studio_does_and_what_to_change(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    backend.answers["/setup"] = lambda fake, asked: Reply.of({"model_version": 3})
    assert main(["conformance", backend.url, "--only", "setup"]) == 1
    out = capsys.readouterr().out
    assert "fail  setup  POST /setup: `model_version` 3, a number" in out
    assert "expected: an object with `model_version`, a text" in out
    assert "⇒ Label Studio answers 500 to whoever asks for the next task" in out
    assert '→ Answer {"model_version"' in out
    assert "1 fail\n1 finding: " in out


def test_the_same_finding_of_two_checks_is_explained_once(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    backend.answers["/webhook"] = lambda fake, asked: Reply.of({}, 500)
    only = ["--only", "events", "--only", "annotation-events"]
    assert main(["conformance", backend.url, "--train", *only]) == 1
    out = capsys.readouterr().out
    assert out.count("⇒") == 1 + 1  # the last line explains the sign
    assert "see events" in out


def test_warnings_do_not_count(backend: FakeBackend, capsys: pytest.CaptureFixture[str]) -> None:
    backend.answers["/versions"] = lambda fake, asked: html(404)
    assert main(["conformance", backend.url, "--only", "versions", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["name"], entry["status"], entry["summary"]) == ("versions", "warn", "")
    (finding,) = entry["findings"]
    assert set(finding) == {"severity", "call", "received", "expected", "effect", "fix"}


def test_own_label_config_and_tasks_are_sent(
    backend: FakeBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, tasks = tmp_path / "config.xml", tmp_path / "tasks.json"
    config.write_text(BOXES)
    tasks.write_text(
        json.dumps([{"id": 5, "data": {"image": "http://host/1.png"}}, {"image": "http://host/2.png"}])
    )
    options = ["--label-config", str(config), "--tasks", str(tasks), "--only", "all-tasks", "--json"]
    assert main(["conformance", backend.url, *options]) == 0
    body = json.loads(backend.asked[-1].body)
    assert body["label_config"] == BOXES
    assert [task["data"]["image"] for task in body["tasks"]] == ["http://host/1.png", "http://host/2.png"]
    assert "2 predictions of 2 tasks" in capsys.readouterr().out


def test_login_by_options_and_by_the_environment(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    backend.login = ("me", "secret")
    login = ["--basic-auth-user", "me", "--basic-auth-pass", "secret"]
    assert main(["conformance", backend.url, "--only", "login", *login]) == 0
    assert main(["conformance", backend.url, "--only", "login"]) == 1
    assert "asks for a login. Give --basic-auth-user" in capsys.readouterr().err
    monkeypatch.setenv("BASIC_AUTH_USER", "me")
    monkeypatch.setenv("BASIC_AUTH_PASS", "secret")
    assert main(["conformance", backend.url, "--only", "login"]) == 0
    assert "calls without the right login are answered 401" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["localhost:9090"], 1, "URL 'localhost:9090' is not an http(s) address"),
        (["http://localhost:1", "--basic-auth-user", "me"], 1, "--basic-auth-pass is not given"),
        (["http://localhost:1", "--basic-auth-pass", "x"], 1, "--basic-auth-user is not given"),
        (["http://localhost:1", "--label-config", "nowhere.xml"], 1, "nowhere.xml cannot be read"),
        (["http://localhost:1", "--tasks", "tasks.json"], 1, "--tasks needs the label config"),
        (["http://localhost:1", "--only", "health", "--only", "nothing"], 2, "invalid choice: 'nothing'"),
        (["http://localhost:1", "--predict-timeout", "0"], 2, "not a number of seconds above 0"),
        (["http://localhost:1"], 1, "nothing listens at this address. Start the backend, or correct the URL"),
    ],
)
def test_wrong_arguments_get_one_line(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", *arguments]) == code
    out, err = capsys.readouterr()
    assert message in err
    assert out == ""
    assert code == 2 or err.count("\n") == 2


@pytest.mark.parametrize(
    ("text", "message"), [("<View>", "not well-formed"), ("<View/>", "has no control tags")]
)
def test_a_label_config_that_cannot_be_used(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.xml"
    config.write_text(text)
    assert main(["conformance", "http://localhost:1", "--label-config", str(config)]) == 1
    assert message in capsys.readouterr().err


def test_the_help_names_all_that_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(name in text for name in CHECKS)
    assert "Events that start trainings are only sent with --train" in text

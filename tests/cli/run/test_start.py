"""What `start` hands to the supervisor, for every kind of folder and flag."""

import argparse
import errno
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from label_studio_ml import server
from label_studio_ml.cli import container
from label_studio_ml.cli.main import main
from label_studio_ml.cli.options import constructor_arguments, parse_value
from label_studio_ml.config.settings import Settings

MODEL = """\
from label_studio_ml.model import LabelStudioMLBase

class Mine(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        {body}

    def predict(self, tasks, **kwargs):
        return []
"""


@dataclass
class Served:
    """What the supervisor was asked to serve."""

    settings: Settings
    host: str
    port: int
    debug: bool
    reload: bool
    notice: str


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Served]:
    """The calls of a supervisor that serves nothing; the environment has no settings of its own."""
    calls: list[Served] = []

    def serve(
        settings: Settings,
        *,
        host: str,
        port: int,
        debug: bool = False,
        reload: bool = False,
        notice: str = "",
    ) -> int:
        calls.append(Served(settings, host, port, debug, reload, notice))
        return 0

    supervisor = ModuleType("label_studio_ml.runtime.supervisor")
    supervisor.__dict__["serve"] = serve
    monkeypatch.setitem(sys.modules, "label_studio_ml.runtime.supervisor", supervisor)
    for name in Settings(backend_dir=Path()).to_env():
        monkeypatch.delenv(name, raising=False)
    for part in ("USER", "PASS"):
        monkeypatch.delenv(f"BASIC_AUTH_{part}", raising=False)
        monkeypatch.delenv(f"ML_SERVER_BASIC_AUTH_{part}", raising=False)
    return calls


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bare backend folder, with a space in its name, below the current one."""
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "my backend"
    made.mkdir()
    (made / "model.py").write_text(MODEL.format(body="pass"))
    return made


def test_a_bare_folder_is_served_on_loopback(
    folder: Path,
    served: list[Served],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(container, "in_container", lambda: False)
    assert main(["start", "my backend"]) == 0
    [call] = served
    assert (call.host, call.port, call.debug, call.reload) == ("127.0.0.1", 9090, False, False)
    assert call.settings.backend_dir == folder
    assert (call.settings.script, call.settings.class_name) == (folder / "model.py", "Mine")
    assert call.settings.model_dir == folder / "data"
    assert call.settings.init_kwargs == {}
    assert capsys.readouterr().err == ""


def test_every_flag_reaches_the_settings(folder: Path, served: list[Served]) -> None:
    words = ["-p", "8123", "-d", "--log-level", "debug", "--model-dir", "models"]
    login = ["--basic-auth-user", "u", "--basic-auth-pass", "p"]
    arguments = ["--with", "a=1", "b=x", "--kwargs", "c=[1]"]
    assert main(["start", "my backend", *words, *login, *arguments]) == 0
    [call] = served
    assert (call.port, call.debug) == (8123, True)
    assert call.settings.log_level == "DEBUG"
    assert call.settings.model_dir == folder / "models"
    assert (call.settings.basic_auth_user, call.settings.basic_auth_pass) == ("u", "p")
    assert call.settings.init_kwargs == {"a": 1, "b": "x", "c": [1]}
    assert Settings.from_env(call.settings.to_env()) == call.settings


@pytest.mark.parametrize("place", ["/proc/self/models", "taken/models"])
def test_what_it_must_keep_has_to_have_a_place(
    folder: Path, served: list[Served], place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else it would come up, and answer every call with an error."""
    (folder / "taken").write_text("a file")
    assert main(["start", "my backend", "--model-dir", place]) == 1
    assert served == []
    said = capsys.readouterr().err
    assert f"{folder / place} cannot be written to: " in said
    assert "name another folder in MODEL_DIR" in said


@pytest.mark.parametrize("name", ["versions", "spool"])
def test_nothing_is_served_where_a_folder_of_the_model_folder_cannot_be_used(
    folder: Path, served: list[Served], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data").mkdir()
    (folder / "data" / name).write_text("in the way")
    assert main(["start", "my backend"]) == 1
    assert served == []
    said = capsys.readouterr().err
    assert f"{folder / 'data' / name} is a file, not a folder" in said
    assert "MODEL_DIR" in said
    assert "Traceback" not in said


def test_a_folder_that_keeps_open_files_will_do(
    folder: Path, served: list[Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders that a virtual machine shares with its host are like that."""
    unlink = os.unlink

    def unlink_closed(path: str) -> None:
        names = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
        if any(os.path.exists(name) and os.path.samefile(name, path) for name in names):
            raise OSError(errno.ETXTBSY, os.strerror(errno.ETXTBSY), path)
        unlink(path)

    monkeypatch.setattr("os.unlink", unlink_closed)
    monkeypatch.setattr("tempfile._O_TMPFILE_WORKS", False)
    assert main(["start", "my backend"]) == 0
    assert len(served) == 1


def test_reload_is_handed_on_but_not_with_debug(
    folder: Path, served: list[Served], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["start", "my backend", "--reload"]) == 0
    assert served[0].reload
    assert main(["start", "my backend", "--reload", "--debug"]) == 1
    assert "--reload and --debug do not go together" in capsys.readouterr().err
    assert len(served) == 1


def test_the_command_line_wins_over_config_json(folder: Path, served: list[Served]) -> None:
    (folder / "config.json").write_text('{"a": 1, "b": {"deep": true}}')
    assert main(["start", "my backend", "--with", "a=2"]) == 0
    assert served[0].settings.init_kwargs == {"a": 2, "b": {"deep": True}}


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_config_json_that_is_no_object_is_refused(
    folder: Path, served: list[Served], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "config.json").write_text(text)
    assert main(["start", "my backend"]) == 1
    assert "config.json" in capsys.readouterr().err
    assert served == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("3", 3),
        ("-0.5", -0.5),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("007", "007"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("NaN", "NaN"),
        ("1e999", "1e999"),
        ("null", None),
        ('{"a": [1, 2]}', {"a": [1, 2]}),
        ('"3"', "3"),
        ("bert-base", "bert-base"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_values_are_what_they_spell(text: str, value: Any) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_a_value_may_hold_equals_signs(folder: Path, served: list[Served]) -> None:
    assert main(["start", "my backend", "--with", "query=a=b"]) == 0
    assert served[0].settings.init_kwargs == {"query": "a=b"}


def test_root_dir_says_where_the_folder_is(
    folder: Path, served: list[Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["start", folder.name, "--root-dir", str(tmp_path)]) == 0
    assert served[0].settings.backend_dir == folder


def test_a_folder_of_an_older_release_is_served(folder: Path, served: list[Served]) -> None:
    (folder / "model.py").rename(folder / "dino.py")
    (folder / "_wsgi.py").write_text(
        "from label_studio_ml.api import init_app\nfrom dino import Mine as NewModel\n"
        "app = init_app(model_class=NewModel)\n"
    )
    assert main(["start", "my backend"]) == 0
    assert (served[0].settings.script, served[0].settings.class_name) == (folder / "dino.py", "Mine")


def test_script_chooses_among_several(
    folder: Path, served: list[Served], capsys: pytest.CaptureFixture[str]
) -> None:
    two = MODEL.format(body="pass") + "\nclass Other(LabelStudioMLBase): ...\n"
    (folder / "model.py").write_text(two)
    assert main(["start", "my backend"]) == 1
    assert "--script model.py:Mine" in capsys.readouterr().err
    assert main(["start", "my backend", "--script", "model.py:Other"]) == 0
    assert served[0].settings.class_name == "Other"


def test_the_environment_may_name_the_model(
    folder: Path, served: list[Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "other.py").write_text(MODEL.format(body="pass"))
    monkeypatch.setenv("LABEL_STUDIO_ML_SCRIPT", "other.py")
    assert main(["start", "my backend"]) == 0
    assert served[0].settings.script == folder / "other.py"


def test_the_login_may_come_from_the_environment(
    folder: Path, served: list[Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_SERVER_BASIC_AUTH_USER", "env-user")
    monkeypatch.setenv("ML_SERVER_BASIC_AUTH_PASS", "env-pass")
    assert main(["start", "my backend", "--basic-auth-pass", "typed"]) == 0
    settings = served[0].settings
    assert (settings.basic_auth_user, settings.basic_auth_pass) == ("env-user", "typed")


def test_half_a_login_is_refused(
    folder: Path, served: list[Served], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["start", "my backend", "--basic-auth-user", "u"]) == 1
    assert "--basic-auth-pass is not given" in capsys.readouterr().err
    assert served == []


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "my-machine"])
def test_listening_beyond_this_machine_is_said(
    folder: Path, served: list[Served], host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["start", "my backend", "--host", host]) == 0
    assert served[0].host == host
    said = served[0].notice
    assert capsys.readouterr().err == "", "not before the server listens"
    assert host in said
    assert "anyone who can reach port 9090" in said
    assert "BASIC_AUTH_USER" in said


def test_in_a_container_others_can_reach_it(
    folder: Path,
    served: list[Served],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the compose files of older backends start it: `label-studio-ml start ./be --port 9090`."""
    monkeypatch.setattr(container, "in_container", lambda: True)
    assert main(["start", "my backend", "--port", "9090"]) == 0
    assert served[0].host == "0.0.0.0"
    assert "anyone who can reach port 9090" in served[0].notice
    assert main(["start", "my backend", "--host", "127.0.0.1"]) == 0
    assert served[1].host == "127.0.0.1", "what is named counts"


@pytest.mark.parametrize(
    ("mark", "text", "found"),
    [
        (".dockerenv", "", True),
        ("run/.containerenv", "", True),
        ("var/run/secrets/kubernetes.io/serviceaccount/token", "", True),
        ("proc/1/cgroup", "12:memory:/docker/0123456789ab\n", True),
        ("proc/1/cgroup", "0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-01.scope\n", True),
        ("proc/1/cgroup", "0::/init.scope\n", False),
        ("etc/hostname", "laptop\n", False),
    ],
)
def test_containers_are_told_by_their_files(tmp_path: Path, mark: str, text: str, found: bool) -> None:
    (tmp_path / mark).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / mark).write_text(text)
    assert container.in_container(tmp_path) is found


def test_with_a_login_the_warning_does_not_ask_for_one(folder: Path, served: list[Served]) -> None:
    login = ["--basic-auth-user", "u", "--basic-auth-pass", "p"]
    assert main(["start", "my backend", "--host", "0.0.0.0", *login]) == 0
    assert "has the login" in served[0].notice


class TestCheck:
    def test_a_model_that_can_be_built_is_ok(
        self, folder: Path, served: list[Served], capfd: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "model.py").write_text(MODEL.format(body="assert kwargs['size'] == 3"))
        assert main(["start", "my backend", "--check", "--with", "size=3"]) == 0
        assert capfd.readouterr().out.startswith("OK: Mine of ")
        assert served == []

    def test_a_class_that_is_made_by_a_call(
        self, folder: Path, served: list[Served], capfd: pytest.CaptureFixture[str]
    ) -> None:
        made = "made = type('Made', (Mine,), {})\nwrapped: type = (lambda cls: type('W', (cls,), {}))(Mine)\n"
        (folder / "model.py").write_text(f"{MODEL.format(body='pass')}\n{made}del Mine\n")
        for name in ("made", "wrapped"):
            assert main(["start", "my backend", "--check", "--script", f"model.py:{name}"]) == 0
            assert capfd.readouterr().out.startswith(f"OK: {name} of ")
        assert main(["start", "my backend", "--check", "--script", "model.py:absent"]) == 1
        assert "has no class absent" in capfd.readouterr().err

    def test_a_model_that_wants_a_label_config_gets_a_sample(
        self, folder: Path, served: list[Served], capfd: pytest.CaptureFixture[str]
    ) -> None:
        body = "self.labels = list(self.parsed_label_config.values())[0]['labels']"
        (folder / "model.py").write_text(MODEL.format(body=body))
        assert main(["start", "my backend", "--check"]) == 0
        assert "can be built for <Choices> on <Text>" in capfd.readouterr().out

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("raise ValueError('no weights')", "ValueError: no weights"),
            ("import no_such_module", "no_such_module"),
        ],
    )
    def test_what_fails_is_said_in_a_line(
        self,
        folder: Path,
        served: list[Served],
        body: str,
        said: str,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        (folder / "model.py").write_text(MODEL.format(body=body))
        assert main(["start", "my backend", "--check"]) == 1
        err = capfd.readouterr().err
        assert said in err
        assert "Traceback" not in err

    def test_a_gate_that_cannot_be_read(
        self,
        folder: Path,
        served: list[Served],
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        (folder / "model.py").write_text(
            MODEL.format(body="pass") + "\n\nMine.promote_if = 'accuracy is good'\n"
        )
        assert main(["start", "my backend", "--check"]) == 1
        assert (
            "Mine.promote_if is 'accuracy is good': 'accuracy is good' is no comparison"
            in capfd.readouterr().err
        )
        monkeypatch.setenv("PROMOTE_IF", "good")
        for words in ([], ["--check"]):
            assert main(["start", "my backend", *words]) == 1
            assert "PROMOTE_IF='good' cannot be read" in capfd.readouterr().err
        assert served == []

    @pytest.mark.parametrize(
        ("end", "said"),
        [("os.kill(os.getpid(), 9)", "was killed by SIGKILL"), ("os._exit(7)", "ended with status 7")],
    )
    def test_a_model_that_ends_the_process(
        self, folder: Path, served: list[Served], end: str, said: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "model.py").write_text(MODEL.format(body=f"import os; {end}"))
        assert main(["start", "my backend", "--check"]) == 1
        assert said in capfd.readouterr().err


def test_the_old_function_starts_the_server(folder: Path, served: list[Served]) -> None:
    args = argparse.Namespace(project_name="my backend", root_dir=".")
    assert server.start_server(args, ["-p", "8001"]) == 0
    assert (served[0].port, served[0].settings.backend_dir) == (8001, folder)


def test_no_config_json_means_no_arguments(tmp_path: Path) -> None:
    assert constructor_arguments(tmp_path) == {}

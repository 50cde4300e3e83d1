"""What `init` makes, what it takes from the user's folder, and what it leaves alone."""

import argparse
import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers import PLUGIN
from label_studio_ml import __version__, samples, server
from label_studio_ml.cli.create import scaffold
from label_studio_ml.cli.create.scaffold import slug
from label_studio_ml.cli.main import main
from label_studio_ml.cli.shared.sample import looked_up_tags, sample_label_config
from label_studio_ml.config.settings import Settings
from label_studio_ml.user_code.model_source import ModelSource, locate

MODEL = """\
from label_studio_ml.model import LabelStudioMLBase

class Mine(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        return []
"""

FILES = {
    ".dockerignore",
    ".env",
    ".gitignore",
    "Dockerfile",
    "README.md",
    "_wsgi.py",
    "docker-compose.yml",
    "logs",
    "requirements-base.txt",
    "requirements-test.txt",
    "requirements.txt",
    "server.lock.txt",
    "test_api.py",
    "wheels",
}


LOOKUP = 'controls.first("RectangleLabels", on="Image")'
BOXES = """
from label_studio_ml.model import LabelStudioMLBase

class Boxes(LabelStudioMLBase):
    def setup(self):
        self.box = self.controls["box"]

    def predict(self, tasks, **kwargs):
        return [{"result": [], "model_version": task["data"]["image"]} for task in tasks]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a space in its name."""
    folder = tmp_path / "my work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def script(here: Path, tmp_path: Path) -> Path:
    """A model file in a folder of its own."""
    folder = tmp_path / "my models"
    folder.mkdir()
    path = folder / "detector.py"
    path.write_text(MODEL)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", ["init", "create"])
def test_a_new_backend_has_everything(here: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "my_backend"]) == 0
    made = here / "my_backend"
    assert names(made) == {*FILES, "model.py"}
    assert names(here) == {"my_backend"}
    assert locate(made) == ModelSource(made / "model.py", "NewModel")
    assert "label-studio-ml start my_backend" in capsys.readouterr().out


def test_the_command_to_start_can_be_pasted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "all of them").mkdir()
    assert main(["init", "my backend", "--root-dir", "all of them"]) == 0
    assert "Start it with: label-studio-ml start 'all of them/my backend'\n" in capsys.readouterr().out


def test_no_placeholder_is_left_and_python_is_python(here: Path) -> None:
    assert main(["init", "my_backend"]) == 0
    for path, text in contents(here / "my_backend").items():
        if path.suffix == ".whl":
            continue
        assert f"@{'class'}@" not in text.decode(), path
        assert not any(
            f"@{name}@" in text.decode() for name in ("class", "script", "import", "uid", "version")
        )
        if path.suffix == ".py":
            ast.parse(text)


def test_the_folder_can_be_read_like_any_other(here: Path) -> None:
    assert main(["init", "my_backend"]) == 0
    (here / "plain").mkdir()
    assert (here / "my_backend").stat().st_mode == (here / "plain").stat().st_mode


def test_the_script_comes_with_what_it_imports(here: Path, script: Path) -> None:
    script.write_text("from helper import x\n" + MODEL)
    folder = script.parent
    (folder / "helper.py").write_text("import parts.one\nx = 1\n")
    (folder / "parts" / "__pycache__").mkdir(parents=True)
    (folder / "parts" / "__init__.py").touch()
    (folder / "parts" / "one.py").touch()
    (folder / "parts" / "labels.txt").write_text("cat")
    (folder / "parts" / "__pycache__" / "one.pyc").touch()
    (folder / "unrelated.py").touch()
    (folder / "requirements-gpu.txt").write_text("torch\n")
    assert main(["init", "my_backend", "--script", str(script)]) == 0
    made = here / "my_backend"
    assert names(made) == {*FILES, "detector.py", "helper.py", "parts", "requirements-gpu.txt"}
    assert names(made / "parts") == {"__init__.py", "one.py", "labels.txt"}
    assert (made / "detector.py").read_text() == script.read_text()
    assert locate(made) == ModelSource(made / "detector.py", "Mine")


def test_model_py_of_the_current_folder_is_the_default(here: Path) -> None:
    (here / "model.py").write_text(MODEL)
    assert main(["init", "my_backend"]) == 0
    assert (here / "my_backend" / "model.py").read_text() == MODEL
    assert "from model import Mine" in (here / "my_backend" / "_wsgi.py").read_text()


def test_script_may_name_the_class(here: Path, script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script.write_text(MODEL + "\nclass Other(LabelStudioMLBase): ...\n")
    assert main(["init", "my_backend", "--script", str(script)]) == 1
    assert "--script detector.py:Mine" in capsys.readouterr().err
    assert names(here) == set()
    assert main(["init", "my_backend", "--from", f"{script}:Other"]) == 0
    assert locate(here / "my_backend").class_name == "Other"
    assert "init_app(model_class=Other" in (here / "my_backend" / "_wsgi.py").read_text()


def test_script_may_be_a_folder(here: Path, script: Path) -> None:
    assert main(["init", "my_backend", "--script", str(script.parent)]) == 0
    assert (here / "my_backend" / "detector.py").is_file()


def test_the_users_own_files_are_kept(here: Path, script: Path) -> None:
    for name in ("requirements.txt", "README.md", "test_api.py", "requirements-test.txt"):
        (script.parent / name).write_text(f"# mine: {name}\n")
    (script.parent / "requirements-base.txt").write_text("label-studio-ml==1.0.9\n")
    assert main(["init", "my_backend", "--script", str(script)]) == 0
    for name in ("requirements.txt", "README.md", "test_api.py", "requirements-test.txt"):
        assert (here / "my_backend" / name).read_text() == f"# mine: {name}\n"
    assert f"label-studio-ml=={__version__}" in (here / "my_backend" / "requirements-base.txt").read_text()


def test_lines_that_name_us_or_clash_are_taken_out_and_said(
    here: Path, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (script.parent / "requirements.txt").write_text(
        "-r requirements-base.txt\nscikit-learn==1.5.0\nlabel-studio-ml==1.0.8\nrq==1.10.1\ngunicorn==20.1.0\n"
    )
    (script.parent / "requirements-base.txt").write_text(
        "label-studio-ml @ git+https://github.com/HumanSignal/label-studio-ml-backend.git@master\nboto3==1.28.58"
    )
    (script.parent / "requirements-test.txt").write_text("label_studio_ml\npytest~=7.0\n")
    assert main(["init", "my_backend", "--script", str(script)]) == 0
    made = here / "my_backend"
    kept = [line for line in (made / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in kept if line] == ["scikit-learn==1.5.0", "gunicorn==20.1.0", "boto3==1.28.58"]
    assert "# rq==1.10.1" in (made / "requirements.txt").read_text().splitlines(), "nothing is lost"
    assert (made / "requirements-test.txt").read_text().splitlines()[-1] == "pytest~=7.0"
    err = capsys.readouterr().err
    assert "requirements.txt: label-studio-ml==1.0.8 is taken out" in err
    assert "requirements.txt: rq==1.10.1 is taken out, label-studio-ml needs rq<3,>=2.6" in err
    assert "requirements-test.txt: label_studio_ml is taken out" in err

    before = (made / "requirements.txt").read_text()
    assert main(["init", "my_backend", "--force"]) == 0
    assert (made / "requirements.txt").read_text() == before


def test_older_tutorials_find_the_servers_log(here: Path) -> None:
    assert main(["init", "my_backend"]) == 0
    logs = here / "my_backend" / "logs"
    (logs / "server.log").write_text("Serving")
    assert (logs / "uwsgi.log").read_text() == "Serving"
    assert main(["init", "my_backend", "--force"]) == 0
    assert (logs / "server.log").read_text() == "Serving", "log files are kept"


def test_force_renews_the_wheel(here: Path) -> None:
    assert main(["init", "my_backend"]) == 0
    wheels = here / "my_backend" / "wheels"
    (made,) = wheels.glob("*.whl")
    old = wheels / "label_studio_ml-2.0.0-1-py3-none-any.whl"
    made.rename(old)
    (wheels / "mine-1.0-py3-none-any.whl").write_text("mine")
    assert main(["init", "my_backend", "--force"]) == 0
    assert names(wheels) == {".gitkeep", made.name, "mine-1.0-py3-none-any.whl"}


def test_requirements_are_made_from_the_imports(here: Path, script: Path) -> None:
    script.write_text("import os, yaml\nfrom sklearn.svm import SVC\n" + MODEL)
    assert main(["init", "my_backend", "--script", str(script)]) == 0
    assert (here / "my_backend" / "requirements.txt").read_text() == "PyYAML\nscikit-learn\n"


def test_a_script_with_missing_modules_is_taken_and_said(
    here: Path, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script.write_text("import no_such_thing\n" + MODEL)
    assert main(["init", "my_backend", "--script", str(script)]) == 0
    err = capsys.readouterr().err
    assert "no_such_thing (detector.py, line 1)" in err
    assert "pip install no-such-thing" in err
    assert (here / "my_backend" / "_wsgi.py").is_file()


def test_root_dir_says_where(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "my_backend", "--root-dir", str(tmp_path / "new" / "place")]) == 0
    assert locate(tmp_path / "new" / "place" / "my_backend")
    assert f"start {tmp_path / 'new' / 'place' / 'my_backend'}" in capsys.readouterr().out
    assert names(tmp_path) == {"my work", "new"}


@pytest.mark.parametrize("filled", [True, False])
def test_an_existing_folder_is_left_alone(
    here: Path, filled: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "my_backend").mkdir()
    if filled:
        (here / "my_backend" / "Dockerfile").write_text("mine")
    before = contents(here)
    assert main(["init", "my_backend"]) == 1
    assert contents(here) == before
    err = capsys.readouterr().err
    assert "exists already" in err
    assert "--force" in err


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("x" * 300, "File name too long"),
        ("two\nlines", "has line breaks, or characters"),
        ("\udcfc", "has line breaks, or"),
    ],
)
def test_a_name_that_no_folder_can_have_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, cause: str
) -> None:
    assert main(["init", name]) == 1
    assert cause in capsys.readouterr().err
    assert names(here.parent) == {here.name}


def test_a_long_name_can_be_used(here: Path) -> None:
    assert main(["init", "x" * 255]) == 0


def test_a_name_like_an_option_can_be_pasted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--", "-p"]) == 0
    assert "label-studio-ml start ./-p" in capsys.readouterr().out


def test_init_twice_changes_nothing(here: Path) -> None:
    assert main(["init", "my_backend"]) == 0
    before = contents(here)
    assert main(["init", "my_backend"]) == 1
    assert contents(here) == before


def test_force_overwrites_ours_and_keeps_the_rest(here: Path) -> None:
    assert main(["init", "my_backend"]) == 0
    made = here / "my_backend"
    (made / "Dockerfile").write_text("changed")
    (made / "data").mkdir()
    (made / "data" / "weights.bin").write_bytes(b"learned")
    (made / "notes.txt").write_text("mine")
    assert main(["init", "my_backend", "--force"]) == 0
    assert (made / "Dockerfile").read_text() != "changed"
    assert (made / "data" / "weights.bin").read_bytes() == b"learned"
    assert (made / "notes.txt").read_text() == "mine"
    assert names(here) == {"my_backend"}


def test_force_does_not_replace_the_model_that_a_backend_has(here: Path) -> None:
    assert main(["init", "my_backend"]) == 0
    (here / "my_backend" / "model.py").write_text(MODEL)
    assert main(["init", "my_backend", "--force"]) == 0
    assert (here / "my_backend" / "model.py").read_text() == MODEL
    assert locate(here / "my_backend").class_name == "Mine"


def test_force_keeps_a_model_file_that_another_one_replaces(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "model.py").write_text(MODEL)
    made = here / "my_backend"
    assert main(["init", "my_backend"]) == 0
    for edited, kept in (("first", "model.py.before"), ("second", "model.py.before2")):
        (made / "model.py").write_text(f"{MODEL}# {edited}\n")
        capsys.readouterr()
        assert main(["init", "my_backend", "--force"]) == 0
        assert f"it is named {kept} now" in capsys.readouterr().err
        assert (made / "model.py").read_text() == MODEL
        assert (made / kept).read_text() == f"{MODEL}# {edited}\n"
    assert main(["init", "my_backend", "--force"]) == 0
    assert "before" not in capsys.readouterr().err
    assert {path.name for path in made.glob("*.before*")} == {"model.py.before", "model.py.before2"}
    (made / "test_api.py").write_text("mine")
    capsys.readouterr()
    assert main(["init", "my_backend", "--force"]) == 0
    said = capsys.readouterr().err
    assert "it is named test_api.py.before now" in said
    assert "--script" not in said
    assert (made / "test_api.py.before").read_text() == "mine"
    assert locate(made).class_name == "Mine"


def test_force_takes_a_new_script(here: Path, script: Path) -> None:
    assert main(["init", "my_backend"]) == 0
    assert main(["init", "my_backend", "--force", "--script", str(script)]) == 0
    assert locate(here / "my_backend") == ModelSource(here / "my_backend" / "detector.py", "Mine")


def test_a_file_in_the_way_is_left_alone_even_with_force(here: Path) -> None:
    (here / "my_backend").write_text("a file")
    assert main(["init", "my_backend", "--force"]) == 1
    assert (here / "my_backend").read_text() == "a file"


def test_force_changes_nothing_where_a_folder_is_in_a_files_way(here: Path) -> None:
    assert main(["init", "my_backend"]) == 0
    made = here / "my_backend"
    (made / "Dockerfile").unlink()
    (made / "Dockerfile").mkdir()
    (made / ".dockerignore").write_text("mine")
    assert main(["init", "my_backend", "--force"]) == 1
    assert (made / ".dockerignore").read_text() == "mine"


def test_a_failure_leaves_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str) -> str:
        if name == "Dockerfile":
            raise OSError(28, "No space left on device")
        return ""

    monkeypatch.setattr(scaffold, "_template", fail)
    assert main(["init", "my_backend"]) == 1
    assert names(here) == set()
    assert "No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("my-model.py", MODEL, "cannot be imported under that name"),
        ("class.py", MODEL, "cannot be imported under that name"),
        ("test_api.py", MODEL, "a file that init writes"),
        ("model.py", "class Mine(:", "line 1"),
        ("model.py", "x = 1", "no class that inherits LabelStudioMLBase"),
    ],
)
def test_a_script_that_cannot_be_taken_is_said(
    here: Path, script: Path, name: str, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = script.parent / name
    path.write_text(text)
    assert main(["init", "my_backend", "--script", str(path)]) == 1
    assert said in capsys.readouterr().err
    assert names(here) == set()


@pytest.mark.parametrize("stem", ["tesseract", "openai", "platform"])
def test_a_script_named_like_a_package_is_taken(here: Path, script: Path, stem: str) -> None:
    path = script.rename(script.with_name(f"{stem}.py"))
    assert main(["init", "my_backend", "--script", str(path)]) == 0
    assert locate(here / "my_backend").script.name == f"{stem}.py"


def test_functions_without_a_class_are_served_by_the_base_class(here: Path, script: Path) -> None:
    script.write_text(
        "from label_studio_ml.model import predict_fn\n\n@predict_fn\ndef answer(tasks, **kw): ...\n"
    )
    assert main(["init", "my_backend", "--script", str(script)]) == 0
    wsgi = (here / "my_backend" / "_wsgi.py").read_text()
    assert "import detector" in wsgi
    assert locate(here / "my_backend") == ModelSource(
        here / "my_backend" / "detector.py", "LabelStudioMLBase"
    )


def _passwords(folder: Path) -> list[str]:
    return re.findall(r"^REDIS_PASSWORD=(.*)$", (folder / ".env").read_text(), re.MULTILINE)


def test_redis_has_a_password_of_its_own_that_is_in_no_other_file(here: Path) -> None:
    assert main(["init", "one"]) == 0
    assert main(["init", "two"]) == 0
    (one,), (two,) = _passwords(here / "one"), _passwords(here / "two")
    assert one != two
    assert len(one) >= 40
    env = here / "one" / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    for path in (here / "one").rglob("*"):
        assert path == env or path.is_dir() or one.encode() not in path.read_bytes()
    assert ".env" in (here / "one" / ".gitignore").read_text().splitlines()
    assert ".env*" in (here / "one" / ".dockerignore").read_text().splitlines()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_logs_are_private_and_no_repository_gets_them(here: Path) -> None:
    assert main(["init", "one"]) == 0
    logs = here / "one" / "logs"
    assert logs.stat().st_mode & 0o777 == 0o700
    assert (logs / "server.log").stat().st_mode & 0o777 == 0o600
    assert {"logs/*", "!logs/.gitkeep"} < set((here / "one" / ".gitignore").read_text().splitlines())


def test_what_a_server_that_others_reach_needs_can_be_set_in_the_env_file(here: Path) -> None:
    assert main(["init", "one"]) == 0
    services = yaml.safe_load((here / "one" / "docker-compose.yml").read_text())["services"]
    environment = services["server"]["environment"]
    for name in ("BASIC_AUTH_USER", "BASIC_AUTH_PASS", "ALLOWED_HOSTS", "TOKENS_FILE"):
        assert environment[name] == f"${{{name}:-}}"
    unset = Settings.from_env({"ALLOWED_HOSTS": "", "TOKENS_FILE": ""}, backend_dir=here)
    none = Settings.from_env({}, backend_dir=here)
    assert unset == none


def test_the_compose_file_has_no_default_for_the_password_and_publishes_no_redis(here: Path) -> None:
    assert main(["init", "one"]) == 0
    services = yaml.safe_load((here / "one" / "docker-compose.yml").read_text())["services"]
    given = services["redis"]["environment"]["REDIS_PASSWORD"]
    assert given.startswith("${REDIS_PASSWORD:?")
    assert "ports" not in services["redis"]
    assert "--protected-mode" not in " ".join(services["redis"]["command"])
    for name in ("server", "worker"):
        environment = services[name]["environment"]
        assert environment["REDIS_PASSWORD"] == given
        values = {"REDIS_URL": "", "REDIS_HOST": environment["REDIS_HOST"], "REDIS_PASSWORD": "a-b_c"}
        assert Settings.from_env(values, backend_dir=here).redis_url == "redis://:a-b_c@redis:6379/0"


def test_force_adds_to_an_env_file_and_changes_nothing_of_it(here: Path) -> None:
    made = here / "one"
    made.mkdir()
    (made / ".env").write_text("BACKEND_PORT=9\nLABEL_STUDIO_API_KEY=mine")
    (made / ".gitignore").write_text("*.pyc\n/data\n")
    assert main(["init", "one", "--force"]) == 0
    text = (made / ".env").read_text()
    assert text.startswith("BACKEND_PORT=9\nLABEL_STUDIO_API_KEY=mine\nREDIS_PASSWORD=")
    assert (made / ".env").stat().st_mode & 0o777 == 0o600
    assert (made / ".gitignore").read_text() == "*.pyc\n/data\n.env\ndata/\nlogs/*\n!logs/.gitkeep\n"
    assert main(["init", "one", "--force"]) == 0
    assert (made / ".env").read_text() == text
    (made / ".env").write_text("REDIS_PASSWORD=own\n")
    assert main(["init", "one", "--force"]) == 0
    assert (made / ".env").read_text() == "REDIS_PASSWORD=own\n"


@pytest.mark.parametrize(
    "empty", ["REDIS_PASSWORD=", "export REDIS_PASSWORD = ''", "REDIS_PASSWORD= # later"]
)
def test_force_gives_an_empty_password_a_value(here: Path, empty: str) -> None:
    made = here / "one"
    made.mkdir()
    (made / ".env").write_text(f"{empty}\nBACKEND_PORT=9\n")
    assert main(["init", "one", "--force"]) == 0
    text = (made / ".env").read_text()
    assert text.startswith(f"{empty}\nBACKEND_PORT=9\nREDIS_PASSWORD=")
    assert len(_passwords(made)[-1]) >= 40
    assert main(["init", "one", "--force"]) == 0
    assert (made / ".env").read_text() == text


def test_the_container_names_suit_label_studio_and_docker(here: Path) -> None:
    assert main(["init", "My Backend 2"]) == 0
    compose = (here / "My Backend 2" / "docker-compose.yml").read_text()
    assert "- my-backend-2.ml.internal" in compose
    assert '"${BACKEND_ADDRESS:-127.0.0.1}:${BACKEND_PORT:-9090}:9090"' in compose
    dockerfile = (here / "My Backend 2" / "Dockerfile").read_text()
    assert dockerfile.index("USER $UID") < dockerfile.index('CMD ["label-studio-ml')
    assert f"BACKEND_UID:-{os.getuid() or 1000}" in compose


def test_the_old_function_makes_the_folder(here: Path, script: Path) -> None:
    made = server.create_dir(argparse.Namespace(project_name="mine", script=str(script)))
    assert locate(made).class_name == "Mine"


class TestMadeFolder:
    """What `init` made, used as its reader would use it."""

    SCRIPTS = (
        None,
        MODEL.replace("return []", "return [{'result': [], 'score': 0.5} for _ in tasks]"),
        MODEL.replace("**kwargs):", "context=None, **kwargs):").replace(
            "return []", "return [{'result': []} for _ in tasks]"
        ),
    )

    @pytest.fixture(params=SCRIPTS, ids=["default", "seed", "event"])
    def made(self, request: pytest.FixtureRequest, here: Path, script: Path) -> Path:
        words = []
        if request.param:
            script.write_text(request.param)
            words = ["--script", str(script)]
        assert main(["init", "my backend", *words]) == 0
        return here / "my backend"

    @pytest.mark.parametrize(
        "made",
        [SCRIPTS[0], *(pytest.param(script, marks=pytest.mark.soak) for script in SCRIPTS[1:])],
        ids=["default", "seed", "event"],
        indirect=True,
    )
    def test_its_own_tests_pass_and_end_without_a_word(self, made: Path) -> None:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", PLUGIN]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        assert done.stdout.rstrip().splitlines()[-1].startswith("4 passed in ")

    @pytest.mark.parametrize("has_file", [True, False], ids=["with its label config", "without one"])
    def test_its_own_tests_pass_for_a_model_of_pictures(
        self, here: Path, script: Path, has_file: bool
    ) -> None:
        """`init` copies the label config beside the script; without one, the tests take the tags that it looks up."""
        script.write_text(BOXES if has_file else BOXES.replace('controls["box"]', LOOKUP))
        if has_file:
            config = sample_label_config("RectangleLabels", "Image").replace('name="label"', 'name="box"')
            (script.parent / "label_config.xml").write_text(config)
        assert main(["init", "boxes", "--script", str(script)]) == 0
        assert (here / "boxes" / "label_config.xml").exists() == has_file
        assert "| `label_config.xml` |" in (here / "boxes" / "README.md").read_text()
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", PLUGIN]
        command += ["-k", "not project_will_ask"]  # those checks have tests of their own
        done = subprocess.run(command, cwd=here / "boxes", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "3 passed" in done.stdout

    def test_its_wsgi_file_checks_the_model(self, made: Path) -> None:
        command = [sys.executable, str(made / "_wsgi.py"), "--check"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout[:4]) == (0, "OK: "), done.stderr

    def test_its_wsgi_file_hands_every_flag_on(self, here: Path, script: Path) -> None:
        """Run it with a model class that stands for the server, and see what reaches `init_app` and `run`."""
        assert main(["init", "made", "--script", str(script)]) == 0
        (here / "made" / "config.json").write_text('{"size": 1, "name": "config"}')
        (here / "spy.py").write_text(
            "import runpy, sys, os\nimport label_studio_ml.api as api\n"
            "class App:\n"
            "    def run(self, **where): print('run', sorted(where.items()), os.environ['LOG_LEVEL'])\n"
            "def init_app(model_class, **kwargs):\n"
            "    print('init', model_class.__name__, sorted(kwargs.items()))\n"
            "    return App()\n"
            "api.init_app = init_app\n"
            "sys.path.insert(0, 'made')\n"
            "runpy.run_path('made/_wsgi.py', run_name='__main__')\n"
        )
        flags = [
            "-p",
            "8001",
            "--host",
            "::1",
            "--with",
            "size=2",
            "--model-dir",
            "m",
            "--log-level",
            "debug",
        ]
        login = ["--basic-auth-user", "u", "--basic-auth-pass", "p", "-d"]
        command = [sys.executable, "spy.py", *flags, *login]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        login_and_rest = "('basic_auth_pass', 'p'), ('basic_auth_user', 'u'), ('model_dir', 'm')"
        assert done.stdout.splitlines() == [
            f"init Mine [{login_and_rest}, ('name', 'config'), ('size', 2)]",
            "run [('debug', True), ('host', '::1'), ('port', 8001)] DEBUG",
        ]


class TestSample:
    @pytest.mark.parametrize(
        ("call", "tags"),
        [
            ("self.get_first_tag_occurence('RectangleLabels', 'Image')", ("RectangleLabels", "Image")),
            ("self.label_interface.get_first_tag_occurence(('Labels', 'X'), ['Text'])", ("Labels", "Text")),
            (
                "get_single_tag_keys(self.parsed_label_config, 'Choices', 'HyperText')",
                ("Choices", "HyperText"),
            ),
            ("self.get_first_tag_occurence(kind, 'Image')", None),
            ("self.get_first_tag_occurence('Choices', 'Chat')", None),
            ("pass_it_on('Labels', 'Image')", None),
        ],
    )
    def test_the_tags_are_those_that_the_file_looks_for(
        self, tmp_path: Path, call: str, tags: tuple[str, str] | None
    ) -> None:
        script = tmp_path / "model.py"
        script.write_text(f"class Mine:\n    def setup(self):\n        {call}\n")
        assert looked_up_tags(script) == tags

    @pytest.mark.parametrize("control", ["Choices", "RectangleLabels", "TextArea"])
    def test_the_sample_config_is_one_that_the_reader_understands(self, control: str) -> None:
        from label_studio_ml.protocol.label_config import parse_label_config

        xml = sample_label_config(control, "Image")
        parsed = parse_label_config(xml)["label"]
        assert (parsed["type"], parsed["to_name"]) == (control, ["image"])
        assert parsed["inputs"][0]["value"] in samples.tasks(xml, 1)[0]["data"]
        assert parsed["labels"] == ([] if control == "TextArea" else ["First", "Second"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("My backend", "my-backend"),
        ("bäckend", r"backend"),
        ("模型", r"backend-[0-9a-f]{6}"),
        ("x" * 200, r"x{33}-[0-9a-f]{6}"),
        ("label_studio", r"label-studio-[0-9a-f]{6}"),
    ],
)
def test_images_and_hosts_have_names_that_docker_and_dns_take(name: str, expected: str) -> None:
    assert re.fullmatch(expected, slug(name))


def test_two_names_in_other_scripts_stay_different() -> None:
    assert slug("模型") != slug("型模")


@pytest.mark.parametrize(("name", "has_name"), [("my_backend", False), ("模型", True)])
def test_compose_gets_a_name_where_it_would_find_none(here: Path, name: str, has_name: bool) -> None:
    assert main(["init", name]) == 0
    compose = (here / name / "docker-compose.yml").read_text()
    assert ("\nname: backend-" in compose) == has_name


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_root_says_whose_folder_it_should_be(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "home").mkdir()
    os.chown(here / "home", 1234, 1234)
    assert main(["init", "mine", "--root-dir", "home"]) == 0
    assert "home/mine belongs to root. Give it to the user who starts it: chown -R 1234 home/mine" in (
        capsys.readouterr().err
    )
    assert (here / "home" / "mine" / "logs").stat().st_uid == 1234
    assert "BACKEND_UID:-1234" in (here / "home" / "mine" / "docker-compose.yml").read_text()

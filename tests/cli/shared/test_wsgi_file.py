"""What commands take from a `_wsgi.py`: arguments, environment, class; and what they say that they do not use."""

import os
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from label_studio_ml.cli import main as cli
from label_studio_ml.cli.main import parse
from label_studio_ml.cli.shared.backend_arguments import settings_from
from label_studio_ml.cli.shared.wsgi_file import read_wsgi
from label_studio_ml.cli.shared.wsgi_survey import survey
from label_studio_ml.cli.versions.code_comparison import code_here
from label_studio_ml.config.settings import Settings
from label_studio_ml.user_code import code_identity
from label_studio_ml.user_code.model_source import ModelSource
from versions.made import Made

MODEL = "from label_studio_ml.model import LabelStudioMLBase\nclass Mine(LabelStudioMLBase): ...\n"

IMPORT = "from label_studio_ml.api import init_app\n"
HEAD = f"{IMPORT}from model import Mine\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A backend's folder with a model; the environment is as before at the end of the test."""
    made = tmp_path / "backend"
    made.mkdir()
    (made / "model.py").write_text(MODEL)
    environment = dict(os.environ)
    for name in (*Settings(backend_dir=Path()).to_env(), "LABEL_STUDIO_URL", "MODEL_DIR", "WEIGHTS"):
        os.environ.pop(name, None)
    yield made
    os.environ.clear()
    os.environ.update(environment)


def write(folder: Path, text: str, head: str = HEAD) -> Path:
    path = folder / "_wsgi.py"
    path.write_text(head + dedent(text))
    return path


def started(folder: Path, *words: str) -> Settings:
    """Return the settings with which `start` would serve the folder."""
    args, unknown = parse(["start", str(folder), *words])
    assert unknown == []
    return settings_from(args)


@pytest.mark.parametrize(
    "text",
    [
        "app = init_app(model_class=Mine)\n",
        (
            "if __name__ == '__main__':\n    app = init_app(Mine, basic_auth_user=args.basic_auth_user,\n"
            "        model_dir=os.environ.get('MODEL_DIR', args.model_dir), **kwargs)\n"
            "else:\n    app = init_app(model_class=Mine)\n"
        ),
        (
            "import os\nBASE = os.path.join(os.path.dirname(__file__), 'x')\n"
            "app = init_app(model_class=Mine, model_dir=os.environ.get('MODEL_DIR', os.path.dirname(__file__)),\n"
            "    redis_host=os.environ.get('REDIS_HOST', 'localhost'))\n"
        ),
    ],
)
def test_what_init_wrote_says_nothing_and_is_not_run(folder: Path, text: str) -> None:
    found = survey(write(folder, text))
    assert (found.arguments, found.needs_run, found.unused) == ({}, False, [])
    assert (found.script_arguments, found.script_unused) == ({}, [])


def test_our_own_template_is_not_run(folder: Path) -> None:
    template = Path(__file__).parents[3] / "src" / "label_studio_ml" / "templates" / "_wsgi.py.tmpl"
    text = template.read_text().replace("@import@", "from model import Mine").replace("@class@", "Mine")
    found = survey(write(folder, text, head=""))
    assert (found.arguments, found.needs_run, found.unused) == ({}, False, [])


def test_arguments_that_are_written_out_are_read(folder: Path) -> None:
    write(folder, "app = init_app(model_class=Mine, weights='m.pth', sizes=[1, 2], model_dir='models')\n")
    assert not survey(folder / "_wsgi.py").needs_run
    settings = started(folder)
    assert settings.init_kwargs == {"weights": "m.pth", "sizes": [1, 2]}
    assert settings.model_dir == folder / "models"
    (folder / "config.json").write_text('{"weights": "config", "other": 1}')
    settings = started(folder, "--with", "sizes=3")
    assert settings.init_kwargs == {"weights": "m.pth", "other": 1, "sizes": 3}


@pytest.mark.parametrize("runs", [False, True])
def test_arguments_below_if_main_are_used_or_said(
    folder: Path, runs: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The older `start` ran the file, so these were the ones in use."""
    extra = "app.after_request(lambda response: response)" if runs else ""
    path = write(
        folder,
        f"""\
        app = init_app(model_class=Mine, weights='gunicorn.pth', size=1)
        {extra}
        if __name__ == '__main__':
            app = init_app(model_class=Mine, weights='m.pth', rate=args.rate, table=load(), basic_auth_user=None)
        """,
    )
    assert started(folder, "--with", "more=2").init_kwargs == {"weights": "m.pth", "size": 1, "more": 2}
    said = capsys.readouterr().err
    assert (
        f'{path}: in functions and below if __name__ == "__main__", not used here: rate=args.rate, table=load().'
        in said
    )


@pytest.mark.parametrize("rest", ["", "\nif __name__ == '__main__':\n    create().run(port=9090)\n"])
def test_arguments_in_a_function_that_makes_the_application_are_used(
    folder: Path, rest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Served by `gunicorn "_wsgi:create()"`, or run as a script."""
    make = "def create():\n    return init_app(model_class=Mine, weights='m.pth', size=make(1))\n"
    path = write(folder, f"{make}{rest}")
    assert started(folder).init_kwargs == {"weights": "m.pth"}
    assert f"{path}: in functions and below" in (said := capsys.readouterr().err)
    assert "not used here: size=make(1)." in said
    write(folder, f"{make}{make.replace('create', 'other')}")
    assert started(folder).init_kwargs == {}


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("app = init_app(Mine, rate=1)\ndef debug():\n    return init_app(Mine, rate=2)\n", {"rate": 1}),
        (
            """\
            def main():
                init_app(Mine, rate=2).run()

            if __name__ == "__main__":
                main()
            else:
                app = init_app(Mine, rate=1)
            """,
            {"rate": 2},
        ),
        (
            "if __name__ != '__main__':\n    app = init_app(Mine, rate=1)\nelse:\n    init_app(Mine, rate=2).run()\n",
            {"rate": 2},
        ),
        (
            "def create(rate):\n    return init_app(Mine, rate=rate, size=3)\napp = create(1)\n",
            {"rate": 1, "size": 3},
        ),
    ],
)
def test_only_calls_that_running_the_file_reaches_count(
    folder: Path, text: str, arguments: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, text)
    assert started(folder).init_kwargs == arguments
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "text",
    [
        "app = init_app(Mine, 'me', 'secret')\n",
        "if __name__ == '__main__':\n    init_app(Mine, 'me', 'secret').run()\nelse:\n    app = init_app(Mine)\n",
        (
            "import argparse\nif __name__ == '__main__':\n    parser = argparse.ArgumentParser()\n"
            "    parser.add_argument('--basic-auth-user', default='me')\n"
            "    parser.add_argument('-p', '--secret', dest='basic_auth_pass', default='secret', type=str)\n"
            "    args = parser.parse_args()\n    init_app(model_class=Mine, basic_auth_user=args.basic_auth_user,\n"
            "        basic_auth_pass=args.basic_auth_pass).run()\nelse:\n    app = init_app(Mine)\n"
        ),
    ],
)
def test_a_login_is_taken_however_it_is_given(folder: Path, text: str) -> None:
    """Else the server would be open to all, where the file locks it."""
    write(folder, text)
    settings = started(folder)
    assert (settings.basic_auth_user, settings.basic_auth_pass, settings.init_kwargs) == ("me", "secret", {})


def test_defaults_of_the_files_options_are_used(folder: Path) -> None:
    write(
        folder,
        """\
        if __name__ == "__main__":
            parser.add_argument("-r", "--the-rate", type=float, default=0.5)
            parser.add_argument("--size", type=int, default="3")
            args = parser.parse_args()
            app = init_app(model_class=Mine, rate=args.the_rate, size=args.size)
        """,
    )
    found = survey(folder / "_wsgi.py")
    assert (found.script_arguments, found.script_unused) == ({"rate": 0.5}, ["size=args.size"])


@pytest.mark.parametrize("form", ["parse_args", "parse_known_args"])
def test_a_file_that_parses_its_arguments_finds_none(
    folder: Path, form: str, capfd: pytest.CaptureFixture[str]
) -> None:
    write(
        folder,
        f"""\
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--rate", type=float, default=0.5)
        parser.add_argument("words", nargs="*")
        args = parser.{form}()
        args = args if {form == "parse_args"} else args[0]
        app = init_app(model_class=Mine, rate=args.rate, words=args.words)
        """,
    )
    assert started(folder).init_kwargs == {"rate": 0.5, "words": []}
    assert capfd.readouterr().err == ""


def test_the_environment_that_the_file_sets_reaches_settings_and_children(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """
        import os
        from dotenv_here import load_dotenv

        load_dotenv()
        app = init_app(model_class=Mine, weights=os.environ["WEIGHTS"].upper())
    """
    (folder / "dotenv_here.py").write_text(
        "import os\ndef load_dotenv():\n    os.environ.update(WEIGHTS='m.pth', LABEL_STUDIO_URL='http://ls')\n"
    )
    write(folder, text)
    settings = started(folder)
    assert settings.init_kwargs == {"weights": "M.PTH"}
    assert settings.studio_url == "http://ls"
    assert settings.child_env()["WEIGHTS"] == "m.pth"
    assert capsys.readouterr().err == ""


def test_what_only_a_wsgi_server_runs_is_named_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """
        app = init_app(model_class=Mine)
        Mine.threshold = 0.5

        @app.route("/extra")
        def extra():
            return "x"

        app.before_request(extra)

        if __name__ == "__main__":
            app.run(host="0.0.0.0", ssl_context="adhoc")
    """
    write(folder, text)
    started(folder)
    (line,) = capsys.readouterr().err.splitlines()
    for name in ("the route /extra", "before_request", "Mine.threshold = …", "app.run(ssl_context=…)"):
        assert name in line
    assert "gunicorn _wsgi:app" in line


def test_a_server_that_the_file_starts_does_not_run(folder: Path) -> None:
    write(folder, "app = init_app(model_class=Mine, size=int('3') + max(1, 2))\napp.run(port=1)\n")
    assert started(folder).init_kwargs == {"size": 5}


def test_a_value_that_json_cannot_hold_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "app = init_app(model_class=Mine, size=3, labels=set('ab'))\n")
    assert started(folder).init_kwargs == {"size": 3}
    assert "JSON cannot hold labels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_module\nno_such_module.f()\napp = init_app(model_class=Mine)\n", "no_such_module"),
        ("raise RuntimeError('no licence')\n", "no licence"),
        ("def broken(:\n", "Syntax error"),
        ("import os\nos._exit(3)\n", "ended with status 3"),
    ],
)
def test_a_broken_file_stops_nothing_and_is_said(
    folder: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, text)
    settings = started(folder)
    assert (settings.script, settings.class_name) == (folder / "model.py", "Mine")
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_file_that_takes_too_long_is_ended(folder: Path) -> None:
    write(folder, "import threading\nthreading.Event().wait()\n")
    (remark,) = read_wsgi(folder, timeout=1.0).remarks
    assert "it did not end within 1 s" in remark


def test_quick_commands_only_read_it(folder: Path) -> None:
    write(folder, "raise RuntimeError\napp = init_app(model_class=Mine, model_dir='models')\n")
    found = read_wsgi(folder, run=False)
    assert (found.arguments, found.remarks) == ({"model_dir": "models"}, ())


def test_a_class_that_only_running_finds_is_served(folder: Path) -> None:
    (folder / "model.py").rename(folder / "parts.py")
    write(
        folder,
        "import parts\n\ndef make():\n    return parts.Mine\n\napp = init_app(model_class=make())\n",
        head=IMPORT,
    )
    settings = started(folder)
    assert (settings.script, settings.class_name) == (folder / "parts.py", "Mine")


@pytest.mark.parametrize(
    "serves",
    [
        "from other import Other\napp = init_app(model_class=Other)\n",
        "import other\n\ndef make():\n    return other.Other\n\napp = init_app(model_class=make())\n",
        "from model import Mine, make\napp = init_app(model_class=make())\n",
    ],
)
def test_commands_about_versions_compare_the_code_that_start_would_serve(folder: Path, serves: str) -> None:
    (folder / "other.py").write_text(MODEL.replace("Mine", "Other"))
    (folder / "model.py").write_text(f"{MODEL}def make():\n    import other\n    return other.Other\n")
    write(folder, serves, head=IMPORT)
    settings = started(folder)
    args, _ = parse(["versions", str(folder)])
    assert (settings.script, settings.class_name) == (folder / "other.py", "Other")
    assert code_here(args) == code_identity.identify(folder / "other.py")


def test_commands_about_versions_look_where_start_keeps_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "app = init_app(model_class=Mine, model_dir='models')\n")
    Made(folder / "models").add("a")
    assert started(folder).model_dir == folder / "models"
    assert cli.main(["versions", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("a ")
    assert cli.main(["projects", str(folder)]) == 0
    assert "7" in capsys.readouterr().out


def test_a_class_of_the_file_itself_is_served(folder: Path) -> None:
    write(folder, "class Own(Mine): ...\n\napp = init_app(model_class=Own)\n")
    settings = started(folder)
    assert ModelSource(settings.script or Path(), settings.class_name) == ModelSource(
        folder / "_wsgi.py", "Own"
    )

"""Every setting that names a file, a folder or a program: what is wrong with it is said by its name."""

from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from helpers import run
from label_studio_ml.cli.main import main
from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.config.http_settings import HttpSettings
from label_studio_ml.config.path_problems import path_problems
from label_studio_ml.config.redis_variables import RedisVariables
from label_studio_ml.config.setting_values import PathUse
from label_studio_ml.config.settings import SECRETS, Settings
from label_studio_ml.config.tracker_settings import TrackerSettings
from label_studio_ml.config.variables import Variable, declared
from label_studio_ml.connect.backend_client import BackendDown, view
from label_studio_ml.doctor import machine
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import NotAuthorized, SettingsError
from label_studio_ml.projects.prediction_sources import FallbackSource
from label_studio_ml.versions.state.project_state import Project
from studio.fake import FakeServer, Reply

CLASSES: tuple[type[Any], ...] = (Settings, HttpSettings, FileSettings, TrackerSettings, RedisVariables)
#: Other variables that a setting needs to have an effect.
NEEDED = {
    "CACHE_DIR": {"MODEL_DIR": "s3://bucket"},
    "REDIS_CA_FILE": {"REDIS_URL": "rediss://localhost:1/0"},
}
PATHS = {
    variable.names.split()[0]: variable.kind.path
    for cls in CLASSES
    for _, variable in declared(cls)
    if variable.kind.path is not None and variable.names != "LABEL_STUDIO_ML_DIR"
} | {"MODEL_DIR": PathUse.OUTPUT_FOLDER}
BY_USE = {use: [name for name, each in PATHS.items() if each is use] for use in PathUse}


def _is_path(cls: type[Any], field: str, variable: Variable) -> bool:
    hint = get_type_hints(cls)[field]
    return Path in {hint, *get_args(hint)} or variable.names.endswith(("_FILE", "_DIR", "_ROOT", "_CERT"))


def test_every_path_is_declared_as_one() -> None:
    undeclared = [
        variable.names
        for cls in CLASSES
        for field, variable in declared(cls)
        if _is_path(cls, field, variable) and variable.kind.path is None
    ]
    # A store, which may be a URL; its folder is read as that of CACHE_DIR.
    assert undeclared == ["MODEL_DIR"]
    assert set(PATHS) >= {"TOKENS_FILE", "TLS_CERT", "LOCAL_FILES_DOCUMENT_ROOT", "TENSORBOARD_DIR"}


def _problems(folder: Path, name: str, value: Path) -> list[SettingsError]:
    """Return what is wrong with `name` set to `value`, whether it is found at once or by `path_problems`."""
    try:
        settings = Settings.from_env({**NEEDED.get(name, {}), name: str(value)}, backend_dir=folder)
    except SettingsError as error:
        return [error]
    return list(path_problems(settings))


@pytest.mark.parametrize("name", [*PATHS, *(f"{secret}_FILE" for secret in SECRETS)])
def test_what_is_missing_or_of_another_type_is_named(name: str, tmp_path: Path) -> None:
    use = PATHS.get(name, PathUse.FILE)
    file, folder = tmp_path / "a file", tmp_path / "a folder"
    file.touch()
    folder.mkdir()
    wrong = {
        PathUse.FILE: [tmp_path / "none", folder],
        PathUse.FOLDER: [tmp_path / "none", file],
        PathUse.OUTPUT_FOLDER: [file],
        PathUse.PROGRAM: [tmp_path / "none", folder],
    }[use]
    for path in wrong:
        (error,) = _problems(tmp_path, name, path)
        assert error.field == name
        assert name in error.message
        assert str(path) in error.message
    if use is PathUse.OUTPUT_FOLDER:
        assert _problems(tmp_path, name, tmp_path / "new") == []


def test_paths_that_are_right_have_no_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    env = {name: str(tmp_path / "file") for name in BY_USE[PathUse.FILE] if name not in NEEDED}
    env |= {name: str(tmp_path / "folder") for name in BY_USE[PathUse.FOLDER]}
    env |= {"TOKENS_FILE": "file", "LABEL_STUDIO_ML_PYTHON": "python3", "MODEL_DIR": "folder"}
    assert list(path_problems(Settings.from_env(env, backend_dir=tmp_path))) == []


def test_a_folder_that_this_user_may_not_look_into_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, **_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    settings = Settings.from_env({"TOKENS_FILE": str(tmp_path / "tokens")}, backend_dir=tmp_path)
    monkeypatch.setattr(Path, "stat", refused)
    assert list(path_problems(settings)) == []


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    env = {"TOKENS_FILE": "none/tokens", "LABEL_STUDIO_ML_TOKEN": "t" * 20}
    return Settings.from_env(env, backend_dir=tmp_path)


def test_a_refused_token_names_the_missing_file(settings: Settings) -> None:
    server = FakeServer()
    try:
        for path in ("/health", "/setup"):
            server.on(path, Reply.of({"detail": "Login is missing or wrong"}, 401))
        with pytest.raises(BackendDown) as connecting:
            view(settings, server.url, server.port).health()
        with pytest.raises(NotAuthorized) as predicting:
            run(FallbackSource(settings, Project(uid="1.1"), server.url).start())
    finally:
        server.stop()
    for raised in (connecting, predicting):
        assert f"TOKENS_FILE: there is no file {settings.backend_dir / 'none' / 'tokens'}" in raised.value.fix
        assert "label-studio-ml tokens add NAME --file" in raised.value.fix


def test_doctor_lists_them(settings: Settings) -> None:
    url = "http://localhost:1"
    context = Context(settings, settings.backend_dir, 1, view(settings, url, 1), url, "")
    (check,) = machine.settings(context)
    assert check.what == f"TOKENS_FILE: there is no file {settings.backend_dir / 'none' / 'tokens'}"


@pytest.mark.parametrize(
    "words",
    [
        ("connect", "--project", "1"),
        ("predict", "--project", "1"),
        ("evaluate", "--project", "1"),
        ("agent", "--project", "1"),
        ("start", "--reload", "--debug"),
        ("jobs",),
        ("projects",),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("clean_env")
def test_commands_say_it(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each of them ends soon after it has read its settings: an option is missing, or there is nothing to list."""
    (tmp_path / "model.py").write_text(
        "from label_studio_ml import LabelStudioMLBase\n\nclass M(LabelStudioMLBase):\n    pass\n"
    )
    monkeypatch.setenv("TOKENS_FILE", str(tmp_path / "none"))
    main([words[0], str(tmp_path), *words[1:]])
    assert f"TOKENS_FILE: there is no file {tmp_path / 'none'}. Make it with:" in capsys.readouterr().err


@pytest.mark.usefixtures("clean_env")
def test_a_missing_model_file_is_named_with_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_ML_SCRIPT", "none.py")
    assert main(["evaluate", str(tmp_path), "--project", "1"]) == 1
    assert f"LABEL_STUDIO_ML_SCRIPT: there is no model file {tmp_path / 'none.py'}" in capsys.readouterr().err

"""Arguments that name a backend's folder and its model."""

from pathlib import Path

import pytest

from label_studio_ml.cli.shared.backend_arguments import (
    require_redis,
    settings_without_model,
    split_script,
)
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError

pytestmark = pytest.mark.usefixtures("clean_env")


@pytest.mark.parametrize(
    ("text", "file", "class_name"),
    [
        ("model.py", "model.py", ""),
        ("model.py:Mine", "model.py", "Mine"),
        ("a/model.py:Mine", "a/model.py", "Mine"),
        ("model.py:not-a-name", "model.py:not-a-name", ""),
        ("there:Mine", "there:Mine", ""),
        (":Mine", ":Mine", ""),
    ],
)
def test_a_script_may_name_its_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, file: str, class_name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there:Mine").touch()
    assert split_script(text) == (Path(file), class_name)


def test_settings_of_a_folder_without_a_model(tmp_path: Path) -> None:
    assert settings_without_model(tmp_path, None).model_dir == tmp_path / "data"
    assert settings_without_model(tmp_path, "versions").model_dir == tmp_path / "versions"
    with pytest.raises(SettingsError, match="There is no folder"):
        settings_without_model(tmp_path / "nowhere", None)


def test_some_commands_need_a_redis(tmp_path: Path) -> None:
    require_redis(Settings(backend_dir=tmp_path, redis_url="redis://localhost"), "worker")
    with pytest.raises(SettingsError, match="worker needs a Redis, and REDIS_URL is not set"):
        require_redis(Settings(backend_dir=tmp_path), "worker")

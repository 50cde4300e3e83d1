"""Keyword arguments of `init_app`: what is a decision of the user's, and what only a default of release 1.0.9."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.model_api.init_app_arguments import with_app_arguments

DEFAULTS: dict[str, Any] = {"redis_host": "localhost", "redis_port": 6379, "redis_queue": "default"}


def applied(folder: Path, env: dict[str, str] | None = None, **arguments: Any) -> Settings:
    return with_app_arguments(Settings.from_env(env or {}, backend_dir=folder), arguments)


def test_the_defaults_of_1_0_9_change_nothing(tmp_path: Path) -> None:
    plain = Settings.from_env({}, backend_dir=tmp_path)
    for model_dir in (str(tmp_path), ".", "", f"{tmp_path}/"):
        assert applied(tmp_path, model_dir=model_dir, **DEFAULTS) == plain
    assert applied(tmp_path, redis_host="127.0.0.1", redis_port="6379") == plain


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        ({"redis_host": "redis"}, "redis://redis:6379/0"),
        ({"redis_host": "localhost", "redis_port": 6380}, "redis://localhost:6380/0"),
        ({"redis_host": "redis", "redis_port": "7000", "redis_queue": "default"}, "redis://redis:7000/0"),
    ],
)
def test_another_redis_is_a_decision(tmp_path: Path, arguments: dict[str, Any], url: str) -> None:
    assert applied(tmp_path, **arguments).redis_url == url


@pytest.mark.parametrize("name", ["USE_REDIS", "LABEL_STUDIO_USE_REDIS", "HEARTEX_USE_REDIS"])
def test_use_redis_says_whether_there_is_one(tmp_path: Path, name: str) -> None:
    assert applied(tmp_path, {name: "true"}, **DEFAULTS).redis_url == "redis://localhost:6379/0"
    parts = {"REDIS_HOST": "redis", "REDIS_PORT": "6379"}
    assert applied(tmp_path, {name: "true", **parts}, redis_host="redis").redis_url == "redis://redis:6379/0"
    off = applied(tmp_path, {name: "false", **parts}, redis_host="redis")
    assert (off.redis_url, off.use_redis) == ("", False)
    assert Settings.from_env(off.to_env()) == off


def test_the_environment_wins_over_a_host_in_the_file(tmp_path: Path) -> None:
    env = {"REDIS_URL": "redis://mine:1/0", "RQ_QUEUE_NAME": "default"}
    settings = applied(tmp_path, env, **DEFAULTS)
    assert (settings.redis_url, settings.queue) == ("redis://mine:1/0", "default")


def test_a_queue_and_a_folder_of_ones_own_are_used(tmp_path: Path) -> None:
    settings = applied(tmp_path, model_dir="models", redis_queue="mine", weights="m.pth")
    assert settings.model_dir == tmp_path / "models"
    assert settings.queue == "mine"
    assert settings.init_kwargs == {"weights": "m.pth"}
    kept = with_app_arguments(replace(settings, init_kwargs={"size": 1, "weights": "x"}), {"weights": "y"})
    assert kept.init_kwargs == {"size": 1, "weights": "y"}


@pytest.mark.parametrize("port", ["x", 0, 70000, -1])
def test_a_port_that_is_none_is_named(tmp_path: Path, port: Any) -> None:
    with pytest.raises(SettingsError, match="redis_port") as caught:
        applied(tmp_path, redis_host="redis", redis_port=port)
    assert caught.value.field == "redis_port"

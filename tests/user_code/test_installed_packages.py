"""Requirements against what is installed; an RQ that workers cannot run on is said once, and no worker is started."""

import logging
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from label_studio_ml.cli.main import main
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.runtime.worker_processes import Workers
from label_studio_ml.user_code import installed_packages
from label_studio_ml.user_code.installed_packages import check_training, package_requirements, parse, unmet


@pytest.fixture
def old_rq(monkeypatch: pytest.MonkeyPatch) -> None:
    """RQ as 14 requirement files of older backends pin it."""
    monkeypatch.setattr(
        installed_packages, "version", lambda name: "1.10.1" if name == "rq" else version(name)
    )


def test_this_environment_can_train() -> None:
    check_training()
    assert {"rq", "redis", "msgspec", "label-studio-sdk"} <= set(package_requirements())
    assert "nervaluate" not in package_requirements(), "of an extra"


def test_what_is_not_met() -> None:
    lines = [
        "pytest>=1",
        "msgspec<0.1  # old",
        "no-such-thing",
        "rq==1; python_version < '3'",
        "-r other.txt",
        "x @ file:x",
    ]
    assert [(item.name, found) for item, found in unmet(parse(lines))] == [
        ("msgspec", version("msgspec")),
        ("no-such-thing", ""),
    ]


@pytest.mark.usefixtures("old_rq")
def test_an_old_rq_is_named_with_what_to_do() -> None:
    with pytest.raises(SettingsError) as caught:
        check_training()
    said = str(caught.value)
    assert "rq 1.10.1 is installed, and label-studio-ml needs rq<3,>=2.6" in said
    assert "pip install 'rq<3,>=2.6'" in said
    assert "\n" not in said


@pytest.mark.usefixtures("old_rq")
def test_no_worker_is_started_again_and_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    settings = Settings.from_env(backend_dir=tmp_path)
    kept = Workers(settings, 2)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            kept.tick(settings)
    assert len(caplog.records) == 1
    assert "no training could run" in caplog.text
    kept.stop()


@pytest.mark.usefixtures("old_rq")
def test_the_worker_command_ends_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker", "somewhere"]) == 1
    assert "rq 1.10.1 is installed" in capsys.readouterr().err

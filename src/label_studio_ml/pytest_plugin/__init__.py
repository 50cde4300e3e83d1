"""Plugin of pytest for a backend's folder: the fixtures `backend`, `studio_tasks` and `label_config`.

It imports nothing of this package before a test asks for one of the fixtures.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from label_studio_ml.pytest_plugin.tested_backend import Backend

_FOLDER, _CONFIG = "label_studio_backend", "label_studio_label_config"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and ini values that name the backend's folder and its label config."""
    texts = {
        _FOLDER: "the backend's folder for the fixture `backend` (default: the folder of the test's file)",
        _CONFIG: "the label config for the fixture `label_config` (default: label_config.xml of the backend)",
    }
    group = parser.getgroup("label-studio-ml")
    for name, text in texts.items():
        group.addoption(f"--{name.replace('_', '-')}", dest=name, metavar="PATH", default=None, help=text)
        parser.addini(name, text, default="")


@pytest.fixture(scope="module")
def label_config(request: pytest.FixtureRequest) -> str:
    """The label config (XML) of the backend under test. A test's file may define this fixture itself."""
    from label_studio_ml.pytest_plugin.tested_backend import label_config_of

    return label_config_of(_folder(request), _path(request.config, _CONFIG))


@pytest.fixture(scope="module")
def backend(request: pytest.FixtureRequest, label_config: str) -> "Backend":
    """The model class of the folder of the test's file, for `label_config`: `predict`, `fit`, `check`."""
    from label_studio_ml.pytest_plugin.tested_backend import Backend

    return Backend(_folder(request), label_config)


@pytest.fixture
def studio_tasks(label_config: str) -> list[dict[str, Any]]:
    """Six sample tasks for `label_config`, as Label Studio sends them, with their files in them."""
    from label_studio_ml import samples

    return samples.tasks(label_config, 6)


def _folder(request: pytest.FixtureRequest) -> Path:
    """Return the backend's folder: that of the option or ini value, else that of the test's file."""
    return _path(request.config, _FOLDER) or request.path.parent


def _path(config: pytest.Config, name: str) -> Path | None:
    """Return the path of an option, relative to the working folder, or of an ini value, relative to its file."""
    option = config.getoption(name)
    if option:
        return Path(option)
    ini = config.getini(name)
    return config.rootpath / ini if ini else None

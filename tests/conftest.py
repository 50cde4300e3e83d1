"""What holds for every test: settings come from the test, not from whoever runs it."""

import logging
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

import api_answers
from helpers import Captured, all_captured
from label_studio_ml.config.settings import Settings
from label_studio_ml.monitoring import logs

# No example may fail because the machine is busy. (In CI, hypothesis's own profile makes the same examples each time.)
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

# A shell starts what runs in its background deaf to Ctrl-C, and programs that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


#: Environment variables that change how a backend runs.
_VARIABLES = (
    *Settings(backend_dir=Path()).to_env(),
    *(f"{prefix}_{part}" for prefix in ("BASIC_AUTH", "ML_SERVER_BASIC_AUTH") for part in ("USER", "PASS")),
    *("REDIS_HOST", "REDIS_PORT", "REDIS_URL", "MODEL_DIR", "LABEL_STUDIO_HOST", "LABEL_STUDIO_URL"),
    *("LABEL_STUDIO_API_KEY", "LABEL_STUDIO_ACCESS_TOKEN", "LABEL_STUDIO_ML_SCRIPT", "LABEL_STUDIO_ML_CLASS"),
)

#: Names of the modules of a backend's folder, wherever the folder is.
_MODEL_MODULES = ("model", "_wsgi")


api_answers.install()


@pytest.fixture
def clean_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that sets nothing of a backend."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Take back what a test's commands say about logging: in a test they are not the whole process."""
    handlers, level, disabled = logging.root.handlers[:], logging.root.level, logging.root.manager.disable
    logs.request_id.set("")  # a test that calls endpoints without an event loop leaves its request's id
    logs.request_ids.set(())
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.disable(disabled)
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.fixture(autouse=True)
def _user_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget the model files that a test imports, because files of other tests have the same names."""
    before = set(sys.modules)
    yield
    folder = f"{tmp_path_factory.getbasetemp()}{os.sep}"
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if name in _MODEL_MODULES or file.startswith(folder):
            del sys.modules[name]


@pytest.fixture(params=all_captured(), ids=lambda one: one.name)
def any_captured(request: pytest.FixtureRequest) -> Captured:
    """Each captured request in turn."""
    found: Captured = request.param
    return found


def _hold_answers() -> Generator[None, None, None]:
    """Fail a part of a test during which a backend answered otherwise than its OpenAPI document says."""
    yield
    if differences := api_answers.HELD.take():
        pytest.fail("Answers differ from /openapi.json:\n" + "\n".join(differences[:5]), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Hold the answers that a test got."""
    yield from _hold_answers()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    """Hold the answers that its fixtures got at its end."""
    yield from _hold_answers()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what is not text in a test's output: pytest-xdist cannot send it from one process to another."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let unit tests' models answer with regions that only say which task they are for; end-to-end tests may not."""
    if "e2e" in item.path.relative_to(Path(__file__).parent).parts:
        os.environ.pop("INVALID_PREDICTIONS", None)
    else:
        os.environ["INVALID_PREDICTIONS"] = "send"

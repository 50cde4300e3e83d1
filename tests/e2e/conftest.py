"""A real Label Studio for the session, backends for a test, and a browser."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .backend import CLI, Backend, clean_environment
from .browser import Browser
from .studio import Studio, StudioServer, migrated_data

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = Path(__file__).parent / "models"

MakeBackend = Callable[..., Backend]
StartStudio = Callable[..., StudioServer]

failed = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder; a test's time-out includes starting a Label Studio."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(600))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:  # the report travels through as it is
    """Remember whether the test failed, so that fixtures can show logs."""
    report = yield
    if report is not None and getattr(report, "failed", False):
        item.stash[failed] = True
    return report


def missing(what: str) -> None:
    """Fail where everything has to be there (CI), skip where a person may do without."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}. `make test` installs it", pytrace=False)
    pytest.skip(f"{what}. `make test` installs it")


@pytest.fixture(scope="session")
def studio_venv() -> Path:
    """The environment that holds Label Studio."""
    folder = Path(os.environ.get("LABEL_STUDIO_ML_TEST_STUDIO") or ROOT / ".venvs" / "label-studio")
    if not (folder / "bin" / "label-studio").is_file():
        missing(f"no Label Studio in {folder}")
    return folder


@pytest.fixture(scope="session")
def start_studio(studio_venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartStudio]:
    """Return a function that starts a Label Studio with fresh data; its arguments are those of `start`.

    `env` is what its environment has beside the usual.
    """
    template = migrated_data(studio_venv, ROOT / ".cache")
    servers = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> StudioServer:
        folder = tmp_path_factory.mktemp("label-studio")
        shutil.copytree(template, folder / "data")
        log = folder / "label-studio.log"
        servers.append(StudioServer(studio_venv, folder / "data", log, arguments, env=env))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def label_studio(start_studio: StartStudio) -> Studio:
    """The API of a Label Studio that all tests of the session share: each makes projects of its own."""
    return start_studio().wait()


@pytest.fixture(scope="session")
def personal_token(label_studio: Studio) -> str:
    """A personal access token. A user has one at a time, and Label Studio shows it only when it is made."""
    return str(label_studio.call("POST", "/api/token/")["token"])


@pytest.fixture
def make_backend(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeBackend]:
    """Return a function that makes a backend of a file in `models` with `init` and starts it."""
    backends: list[Backend] = []

    def make(model: str, *, arguments: tuple[str, ...] = (), env: dict[str, str] | None = None) -> Backend:
        folder = tmp_path / f"{Path(model).stem}_{len(backends)}"
        init = [*CLI, "init", folder.name, "--script", str(MODELS / model)]
        done = subprocess.run(
            init, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        backend = Backend(folder, tmp_path / f"{folder.name}.log", arguments=arguments, env=env)
        backends.append(backend)
        backend.start()
        return backend

    yield make
    left = [pid for backend in backends for pid in backend.stop()]
    if request.node.stash.get(failed, False):
        for backend in backends:
            for log in (backend.log, *sorted((backend.folder / "logs").glob("*.log"))):
                print(f"--- {log}\n{log.read_text(errors='replace')[-6000:] if log.exists() else '(none)'}")
    assert not left, f"processes that outlived their backend: {left}"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    executable = shutil.which("chromium")
    if executable is None:
        missing("no chromium on PATH")
        raise AssertionError
    with Browser(executable, ROOT / "artefacts") as running:
        yield running

"""The tutorial's production mode: `docker compose up`, in real containers, with a real Label Studio in one of them."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from label_studio_ml import __version__

from .backend import CLI, clean_environment
from .conftest import MODELS, ROOT
from .containers import STORE, Compose, Podman, pip_volumes, require_containers
from .processes import free_port, wait_until
from .studio import PASSWORD, TOKEN, USERNAME, Studio, choice, chosen, migrated_data, studio_environment

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="choice" toName="text">'
    '<Choice value="good"/><Choice value="bad"/></Choices></View>'
)

#: Building an image installs all that the server needs.
builds = pytest.mark.timeout(1800)


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Podman:
    require_containers()
    return Podman(STORE, tmp_path_factory.mktemp("podman"))


@pytest.fixture(scope="session")
def bases(podman: Podman) -> tuple[str, str]:
    """Two images to build on, without Python and with it."""
    return podman.bases()


def _init(folder: Path, script: Path = MODELS / "seed_class.py") -> str:
    """Make a backend's folder; return what `init` said."""
    init = [*CLI, "init", folder.name, "--script", str(script)]
    done = subprocess.run(
        init, cwd=folder.parent, env=clean_environment(), check=True, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def _studio_in_a_container(base: str, studio_venv: Path, data: Path) -> dict[str, object]:
    """Return what the compose file's label-studio becomes here: the one that all tests use, in a container."""
    studio_venv = studio_venv.resolve()
    home = Path(os.path.realpath(studio_venv / "bin" / "python")).parent.parent
    places = [studio_venv, *([home] if home != Path("/usr") else [])]
    env = {
        name: value
        for name, value in studio_environment(Path("/label-studio/data"), "").items()
        if name.startswith(("LABEL_STUDIO_", "SENTRY", "FRONTEND", "COLLECT", "LATEST", "PYTHON"))
    }
    del env["LABEL_STUDIO_HOST"]
    return {
        "image": base,
        "command": [
            *(str(studio_venv / "bin" / "label-studio"), "start", "--no-browser", "--port", "8080"),
            *("--internal-host", "0.0.0.0", "--username", USERNAME, "--password", PASSWORD),
            *("--user-token", TOKEN, "--enable-legacy-api-token"),
        ],
        "environment": env,
        "volumes": [*(f"{place}:{place}:ro" for place in places), f"{data}:/label-studio/data"],
    }


@pytest.fixture
def compose(podman: Podman, bases: tuple[str, str], studio_venv: Path, tmp_path: Path) -> Iterator[Compose]:
    """A backend's folder as `init` writes it; its containers end with the test."""
    template = migrated_data(studio_venv, ROOT / ".cache")
    shutil.copytree(template, tmp_path / "label-studio")
    folder = tmp_path / "words"
    _init(folder)
    _, base = bases
    override = tmp_path / "override.json"  # JSON is YAML
    service = _studio_in_a_container(base, studio_venv, tmp_path / "label-studio")
    override.write_text(json.dumps({"services": {"label-studio": service}}))
    env = {
        "BASE_IMAGE": base,
        "REDIS_IMAGE": base,
        "BACKEND_IMAGE": f"localhost/lsml-test-words:{os.getpid()}",
        "BACKEND_PORT": str(free_port()),
        "LABEL_STUDIO_PORT": str(free_port()),
        "LABEL_STUDIO_URL": "http://label-studio.ml.internal:8080",
        "LABEL_STUDIO_API_KEY": TOKEN,
        "HOST_GATEWAY": "127.0.0.1",
    }
    made = Compose(podman, folder, env, [folder / "docker-compose.yml", override])
    made.backend_url = f"http://127.0.0.1:{env['BACKEND_PORT']}"
    made.studio = Studio(f"http://127.0.0.1:{env['LABEL_STUDIO_PORT']}")
    mounts = " ".join(f"-v {mount}" for mount in pip_volumes(tmp_path))
    made.build = (f"--podman-build-args=--layers {mounts}",)
    try:
        yield made
    finally:
        print(made.logs())
        made("--profile", "label-studio", "down", "--volumes", "--timeout", "5", check=False)
        podman("rmi", "--no-prune", env["BACKEND_IMAGE"], check=False)


def _up(compose: Compose) -> None:
    compose(*compose.build, "--profile", "label-studio", "up", "--build", "--detach", deadline=1500)
    wait_until(lambda: _status(f"{compose.backend_url}/readyz") == 200, "the server is ready", 240)
    wait_until(lambda: _status(f"{compose.studio.url}/health") == 200, "Label Studio answers", 240)


def _status(url: str) -> int:
    try:
        return requests.get(url, timeout=20).status_code
    except requests.RequestException:
        return 0


@builds
def test_compose_up(compose: Compose) -> None:
    _up(compose)
    studio = compose.studio
    assert compose.execute("server", "id", "-u").strip() == "1000"
    assert compose.execute("worker", "id", "-u").strip() == "1000"

    project = studio.create_project("words", CONFIG)
    first, second, third = studio.import_tasks(
        project, [{"text": "nice day"}, {"text": "rain"}, {"text": "rain"}]
    )
    studio.add_backend(project, "http://words.ml.internal:9090")
    assert studio.webhooks(project), "Label Studio makes a webhook for a host name with dots"
    assert studio.backend(project)["state"] == "CO"
    assert [chosen(one) for one in studio.get_task(first)["predictions"]] == ["good"]

    compose.execute("worker", "touch", "/app/hold")
    studio.annotate(second, choice("bad"))
    wait_until(lambda: "holding" in compose.execute("worker", "ls", "/app"), "the training runs")
    assert [chosen(one) for one in studio.get_task(third)["predictions"]] == ["good"]  # nobody waits for it
    compose.execute("worker", "rm", "/app/hold")

    def version() -> str:
        found = str(studio.backend(project)["model_version"])
        return "" if found == "INITIAL" else found

    trained = wait_until(version, "the new version is served")
    studio.retrieve_predictions(project, [third])
    assert ("bad", trained) in {
        (chosen(one), one["model_version"]) for one in studio.get_task(third)["predictions"]
    }
    folder = compose.folder / "logs"
    assert "Serving" in (folder / "server.log").read_text()
    assert "is published" in (folder / "rq.log").read_text()
    assert list((folder / "jobs").glob("*.log"))

    compose("--profile", "label-studio", "down", "--timeout", "30")
    assert not compose.container("server")
    _up(compose)
    assert version() == trained
    (fourth,) = studio.import_tasks(project, [{"text": "rain"}])
    assert [(chosen(one), one["model_version"]) for one in studio.get_task(fourth)["predictions"]] == [
        ("bad", trained)
    ]
    studio.annotate(first, choice("good"))
    wait_until(lambda: version() != trained, "it goes on learning")


@builds
def test_build_on_a_base_without_python(podman: Podman, bases: tuple[str, str], tmp_path: Path) -> None:
    """As NVIDIA's CUDA images are, which this stands in for. What is built there serves."""
    bare, _ = bases
    assert not podman("run", "--rm", bare, "sh", "-c", "command -v python3", check=False).strip()
    folder = tmp_path / "words"
    _init(folder)
    image = f"localhost/lsml-test-cuda:{os.getpid()}"
    mounts = [word for mount in pip_volumes(tmp_path) for word in ("-v", mount)]
    build = ("build", "--layers", "--build-arg", f"BASE={bare}", "--tag", image, *mounts, str(folder))
    podman(*build, deadline=1500)
    name = f"lsml-cuda-{os.getpid()}"
    try:
        podman("run", "--detach", "--rm", "--name", name, "--network", "none", image)
        ask = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:9090/health').read().decode())"
        wait_until(
            lambda: '"UP"' in podman("exec", name, "python", "-c", ask, check=False), "it serves", every=0.5
        )
    finally:
        podman("rm", "--force", "--time", "1", name, check=False)
        podman("rmi", "--no-prune", image, check=False)


@builds
def test_an_older_backends_requirements(podman: Podman, bases: tuple[str, str], tmp_path: Path) -> None:
    """Its pins of this package and of RQ are taken out; what else has to give way is named; `evaluate` can run."""
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy(MODELS / "seed_class.py", old / "model.py")
    # The comment is another one each time: what an earlier run built says nothing when it is taken from the cache.
    (old / "requirements.txt").write_text(
        f"# {tmp_path}\nlabel-studio-ml==1.0.8\nrq==1.10.1\nredis==4.3.4\ngunicorn==20.1.0\njoblib\n"
    )
    (old / "requirements-base.txt").write_text(
        "label-studio-ml @ git+https://github.com/HumanSignal/label-studio-ml-backend.git@master\n"
    )
    said = _init(tmp_path / "words", old / "model.py")
    assert "label-studio-ml==1.0.8 is taken out" in said
    assert "rq==1.10.1 is taken out" in said
    image = f"localhost/lsml-test-older:{os.getpid()}"
    mounts = [word for mount in pip_volumes(tmp_path) for word in ("-v", mount)]
    arguments = ["--build-arg", f"BASE={bases[1]}", "--build-arg", "EXTRAS=evaluate"]
    build = ("build", "--layers", *arguments, "--tag", image, *mounts, str(tmp_path / "words"))
    try:
        output = podman(*build, deadline=1500)
        assert "requirements.txt asks for gunicorn==20.1.0; gunicorn" in output
        program = "import rq, nervaluate, jiwer, label_studio_ml as m; print(m.__version__, rq.VERSION)"
        said = podman("run", "--rm", "--network", "none", image, "python", "-c", program)
        shown = said.splitlines()[-1].split()
        assert shown[0] == __version__
        assert shown[1].startswith("2."), shown
    finally:
        podman("rmi", "--no-prune", image, check=False)


@builds
def test_a_base_with_an_old_python_is_named(podman: Podman, bases: tuple[str, str], tmp_path: Path) -> None:
    """Simulated: a sitecustomize in the base says that its Python is 3.10."""
    _init(tmp_path / "words")
    base = f"localhost/lsml-test-old-python:{os.getpid()}"
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "sitecustomize.py").write_text(
        "import sys\nsys.version_info = (3, 10, 12, 'final', 0)\nsys.version = '3.10.12 (main)'\n"
    )
    (tmp_path / "base" / "Dockerfile").write_text(
        f"FROM {bases[1]}\nCOPY sitecustomize.py /old/\nENV PYTHONPATH=/old\n"
    )
    podman("build", "--tag", base, str(tmp_path / "base"))
    try:
        output = podman("build", "--build-arg", f"BASE={base}", str(tmp_path / "words"), check=False)
        said = (
            "BASE has Python 3.10.12, and label-studio-ml needs 3.11 or newer: build with --build-arg BASE="
        )
        assert [line for line in output.splitlines() if line.startswith(said)], output
    finally:
        podman("rmi", "--no-prune", base, check=False)

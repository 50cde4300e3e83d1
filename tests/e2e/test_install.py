"""The package as users install it: beside the current Label Studio, built and not editable."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from helpers import captured

from .backend import clean_environment
from .conftest import MODELS
from .processes import Program, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]


def _run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def beside_studio(studio_venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that sees all of Label Studio's packages, with ours installed from this checkout by pip."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    packages = studio_venv / "lib" / f"python{version}" / "site-packages"
    assert packages.is_dir(), f"Label Studio's environment has another Python than {version}"
    venv = tmp_path_factory.mktemp("install") / "venv"
    _run(sys.executable, "-m", "venv", venv)
    # The pip that comes with Python 3.11 tries one version of boto3 after the other, for minutes.
    _run(venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--upgrade", "pip")
    # A new environment's setuptools (Python 3.11 puts one there) would hide Label Studio's.
    _run(venv / "bin" / "python", "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools")
    own = venv / "lib" / f"python{version}" / "site-packages"
    (own / "label-studio.pth").write_text(f"{packages}\n")
    _run(
        venv / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        f"{ROOT}[evaluate,s3,gcs,azure]",
    )
    return venv


def test_pip_has_nothing_to_complain_of(beside_studio: Path) -> None:
    listed = _run(beside_studio / "bin" / "python", "-m", "pip", "list", "--format=freeze")
    assert "label-studio==1.23.2" in listed
    assert "label-studio-ml==" in listed
    for package in ("nervaluate", "s3fs", "gcsfs", "adlfs"):
        assert f"{package}==" in listed
    _run(beside_studio / "bin" / "python", "-m", "pip", "check")


def test_the_command_and_its_templates_are_there(beside_studio: Path, tmp_path: Path) -> None:
    _run(beside_studio / "bin" / "label-studio-ml", "init", "made", cwd=tmp_path)
    assert {"model.py", "_wsgi.py", "Dockerfile", "docker-compose.yml", "test_api.py", "README.md"} <= {
        path.name for path in (tmp_path / "made").iterdir()
    }
    where = _run(
        beside_studio / "bin" / "python", "-c", "import label_studio_ml as m; print(m.__file__)", cwd=tmp_path
    )
    assert str(beside_studio) in where
    assert (Path(where.strip()).parent / "py.typed").is_file()


def test_it_serves_and_trains_there(beside_studio: Path, tmp_path: Path) -> None:
    """With the releases of redis-py and RQ that the current Label Studio pins."""
    (tmp_path / "made").mkdir()
    shutil.copy(MODELS / "dummy.py", tmp_path / "made" / "model.py")
    port = free_port()
    url = f"http://localhost:{port}"
    command = [str(beside_studio / "bin" / "label-studio-ml"), "start", "made", "--port", str(port)]
    program = Program(command, cwd=tmp_path, env=clean_environment(), log=tmp_path / "log")

    def send(name: str) -> Any:
        request = captured(name)
        answer = requests.request(request.method, url + request.path, json=request.json, timeout=60)
        assert answer.ok, f"{answer.text}\n{program.output()[-3000:]}"
        return answer.json()

    def answers() -> bool:
        assert program.running, program.output()[-3000:]
        try:
            answer = requests.get(f"{url}/readyz", timeout=10)
        except requests.RequestException:
            return False
        # It is ready to predict before its broker is up, and refuses to train until then.
        return answer.status_code == 200 and answer.json()["broker"] == "ok"

    def status() -> dict[str, Any]:
        answer = requests.post(f"{url}/job_status", json={"job": job}, timeout=60).json()
        return answer if answer["job_status"] in ("finished", "failed", "interrupted") else {}

    try:
        wait_until(answers, "it is ready")
        assert send("setup")["model_version"] == "INITIAL"
        (entry,) = send("predict_task_opened")["results"]
        assert entry["result"], entry
        send("webhook_ANNOTATION_CREATED")
        job = send("webhook_START_TRAINING")["job"]
        done = wait_until(status, "the training has ended")
        assert done["job_status"] == "finished", done
        wait_until(lambda: send("setup")["model_version"] == done["model_version"], "it is served")
    finally:
        assert program.stop() == []

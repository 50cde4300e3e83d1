"""The Python environments that examples run in: one with our package, one with the older one.

With stand-ins all examples share two environments. Without, each example has two of its own, with its requirements.
"""

import hashlib
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from runner.checkout import Checkout, Example

ROOT = Path(__file__).resolve().parent.parent.parent
STAND_INS = ROOT / "compatibility" / "stand_ins"
VENVS = ROOT / ".venvs" / "compatibility"

#: What several examples import, and is installed rather than replaced: small, from the package index alone.
LIGHT = (
    *("gunicorn>=22", "numpy<3", "pandas", "pillow", "scikit-learn", "scipy", "requests", "python-dotenv"),
    *("opencv-python-headless", "tenacity", "tqdm"),
)

#: Release 1.0.9 on a newer Python: it forgets redis and rq; gunicorn 20 needs pkg_resources.
RELEASE_1 = (
    *("label-studio-ml==1.0.9", "redis", "rq==1.10.1", "gunicorn==20.1.0", "setuptools<70"),
    *("markupsafe==2.0.1", "click<8.2", "label-studio-sdk<1", "requests", "pillow"),
)
LIGHT_1 = ("numpy<3", "pandas", "scikit-learn", "scipy", "tqdm")

#: A requirement that names the package itself, ours or the older one.
_PACKAGE = re.compile(
    r"\s*(-e\s+)?(label[-_.]studio[-_.]ml\s*(\[|[=<>~!;@#]|$)|\S*label-studio-ml-backend)", re.I
)

#: A requirement that is fetched from a repository, with the name it has in the package index.
_REPOSITORY = re.compile(r"\s*([\w.-]+)\s*@\s*git\+")


class CannotInstall(Exception):
    """Requirements that cannot be installed here. The text is the cause, one line."""


@dataclass(frozen=True)
class Environments:
    """The environments of one example; `reference` is None where the older package cannot be run, with `because`."""

    ours: Path
    reference: Path | None
    because: str = ""
    stand_ins: bool = False

    @property
    def variables(self) -> dict[str, str]:
        """What is set for every backend: where the stand-ins are, if they are used."""
        return {"PYTHONPATH": str(STAND_INS)} if self.stand_ins else {}


def shared(checkout: Checkout) -> Environments:
    """Make the two environments that all examples share where stand-ins replace what is heavy."""
    ours = VENVS / "ours"
    _make(ours, [list(LIGHT), ["-e", str(ROOT)]])
    return _with_reference(ours, VENVS / f"reference-{checkout.generation}", checkout, [], stand_ins=True)


def for_own_tests(checkout: Checkout) -> tuple[Path, Path | None]:
    """Make the environments for the older package's unit tests: with our package, and with its own (or None)."""
    wanted = ["pytest", "requests-mock", "responses", "pillow"]
    ours = VENVS / "tests-ours"
    _make(ours, [wanted, ["-e", str(ROOT)]])
    place = VENVS / f"tests-reference-{checkout.generation}"
    return ours, _with_reference(ours, place, checkout, wanted, stand_ins=False).reference


def of_example(checkout: Checkout, example: Example) -> Environments:
    """Make the two environments of one example, with its own requirements. Raises CannotInstall."""
    wanted = requirements(example.folder)
    ours = VENVS / f"{example.name}-ours"
    _make(ours, [wanted, ["gunicorn>=22", "-e", str(ROOT)]])
    place = VENVS / f"{example.name}-reference"
    return _with_reference(ours, place, checkout, wanted, stand_ins=False)


def _with_reference(
    ours: Path, place: Path, checkout: Checkout, wanted: list[str], *, stand_ins: bool
) -> Environments:
    try:
        if checkout.generation == "1.x":
            light = [*RELEASE_1, *(LIGHT_1 if stand_ins else wanted)]
            _make(place, [light])
        elif checkout.package is None:
            return Environments(ours, None, "the checkout has no label_studio_ml package", stand_ins)
        else:
            base = [*_lines(checkout.folder / "requirements.txt"), "gunicorn>=22"]
            _make(place, [[*base, *(LIGHT if stand_ins else wanted)]])
            _install_package(place, checkout)
    except CannotInstall as error:
        return Environments(ours, None, str(error), stand_ins)
    return Environments(ours, place, stand_ins=stand_ins)


def requirements(folder: Path) -> list[str]:
    """Return the requirements of an example without those that name the older package or ours."""
    return [
        line
        for name in ("requirements-base.txt", "requirements.txt")
        if (folder / name).is_file()
        for line in _lines(folder / name)
    ]


def _lines(file: Path) -> list[str]:
    """Return a file's requirements; where one is fetched from a repository, the release of that name instead."""
    if not file.is_file():
        return []
    kept = []
    for line in file.read_text().splitlines():
        text = line.split(" #")[0].strip()
        if not text or text.startswith(("#", "-r", "--")) or _PACKAGE.match(text):
            continue
        repository = _REPOSITORY.match(text)
        kept.append(repository[1] if repository else text)
    return kept


def _install_package(venv: Path, checkout: Checkout) -> None:
    """Put the checkout's package into `venv`, without what it asks for: that is there. The checkout stays as it is."""
    assert checkout.package is not None
    (target,) = (venv / "lib").glob("python3.*/site-packages")
    shutil.rmtree(target / "label_studio_ml", ignore_errors=True)
    left_out = shutil.ignore_patterns("__pycache__", "examples")
    shutil.copytree(checkout.package, target / "label_studio_ml", ignore=left_out)


def _make(venv: Path, steps: list[list[str]]) -> None:
    """Make `venv` and install each step's requirements in it, unless it was made so. Raises CannotInstall."""
    recipe = hashlib.sha256(f"{sys.version} {steps}".encode()).hexdigest()
    stamp = venv / "made-from"
    if stamp.is_file() and stamp.read_text() == recipe:
        return
    setup = _setup()
    setup.say(f"{venv.relative_to(ROOT)}")
    shutil.rmtree(venv, ignore_errors=True)
    uv = setup.TOOLS / "uv" / "bin" / "uv"
    if not setup.tool("uv"):
        raise CannotInstall("uv cannot be installed")
    _run(uv, "venv", "--quiet", "--seed", "--python", sys.executable, venv)
    for step in steps:
        if step:
            _run(uv, "pip", "install", "--quiet", "--python", venv / "bin" / "python", *step)
    stamp.write_text(recipe)


def _run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        lines = [line.strip(" ×╰─▶│") for line in done.stderr.splitlines() if line.strip()]
        raise CannotInstall(" ".join(lines)[:300] or f"{command[1]} failed")


def _setup() -> SimpleNamespace:
    """Return what scripts/setup defines: it knows how to get uv."""
    return SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "setup")))

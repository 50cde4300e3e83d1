"""Compare requirements, of this package or of a user's requirements file, with the installed versions."""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

from label_studio_ml import package_name
from label_studio_ml.errors import SettingsError
from label_studio_ml.support.texts import shell_command

if TYPE_CHECKING:
    from packaging.requirements import Requirement

#: Packages without which, in the required version, workers cannot train.
_TRAINING_PACKAGES = ("rq", "redis")


def package_requirements() -> "dict[str, Requirement]":
    """Return this package's own requirements on this platform, by normalized name, without extras.

    Empty if pip did not install this package, or if the library `packaging` is missing.
    """
    try:
        lines = requires(package_name) or []
    except PackageNotFoundError:
        return {}
    return {normalized(item.name): item for item in parse(lines)}


def parse(lines: Iterable[str]) -> "Iterator[Requirement]":
    """Yield those requirements of a requirements file, given as lines, that apply on this platform.

    Options, paths and URLs are skipped. Yields nothing if the library `packaging` is missing.
    """
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:  # installed with label-studio-sdk and with gunicorn
        return
    for line in lines:
        try:
            item = Requirement(re.sub(r"(^|\s)#.*", "", line).split(" --hash", 1)[0].strip().rstrip("\\"))
        except InvalidRequirement:
            continue
        if not item.url and (item.marker is None or item.marker.evaluate({"extra": ""})):
            yield item


def unmet(items: "Iterable[Requirement]") -> "Iterator[tuple[Requirement, str]]":
    """Yield the requirements that are not met, each with the installed version (empty: not installed)."""
    for item in items:
        try:
            installed = version(item.name)
        except PackageNotFoundError:
            installed = ""
        if not installed or not item.specifier.contains(installed, prereleases=True):
            yield item, installed


def check_training() -> None:
    """Raise SettingsError if RQ or the Redis client is missing or of a version that workers cannot use."""
    requirements = package_requirements()
    for item, installed in unmet(requirements[name] for name in _TRAINING_PACKAGES if name in requirements):
        requirement = f"{item.name}{item.specifier}"
        problem = f"{item.name} {installed} is installed" if installed else f"{item.name} is not installed"
        raise SettingsError(
            f"{problem}, and label-studio-ml needs {requirement}: no training could run",
            fix=f"Run {shell_command('pip', 'install', requirement)}, "
            f"and take {item.name} out of the requirements that pin it",
            field=item.name,
        )


def normalized(name: str) -> str:
    """Return a distribution's name in normalized form (PEP 503), for comparison."""
    return re.sub(r"[-_.]+", "-", name).lower()

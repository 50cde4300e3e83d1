"""Compare requirements with what is installed: those of this package, and those of a user's requirements file."""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

from label_studio_ml import package_name
from label_studio_ml.errors import SettingsError
from label_studio_ml.texts import shell_command

if TYPE_CHECKING:
    from packaging.requirements import Requirement

#: Without these in the right version, no worker trains.
_FOR_TRAINING = ("rq", "redis")


def needed() -> "dict[str, Requirement]":
    """Return what this package itself requires on this platform, by normalized name; extras are left out.

    Empty where pip did not install the package, or nothing that reads versions is installed.
    """
    try:
        lines = requires(package_name) or []
    except PackageNotFoundError:
        return {}
    return {normalized(item.name): item for item in parse(lines)}


def parse(lines: Iterable[str]) -> "Iterator[Requirement]":
    """Yield the requirements among the lines of a requirements file that apply here.

    Options, paths and URLs are left out.
    """
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:  # it comes with label-studio-sdk and with gunicorn
        return
    for line in lines:
        try:
            item = Requirement(re.sub(r"(^|\s)#.*", "", line).split(" --hash", 1)[0].strip().rstrip("\\"))
        except InvalidRequirement:
            continue
        if not item.url and (item.marker is None or item.marker.evaluate({"extra": ""})):
            yield item


def unmet(items: "Iterable[Requirement]") -> "Iterator[tuple[Requirement, str]]":
    """Yield those that are not met here, each with the version that is installed (empty: none)."""
    for item in items:
        try:
            installed = version(item.name)
        except PackageNotFoundError:
            installed = ""
        if not installed or not item.specifier.contains(installed, prereleases=True):
            yield item, installed


def check_training() -> None:
    """Raise SettingsError if RQ or Redis' client is missing or of a version that workers cannot run on."""
    wanted = needed()
    for item, installed in unmet(wanted[name] for name in _FOR_TRAINING if name in wanted):
        spelled = f"{item.name}{item.specifier}"
        found = f"{item.name} {installed} is installed" if installed else f"{item.name} is not installed"
        raise SettingsError(
            f"{found}, and label-studio-ml needs {spelled}: no training could run",
            fix=f"Run {shell_command('pip', 'install', spelled)}, "
            f"and take {item.name} out of the requirements that pin it",
            field=item.name,
        )


def normalized(name: str) -> str:
    """Return a distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()

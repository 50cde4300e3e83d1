"""Remove from a user's requirements files what conflicts with this package, and report unmet requirements.

`init` does the former. `python -m label_studio_ml.cli.requirements FILE`, which the Dockerfile that `init` writes runs,
does the latter: it prints a line for each requirement of FILE that the environment does not meet.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from label_studio_ml import package_name
from label_studio_ml.cli.streams import say
from label_studio_ml.user_code.installed_packages import normalized, package_requirements, parse, unmet

if TYPE_CHECKING:
    from packaging.specifiers import Specifier

#: A line that installs this package, or the older one of the same name: by name, by URL, or by path.
_OWN_PACKAGE = re.compile(
    r"\s*(-e|--editable)?[\s=]*(label[-_.]studio[-_.]ml\s*(\[|[=<>~!;@#]|$)|[^#\s]*label-studio-ml-backend)",
    re.IGNORECASE,
)

#: A line that includes another of the files that `init` writes or takes over.
_INCLUDE = re.compile(r"\s*(-r|--requirement)[\s=]*(\./)?requirements[\w.-]*\.txt\s*(#.*)?$")


def own_requirements(text: str, file: str, *, includes: bool = True) -> tuple[str, list[str]]:
    """Comment out the lines of a requirements file that the backend's own requirements replace.

    Return the new text, and a note for each such line. `text` is the content, `file` the name for the notes. The lines
    are those that install this package, and those whose version conflicts with a dependency of this package. Unless
    `includes`, lines that include another requirements file become comments, too, without a note.
    """
    own_requirements_by_name = package_requirements()
    new_lines: list[str] = []
    notes: list[str] = []
    for lines in _logical_lines(text):
        logical_line = " ".join(line.rstrip("\\\n") for line in lines)
        reason = ""
        if _OWN_PACKAGE.match(logical_line):
            reason = f"{package_name} is in requirements-base.txt"
        elif not includes and _INCLUDE.match(logical_line):
            new_lines.extend(f"# {line}" for line in lines)
            continue
        else:
            for item in parse([logical_line]):
                own = own_requirements_by_name.get(normalized(item.name))
                if own is not None and _excluded(str(item.specifier), str(own.specifier)):
                    reason = f"{package_name} needs {own.name}{own.specifier}"
        if reason:
            new_lines.append(f"# Taken out by init, {reason}:\n")
            new_lines.extend(f"# {line}" for line in lines)
            notes.append(f"{file}: {logical_line.split(' --hash')[0].strip()} is taken out, {reason}")
        else:
            new_lines.extend(lines)
    return "".join(new_lines), notes


def _logical_lines(text: str) -> Iterator[list[str]]:
    """Yield the lines of `text` in lists; a list of several lines is one that backslashes join."""
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        lines.append(line if line.endswith("\n") else f"{line}\n")
        if not line.rstrip("\r\n").endswith("\\"):
            yield lines
            lines = []
    if lines:
        yield lines


def _excluded(pin: str, own: str) -> bool:
    """Tell whether the bounds of the specifiers `pin` and `own` show that no version satisfies both."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    allowed = SpecifierSet(own)
    lower_bounds = [Version(part.version) for part in allowed if part.operator in (">=", "~=")]
    upper_bounds = [Version(part.version) for part in allowed if part.operator == "<"]
    for part in SpecifierSet(pin):
        if part.operator in ("==", "~="):
            if not any(allowed.contains(version, prereleases=True) for version in _examples(part)):
                return True
        elif part.operator in ("<", "<="):
            bound = Version(part.version)
            if any(bound < low or (bound == low and part.operator == "<") for low in lower_bounds):
                return True
        elif part.operator in (">", ">=") and any(Version(part.version) >= high for high in upper_bounds):
            return True
    return False


def _examples(part: "Specifier") -> list[str]:
    """Return the lowest version that `==1.2`, `==1.2.*` or `~=1.2.3` matches; for the latter two also a high one."""
    first = part.version.removesuffix(".*")
    if part.operator == "~=":
        return [first, f"{first.rpartition('.')[0]}.99999"]
    return [first, f"{first}.99999"] if part.version.endswith(".*") else [first]


def main(files: Sequence[str]) -> int:
    """Print a line for each requirement of the files that the environment does not meet; return 0."""
    for name in files:
        for item, installed in unmet(parse(Path(name).read_text(encoding="utf-8").splitlines())):
            present = f"{item.name} {installed} is installed" if installed else "it is not installed"
            say(
                f"label-studio-ml: {name} asks for {item.name}{item.specifier}; {present}, because {package_name} or "
                f"one of its dependencies does not allow that version"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

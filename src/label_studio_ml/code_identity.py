"""Which code a model process or a training run has: hashes of the user's files, versions of what they import.

Found by reading, before the files are run: a version records the code that trained it, and a server compares that with
its own and with the files on the disk.
"""

import errno
import hashlib
import importlib.metadata
import os
from dataclasses import dataclass, field
from pathlib import Path

from label_studio_ml.imports import distribution, foreign_imports, imported_files

#: Hexadecimal digits of a code's hash that messages show.
SHORT = 8
#: Hexadecimal digits of the hash of the files, by which queues in Redis and jobs name a backend's code.
FILES_SHORT = 12


@dataclass(frozen=True, kw_only=True)
class CodeIdentity:
    """The code of a model class.

    `files` maps the model file and the modules that it imports from its folder, by their paths seen from there, to
    their sha256. `packages` maps the installed packages that these import to their versions. `hash` is the sha256 of
    both, empty where the code is not known.
    """

    hash: str = ""
    files: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """The first digits of the hash, as messages show it."""
        return self.hash[:SHORT]

    @property
    def files_hash(self) -> str:
        """A hash of the files alone: the same on machines with other packages."""
        return hashlib.sha256(repr(sorted(self.files.items())).encode()).hexdigest()[:FILES_SHORT]

    def same(self, other: "CodeIdentity") -> bool:
        """Tell whether both are the same code, as far as that is known."""
        return not self.hash or not other.hash or self.hash == other.hash

    def differences(self, other: "CodeIdentity") -> list[str]:
        """Return what differs: names of files, then packages with this version and the other's."""
        names = sorted(self.files.keys() | other.files.keys())
        changed = [name for name in names if self.files.get(name) != other.files.get(name)]
        for name in sorted(self.packages.keys() | other.packages.keys()):
            mine, theirs = self.packages.get(name, "none"), other.packages.get(name, "none")
            if mine != theirs:
                changed.append(f"{name} {mine} instead of {theirs}")
        return changed


def identify(script: Path) -> CodeIdentity:
    """Return the code of the model file `script` as it is on the disk. Raises ModelFileError if it is not Python.

    A file that disappears meanwhile is left out. Raises OSError where too many files are open.
    """
    script = script.resolve()
    files = {}
    for path in imported_files(script):
        try:
            content = path.read_bytes()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):  # it is there
                raise
            continue
        files[os.path.relpath(path, script.parent)] = hashlib.sha256(content).hexdigest()
    packages = _packages({item.target for item in foreign_imports(script)})
    import msgspec  # not at the top: the command line reads this module to print its help

    content = msgspec.json.encode([sorted(files.items()), sorted(packages.items())])
    return CodeIdentity(hash=hashlib.sha256(content).hexdigest(), files=files, packages=packages)


def signature(script: Path, names: dict[str, str]) -> tuple[tuple[str, int, int], ...]:
    """Return size and time of change of the files `names`, seen from the folder of `script`: quick to compare."""
    found = []
    for name in sorted({script.name, *names}):
        try:
            status = os.stat(script.parent / name)
        except OSError:
            found.append((name, -1, -1))
        else:
            found.append((name, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _packages(targets: set[str]) -> dict[str, str]:
    """Return the versions of the installed packages that carry the modules `targets`; those not found are left out."""
    found: dict[str, str] = {}
    carriers = None
    for target in sorted(targets):
        candidates = [distribution(target)]
        if not (version := _version(candidates[0])):
            if carriers is None:
                carriers = importlib.metadata.packages_distributions()
            candidates = sorted(set(carriers.get(target.partition(".")[0], [])))
        for name in candidates:
            if version := _version(name):
                found[name] = version
    return found


def _version(name: str) -> str:
    """Return an installed package's version, empty if there is no such package.

    Without its local part: what is built for another processor (2.4.0+cpu, 2.4.0+cu121) is the same code.
    """
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return ""

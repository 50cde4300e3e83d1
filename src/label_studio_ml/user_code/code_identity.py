"""Identify the code of a model class: hashes of the user's files, versions of the packages that they import.

Files are read, not run. A version records the code that trained it; a server compares that record with its own code
and with the files on the disk.
"""

import errno
import hashlib
import importlib.metadata
import os
from dataclasses import dataclass, field
from pathlib import Path

from label_studio_ml.user_code.import_scan import distribution, foreign_imports, imported_files

#: Hexadecimal digits of a code hash in messages.
HASH_DIGITS = 8
#: Hexadecimal digits of the hash of the files, which names a backend's code in Redis queues and in jobs.
FILES_HASH_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class CodeIdentity:
    """The code of a model class.

    `files` maps the model file and the modules that it imports from its folder, as paths relative to that folder, to
    their SHA-256. `packages` maps the installed packages that these files import to their versions. `hash` is the
    SHA-256 of both, empty if the code is unknown.
    """

    hash: str = ""
    files: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """The first digits of `hash`, for messages."""
        return self.hash[:HASH_DIGITS]

    @property
    def files_hash(self) -> str:
        """A hash of the files alone, which is equal on machines with other package versions."""
        return hashlib.sha256(repr(sorted(self.files.items())).encode()).hexdigest()[:FILES_HASH_DIGITS]

    def same(self, other: "CodeIdentity") -> bool:
        """Tell whether both are the same code; True if the hash of one is unknown."""
        return not self.hash or not other.hash or self.hash == other.hash

    def differences(self, other: "CodeIdentity") -> list[str]:
        """Return the differences: names of files, then packages with the version here and the version in `other`."""
        names = sorted(self.files.keys() | other.files.keys())
        changed = [name for name in names if self.files.get(name) != other.files.get(name)]
        for name in sorted(self.packages.keys() | other.packages.keys()):
            version, other_version = self.packages.get(name, "none"), other.packages.get(name, "none")
            if version != other_version:
                changed.append(f"{name} {version} instead of {other_version}")
        return changed


def identify(script: Path) -> CodeIdentity:
    """Return the code of the model file `script` on the disk. Raises ModelFileError if the file is not Python.

    Files that cannot be read are omitted. Raises OSError if too many files are open.
    """
    script = script.resolve()
    files = {}
    for path in imported_files(script):
        try:
            content = path.read_bytes()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):  # the file exists, so its hash is needed
                raise
            continue
        files[os.path.relpath(path, script.parent)] = hashlib.sha256(content).hexdigest()
    packages = _packages({item.target for item in foreign_imports(script)})
    import msgspec  # imported here because the command line imports this module to print its help

    content = msgspec.json.encode([sorted(files.items()), sorted(packages.items())])
    return CodeIdentity(hash=hashlib.sha256(content).hexdigest(), files=files, packages=packages)


def signature(script: Path, names: dict[str, str]) -> tuple[tuple[str, int, int], ...]:
    """Return name, size and modification time of `script` and `names`, paths relative to its folder."""
    entries = []
    for name in sorted({script.name, *names}):
        try:
            status = os.stat(script.parent / name)
        except OSError:
            entries.append((name, -1, -1))
        else:
            entries.append((name, status.st_size, status.st_mtime_ns))
    return tuple(entries)


def _packages(targets: set[str]) -> dict[str, str]:
    """Return the versions of the installed packages that provide the modules `targets`; unknown ones are omitted."""
    versions: dict[str, str] = {}
    providers = None
    for target in sorted(targets):
        candidates = [distribution(target)]
        if not (version := _version(candidates[0])):
            if providers is None:
                providers = importlib.metadata.packages_distributions()
            candidates = sorted(set(providers.get(target.partition(".")[0], [])))
        for name in candidates:
            if version := _version(name):
                versions[name] = version
    return versions


def _version(name: str) -> str:
    """Return an installed package's version, empty if it is not installed.

    The local part is omitted: builds for other processors (2.4.0+cpu, 2.4.0+cu121) count as the same code.
    """
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return ""

"""Export a version to one file, a gzipped tar archive, and read such a file on another machine."""

import contextlib
import gzip
import io
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from label_studio_ml.errors import VersionError
from label_studio_ml.storage import atomic_files
from label_studio_ml.storage.small_files import DamagedFile, parse_json
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import MANIFEST, TOMBSTONE, Manifest
from label_studio_ml.versions.store.manifest_files import manifest_text
from label_studio_ml.versions.store.names import name_problem
from label_studio_ml.versions.store.version_files import file_name
from label_studio_ml.versions.transfer import exported_manifest, write_checked

#: Maximum size in bytes of a manifest, and of any part of an archive that is read into memory at once.
_MAX_READ_SIZE = 64 << 20
_ID_PATTERN = re.compile(r"\w[\w.~-]{0,199}")
#: Names of other files in a project's folder, which no version may have as its id.
_RESERVED_NAMES = re.compile(r"changed|served\.json.*|.*\.(failed|lock)")


def export(store: VersionStore, manifest: Manifest, target: Path) -> Path:
    """Write a version's files and its manifest to `target`, a gzipped tar archive, and return `target`.

    The archive holds one folder, named after the version, with regular files only: no links, owners or absolute
    paths. The manifest has all key/value pairs that go with the version.
    Raises VersionError if the version is damaged, `target` exists already, or it cannot be written.
    """
    exported = exported_manifest(store, manifest)
    if target.exists():
        raise VersionError(
            f"{target} exists already", fix="Name another file, or remove it", field="--output"
        )
    try:
        with store.folders.writes(str(target)), atomic_files.replacing(target, mode=0o666) as file:
            write_archive(store, manifest, exported, file)
    except tarfile.TarError as error:
        raise VersionError(f"{target} cannot be written: {error}") from error
    return target


def write_archive(store: VersionStore, manifest: Manifest, exported: Manifest, file: IO[bytes]) -> None:
    """Write a version's archive to `file`, from its start to its end; `exported` is from `exported_manifest`.

    Raises OSError, or TarError if a file is shorter than it was.
    """
    folder, top_folder = store.folder(manifest.project, manifest.id), file_name(manifest.name)
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file) as zipped,
        tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        _add_text(archive, manifest_text(exported, folder), f"{top_folder}/{MANIFEST}")
        for name in manifest.files:
            _add(archive, folder / name, f"{top_folder}/{name}")


class Archive:
    """An open archive that `export` wrote. Raises VersionError if the file has any other content."""

    def __init__(self, path: Path, archive: tarfile.TarFile) -> None:
        self._path = path
        self._archive = archive
        self._top = ""
        self.manifest = self._read_manifest()

    def extract(self, folder: Path) -> None:
        """Write the version's files into `folder`, and compare each with its sha256.

        Raises VersionError if a file is missing, unexpected or changed, or the disk has too little room, OSError if a
        file cannot be written.
        """
        files, sizes = self.manifest.files, self.manifest.sizes
        self._check_space(folder, self.manifest.size)
        missing = set(files)
        with _archive_errors(self._path):
            while (member := self._archive.next()) is not None:
                name = self._name(member)
                if member.size < 0:
                    raise self._refusal(f"{name!r} has {member.size:,} bytes")
                if name not in missing:
                    raise self._refusal(f"{name!r} is not in its manifest, or is in the archive twice")
                if member.size != sizes[name]:
                    raise self._refusal(f"{name!r} has {member.size:,} bytes, {sizes[name]:,} were written")
                self._check_space(folder, member.size)
                missing.discard(name)
                write_checked(self._content(member).read, folder / name, files[name])
        if missing:
            raise self._refusal(f"{min(missing)!r} is missing")

    def _read_manifest(self) -> Manifest:
        with _archive_errors(self._path):
            member = self._archive.next()
            if member is None or self._name(member) != MANIFEST:
                raise self._refusal(f"it does not begin with a {MANIFEST}")
            if member.size > _MAX_READ_SIZE:
                raise self._refusal(f"its {MANIFEST} has {member.size:,} bytes")
            text = self._content(member).read(member.size)
        try:
            manifest = parse_json(text, Manifest)
        except DamagedFile as error:
            raise self._refusal(f"its {MANIFEST} cannot be used: {error}") from None
        if not _ID_PATTERN.fullmatch(manifest.id) or _RESERVED_NAMES.fullmatch(manifest.id):
            raise self._refusal(f"{manifest.id!r} is not an id of a version")
        if problem := name_problem(manifest.name):
            raise self._refusal(f"{manifest.name[:80]!r} is not a name of a version: {problem}")
        if not manifest.project.isprintable() or not 0 < len(manifest.project) <= 200:
            raise self._refusal(f"{manifest.project[:80]!r} is not the uid of a project")
        for name in manifest.files:
            self._check_name(name)
        if manifest.sizes.keys() != manifest.files.keys() or min(manifest.sizes.values(), default=0) < 0:
            raise self._refusal(f"its {MANIFEST} does not give each file's size")
        return manifest

    def _check_space(self, folder: Path, size: int) -> None:
        """Raise VersionError if the disk of `folder` has less than `size` bytes free."""
        free = shutil.disk_usage(folder).free
        if size > free:
            raise VersionError(
                f"{self._path} needs {size:,} bytes, and {free:,} are free", fix="Free disk space"
            )

    def _name(self, member: tarfile.TarInfo) -> str:
        """Return a member's path relative to the version's folder. Raises VersionError if it is not a file in it."""
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            raise self._refusal(f"{member.name!r} is not a regular file")
        top, _, name = member.name.partition("/")
        self._check_name(member.name)
        if not name or top != (self._top or top):
            raise self._refusal(f"{member.name!r} is not in the version's folder")
        self._top = top
        return name

    def _check_name(self, name: str) -> None:
        """Raise VersionError unless `name` is the relative path of a file inside a version's folder."""
        path = PurePosixPath(name)
        if (
            name in (MANIFEST, TOMBSTONE)
            or path.is_absolute()
            or ".." in path.parts
            or "\0" in name
            or str(path) != name
            or name == "."
        ):
            raise self._refusal(f"{name!r} is not a path in a version's folder")

    def _content(self, member: tarfile.TarInfo) -> io.BufferedIOBase:
        content = self._archive.extractfile(member)
        assert isinstance(content, io.BufferedIOBase)
        return content

    def _refusal(self, cause: str) -> VersionError:
        return VersionError(
            f"{self._path} is refused: {cause}",
            fix="Give a file that label-studio-ml export wrote",
            field="FILE",
        )


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open an archive that `export` wrote. Raises VersionError if the file is not such an archive."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise VersionError(f"{path} cannot be read: {error.strerror}", field="FILE") from None
    with raw, _LimitedGzipFile(fileobj=raw, mode="rb") as unzipped:
        with _archive_errors(path):
            archive = tarfile.open(fileobj=unzipped, mode="r:", errorlevel=2)  # noqa: SIM115
        yield Archive(path, archive)


class _LimitedGzipFile(gzip.GzipFile):
    """A gzip reader that refuses to read more than 64 MiB at once, so that a forged header cannot exhaust memory."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MAX_READ_SIZE:
            raise tarfile.ReadError("a header is too long")
        return super().read(size)


@contextlib.contextmanager
def _archive_errors(path: Path) -> Iterator[None]:
    """Translate the errors that reading a damaged archive raises into VersionError."""
    try:
        yield
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, RecursionError, ValueError) as error:
        raise VersionError(
            f"{path} is not an archive of a version, or it is damaged: {error}",
            fix="Give a file that label-studio-ml export wrote",
            field="FILE",
        ) from None


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add a file's content to the archive as `name`; of its metadata, only size and time are kept."""
    info = tarfile.TarInfo(name)
    status = path.stat()
    info.size, info.mtime, info.mode = status.st_size, int(status.st_mtime), 0o644
    with path.open("rb") as file:
        archive.addfile(info, file)


def _add_text(archive: tarfile.TarFile, text: str, name: str) -> None:
    info = tarfile.TarInfo(name)
    data = text.encode()
    info.size, info.mode = len(data), 0o644
    archive.addfile(info, io.BytesIO(data))

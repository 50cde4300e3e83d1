"""Detect folders of this package that exist and cannot be used, and say how to repair them."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.support.texts import shell_command

#: Whether os.access can check the effective user, under whose permissions a process runs, not only the real one.
_EFFECTIVE = os.access in os.supports_effective_ids


@dataclass(frozen=True, slots=True)
class FolderProblem:
    """A folder that cannot be used: `message` is a sentence that begins with the path, `fix` says what to do."""

    message: str
    fix: str


def folder_problem(folder: Path, *, write: bool = False) -> FolderProblem | None:
    """Return why this user cannot read the contents of `folder`; None if the folder can be read or does not exist.

    With `write`, this user must also be able to create files in it, or in its closest existing parent if it is missing.
    """
    problem = _read_problem(folder)
    if problem is not None or not write:
        return problem
    existing = nearest_existing(folder)
    if existing.is_symlink() and not existing.exists():
        return _dangling_link(existing)
    if _may(existing, os.W_OK | os.X_OK):
        return None
    return FolderProblem(
        f"{existing} cannot be written to by {present_user()}", _permission_commands(existing)
    )


def nearest_existing(path: Path) -> Path:
    """Return `path`, or its closest parent that exists if it is missing. A link exists even if its target does not."""
    return next(
        (candidate for candidate in (path, *path.absolute().parents) if os.path.lexists(candidate)), path
    )


def _read_problem(folder: Path) -> FolderProblem | None:
    try:
        status = folder.stat()
    except FileNotFoundError:
        return _dangling_link(folder) if folder.is_symlink() else None
    except NotADirectoryError:
        parents = folder.absolute().parents
        return _is_a_file(next((path for path in parents if path.exists() and not path.is_dir()), folder))
    except OSError as error:
        return FolderProblem(
            f"{folder} cannot be read: {error.strerror or error}",
            f"Give {present_user()} the right to read it",
        )
    if not stat.S_ISDIR(status.st_mode):
        return _is_a_file(folder)
    if not _may(folder, os.R_OK | os.X_OK):
        return FolderProblem(f"{folder} cannot be read by {present_user()}", _permission_commands(folder))
    return None


def _is_a_file(path: Path) -> FolderProblem:
    return FolderProblem(
        f"{path} is a file, not a folder",
        f"Move the file away and bring the folder back: {shell_command('mv', path, f'{path}.moved')}",
    )


def _may(folder: Path, rights: int) -> bool:
    return os.access(folder, rights, effective_ids=_EFFECTIVE)


def _dangling_link(link: Path) -> FolderProblem:
    target = link.parent / os.readlink(link)
    return FolderProblem(
        f"{link} is a link to {target}, which does not exist",
        f"Bring {target} back, such as by mounting its disk, or remove the link",
    )


def _permission_commands(folder: Path) -> str:
    """Return the commands that give this user access to a folder."""
    if not hasattr(os, "geteuid"):
        return f"Give {present_user()} the right to read and write in {folder}"
    chown = shell_command("chown", "-R", os.geteuid(), folder)
    return f"Give it to that user: {chown} (as root), and {shell_command('chmod', 'u+rwx', folder)}"


def present_user() -> str:
    """Return a phrase for the user that this process runs as."""
    return f"the user with the number {os.geteuid()}" if hasattr(os, "geteuid") else "the present user"

"""Find files of tasks that are on this machine already. Symbolic links are resolved before a path is checked."""

import getpass
import os
import posixpath
import tempfile
from collections.abc import Iterable
from pathlib import Path

from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.addresses.references import Kind, find_reference
from label_studio_ml.support.url_secrets import mask


def user_cache(name: str) -> Path:
    """Return the user's cache folder `name`: in the home folder, or in the temporary folder if there is no home."""
    home = os.path.expanduser("~")
    if os.path.isabs(home):
        return Path(home) / ".cache" / "label-studio-ml" / name
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    return Path(tempfile.gettempdir()) / f"label-studio-ml-{user}" / name


def file_below(root: Path, name: str) -> Path | None:
    """Return the file `name` below `root`, None when it does not exist or is outside `root`.

    As in Label Studio, a leading slash of `name` is ignored. If `root` is `/`, the result is None, because every file
    would be readable.
    """
    root = root.resolve()
    if root == Path(root.anchor) or "\0" in name:
        return None
    path = (root / posixpath.normpath(name).lstrip("/")).resolve()
    return path if path.is_relative_to(root) and path.is_file() else None


def path_inside(text: str, folders: Iterable[Path]) -> Path:
    """Return the path `text`. Raises FileFetchError unless it is the absolute path of a file inside one of `folders`.

    `/` among `folders` is ignored, because it would make every file readable.
    """
    roots = [root for root in (folder.resolve() for folder in folders) if root != Path(root.anchor)]
    path = Path(text).resolve() if os.path.isabs(text) and "\0" not in text else None
    if path is None or not any(path.is_relative_to(root) for root in roots):
        raise FileFetchError(
            f"{mask(text)!r} is neither a URL nor a path inside the folders that may be read",
            fix="Set LOCAL_FILES_DOCUMENT_ROOT to the folder with the files",
            field="LOCAL_FILES_DOCUMENT_ROOT",
        )
    if not path.is_file():
        raise FileFetchError(f"There is no file {mask(text)}", fix="Correct the path in the task")
    return path


def upload_in(folder: Path, url: str, studio_url: str = "") -> Path | None:
    """Return the upload that `url` refers to, if `folder` has it as `<project>/<name>` or `<name>`."""
    reference = find_reference(url, studio_url)
    if reference is None or reference.kind is not Kind.UPLOAD:
        return None
    name = reference.name.removeprefix("/data/upload/")
    return file_below(folder, name) or file_below(folder, name.rsplit("/", 1)[-1])

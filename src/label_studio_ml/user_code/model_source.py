"""Locate the user's model class: the file and the name of the class in it.

Locating a class reads files; a file in which no class is found that way is imported in a child process.
"""

import ast
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.errors import ModelFileError
from label_studio_ml.support.texts import our_command, shell_command
from label_studio_ml.user_code.class_import import imported_classes
from label_studio_ml.user_code.class_search import FileReader, dotted, model_classes
from label_studio_ml.user_code.code_identity import CodeIdentity, identify
from label_studio_ml.user_code.import_scan import (
    Import,
    imported_siblings,
    imports_of,
    installed_folder,
    module_files,
    parse,
)

logger = logging.getLogger(__name__)

#: Seconds in which a program that saves a file has written it, and seconds between two reads meanwhile.
SAVING_TIME, BETWEEN_READS = 1.0, 0.05

#: Files in a backend's folder that are not searched for models.
_NOT_MODELS = frozenset({"_wsgi.py", "conftest.py", "setup.py"})


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model file and the name of the model class in it."""

    script: Path
    class_name: str


def locate(folder: Path, script: Path | None = None, class_name: str = "") -> ModelSource:
    """Locate the model class of the backend in `folder`.

    A given `script` (relative to `folder`) or `class_name` takes precedence, then the class that `_wsgi.py` serves,
    then `model.py`, then the only file with a model class. Raises ModelFileError, with the fix, if there is no such
    class or more than one.
    """
    if script is not None:
        path = folder / script
        if not path.is_file():
            raise ModelFileError(f"There is no model file {path}", field=str(path))
        return _source_of(path.resolve(), class_name)
    if not folder.is_dir():
        raise ModelFileError(
            f"There is no folder {folder}",
            fix=f"Make it with: {our_command('init', folder)}",
            field=str(folder),
        )
    wsgi, broken = folder.resolve() / "_wsgi.py", None
    try:
        served = served_class(wsgi)
    except ModelFileError as error:
        served, broken = None, error
    if served is not None and class_name in ("", served.class_name):
        return served
    model = folder.resolve() / "model.py"
    try:
        source = (
            _source_of(model, class_name) if model.is_file() else _only_source(folder.resolve(), class_name)
        )
    except ModelFileError as error:
        raise broken or error from None
    if broken is not None:
        logger.warning("%s. Instead, %s of %s is used", broken.message, source.class_name, source.script)
    return source


def code_on_disk(folder: Path, script: Path | None = None, class_name: str = "") -> CodeIdentity:
    """Return the code identity of the backend in `folder`, from its files; without a hash if they are unreadable."""
    try:
        return identify(locate(folder, script, class_name).script)
    except (ModelFileError, OSError):
        return CodeIdentity()


def settled_code(folder: Path, script: Path | None = None, class_name: str = "") -> CodeIdentity:
    """Return `code_on_disk`, for a result that is kept or for an import that follows.

    If no class is found, the files are read again as `settled` does, as long as they were modified that recently.
    """
    return settled(lambda: code_on_disk(folder, script, class_name), lambda: _was_just_saved(folder))


def settled(
    read: Callable[[], CodeIdentity], was_just_saved: Callable[[], bool] = lambda: True
) -> CodeIdentity:
    """Return the code that `read` finds; without a hash if it finds none for SAVING_TIME seconds.

    A program that saves a file leaves it empty or incomplete for a moment. `was_just_saved` tells whether reading again
    may help.
    """
    end = time.monotonic() + SAVING_TIME
    while not (code := read()).hash:
        if time.monotonic() > end or not was_just_saved():
            break
        time.sleep(BETWEEN_READS)
    return code


def _was_just_saved(folder: Path) -> bool:
    """Return whether a module in `folder`, or the list of its files, was modified in the last SAVING_TIME seconds."""
    now = time.time()
    for path in (folder, *folder.glob("*.py")):
        with contextlib.suppress(OSError):
            if abs(now - path.stat().st_mtime) < SAVING_TIME:
                return True
    return False


def served_class(wsgi: Path) -> ModelSource | None:
    """Return the class that a `_wsgi.py` passes to `init_app`; None if there is no such file or call."""
    if not wsgi.is_file():
        return None
    tree = parse(wsgi)
    imports: Mapping[str, Import] = {item.name: item for item in imports_of(tree, wsgi, wsgi.parent)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or dotted(node.func).rpartition(".")[2] != "init_app":
            continue
        arguments = [word.value for word in node.keywords if word.arg == "model_class"] or node.args[:1]
        head, _, rest = dotted(arguments[0]).partition(".") if arguments else ("", "", "")
        if not rest and any(
            isinstance(statement, ast.ClassDef) and statement.name == head for statement in tree.body
        ):
            return ModelSource(wsgi, head)
        item = imports.get(head)
        if item is None or item.target.startswith("label_studio_ml."):
            continue
        target = f"{item.binds}.{rest}" if rest else item.binds
        files, attributes = module_files(item.folder, target)
        if not files and (installed := installed_folder(item.top)) is not None:
            files, attributes = module_files(installed, target)
        if not files or len(attributes) != 1:
            raise ModelFileError(
                f"{wsgi}, line {item.line}, imports {item.target}, which is neither in that folder nor installed",
                fix="Put the file back, or name the model with --script FILE:CLASS",
                field=str(wsgi),
            )
        if FileReader(files[-1]).binds(attributes[0]):
            return ModelSource(files[-1], attributes[0])
        return _source_of(files[-1], "")  # the class has been renamed
    return None


def _source_of(script: Path, class_name: str) -> ModelSource:
    """Return the model class of `script` named `class_name`, or its only one. Raises ModelFileError."""
    names = _models(script)
    if class_name:
        if class_name not in names and not FileReader(script).binds(class_name):
            raise ModelFileError(
                f"{script} has no class {class_name}", fix=naming_fix(script, names), field=str(script)
            )
        return ModelSource(script, class_name)
    if not names:
        names = imported_classes(script)
    if len(names) != 1:
        problem = (
            f"{len(names)} model classes, {', '.join(names)}"
            if names
            else "no class that inherits LabelStudioMLBase"
        )
        raise ModelFileError(f"{script} has {problem}", fix=naming_fix(script, names), field=str(script))
    return ModelSource(script, names[0])


def _models(script: Path) -> list[str]:
    """Return the names of the model classes of `script`, found by reading it.

    If the file has none but registers functions with the decorators, this is the base class, which calls them.
    """
    names = model_classes(script)
    functions = ("label_studio_ml.model.predict_fn", "label_studio_ml.model.update_fn")
    if not names and any(item.target in functions for item in FileReader(script).imports):
        return ["LabelStudioMLBase"]
    return names


def _only_source(folder: Path, class_name: str) -> ModelSource:
    """Return the model class of the only file in `folder` that has one. Raises ModelFileError."""
    names_by_script: dict[Path, list[str]] = {}
    broken: list[ModelFileError] = []
    for script in sorted(folder.glob("*.py")):
        if script.name in _NOT_MODELS or script.name.startswith("test_") or script.name.endswith("_test.py"):
            continue
        try:
            names = _models(script)
        except ModelFileError as error:
            broken.append(error)
            continue
        if names and class_name in ("", *names):
            names_by_script[script] = names
    used = {sibling for script in names_by_script for sibling in imported_siblings(script)}
    scripts = [script for script in names_by_script if script not in used] or list(names_by_script)
    if len(scripts) == 1:
        return _source_of(scripts[0], class_name)
    if scripts:
        listed = ", ".join(f"{script.name}:{name}" for script in scripts for name in names_by_script[script])
        raise ModelFileError(
            f"{folder} has several files with a model class: {listed}",
            fix=f"Name one with {shell_command('--script', f'{scripts[0].name}:{names_by_script[scripts[0]][0]}')}",
            field=str(folder),
        )
    if broken:
        raise broken[0]
    description = f"called {class_name}" if class_name else "that inherits LabelStudioMLBase"
    raise ModelFileError(
        f"No Python file in {folder} has a class {description}",
        fix=naming_fix(folder / "model.py", []),
        field=str(folder),
    )


def naming_fix(script: Path, names: list[str]) -> str:
    """Return how to name a model class of `script`, whose model classes are `names`."""
    if names:
        return f"Name one with {shell_command('--script', f'{script.name}:{names[0]}')}"
    return (
        "Write in it: from label_studio_ml.model import LabelStudioMLBase; class MyModel(LabelStudioMLBase); "
        "or name another file's class with --script FILE:CLASS"
    )

"""Find the imports of a Python file, by reading it and never by running it."""

import ast
import contextlib
import importlib.util
import sys
import sysconfig
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.errors import ModelFileError
from label_studio_ml.import_paths import tools_alias

#: CPython 3.11 counts the depth of a syntax tree for all threads together: with two threads in `ast.parse`, either may
#: fail with SystemError (python/cpython#106905). The lock covers this package's threads only, so a failure is retried:
#: threads of other code may call `ast.parse` as well.
_parsing = threading.Lock()
_PARSE_TRIES = 5

#: Names of the folders of installed packages.
INSTALLED = frozenset({"site-packages", "dist-packages"})

#: Folders of the standard library.
_STANDARD = frozenset(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))

#: The most files that `contains_word` reads.
_MOST_READ = 500

#: Distributions on PyPI whose name differs from the import name.
# fmt: off
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "PIL": "Pillow", "cv2": "opencv-python-headless", "yaml": "PyYAML",
    "bs4": "beautifulsoup4", "skimage": "scikit-image", "dotenv": "python-dotenv",
    "dateutil": "python-dateutil", "jwt": "PyJWT", "magic": "python-magic", "docx": "python-docx",
    "pptx": "python-pptx", "fitz": "PyMuPDF", "git": "GitPython", "Crypto": "pycryptodome",
    "serial": "pyserial", "attr": "attrs", "faiss": "faiss-cpu", "whisper": "openai-whisper",
    "speech_recognition": "SpeechRecognition", "usb": "pyusb", "zmq": "pyzmq", "OpenSSL": "pyOpenSSL",
    "pkg_resources": "setuptools", "umap": "umap-learn", "hydra": "hydra-core",
    "Levenshtein": "levenshtein",
}
# fmt: on


@dataclass(frozen=True, slots=True)
class Import:
    """One name that an import statement binds.

    `from a.b import c as d` has the `name` `d`, and `a.b.c` as `target` and as `binds`, the object bound to the name.
    `import a.b` has the target `a.b` and binds only `a`. A star import has the name `*` and the module as target.
    `folder` is the folder of the target's first part unless that is an installed package. `required` is False if the
    file can be imported without the target: inside a function or a condition, or in a `try` with handlers.
    """

    name: str
    target: str
    binds: str
    folder: Path
    relative: bool
    line: int
    required: bool

    @property
    def top(self) -> str:
        """The first part of `target`."""
        return self.target.partition(".")[0]


@dataclass(frozen=True, slots=True)
class MissingModule:
    """A module that a file imports at its top level and that this interpreter lacks."""

    module: str
    file: Path
    line: int
    distribution: str


def parse(file: Path) -> ast.Module:
    """Return the syntax tree of `file`. Raises ModelFileError if the file cannot be read or is not Python."""
    try:
        return _parse(file.read_bytes(), str(file))
    except OSError as error:
        raise ModelFileError(f"{file} cannot be read: {error.strerror}", field=str(file)) from error
    except SyntaxError as error:
        where = f"{file}, line {error.lineno}" if error.lineno else str(file)
        raise ModelFileError(f"Syntax error in {where}: {error.msg}", field=str(file)) from error
    except ValueError as error:
        raise ModelFileError(f"{file} is not a Python file: {error}", field=str(file)) from error


def _parse(source: bytes, name: str) -> ast.Module:
    """Return the syntax tree of `source`, as `ast.parse` does, but safely while other threads parse."""
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(_PARSE_TRIES - 1):
            with contextlib.suppress(SystemError):
                return ast.parse(source, filename=name)
        return ast.parse(source, filename=name)


def imports_of(tree: ast.Module, file: Path, root: Path) -> list[Import]:
    """Return every import of `file`, given its syntax tree; its absolute imports start in the folder `root`."""
    visitor = _Visitor(file, root)
    visitor.visit(tree)
    return visitor.imports


def module_files(folder: Path, target: str) -> tuple[list[Path], list[str]]:
    """Return the files that importing `target` from `folder` runs, in order, and the remaining parts of `target`.

    Both are empty if `folder` has no module or package of that name.
    """
    files: list[Path] = []
    parts = target.split(".")
    for number, part in enumerate(parts, start=1):
        package, module = folder / part, folder / f"{part}.py"
        if (package / "__init__.py").is_file():
            files.append(package / "__init__.py")
        elif module.is_file():
            return [*files, module], parts[number:]
        elif not _is_namespace(package):
            return files, parts[number - 1 :] if files else []
        folder = package
    return files, []


def imported_siblings(script: Path) -> list[Path]:
    """Return the modules (files) and packages (folders) next to `script` that it imports, directly or indirectly."""
    script = script.resolve()
    folder = script.parent
    siblings: dict[Path, None] = {}
    for _, item in _reached_imports(script, whole_packages=True):
        package, module = folder / item.top, folder / f"{item.top}.py"
        if item.folder != folder:
            continue  # a relative import inside a package, which is returned as a whole
        if (package / "__init__.py").is_file() or (
            not module.is_file() and _is_importable_namespace(package)
        ):
            siblings[package] = None
        elif module.is_file() and module != script:
            siblings[module] = None
    return list(siblings)


def imported_files(script: Path) -> list[Path]:
    """Return `script` and the Python files in its folder that it imports, directly or indirectly.

    All files of an imported package are included, since it may import some by names that it computes at run time.
    Raises ModelFileError if `script` is not Python.
    """
    script = script.resolve()
    files = {script: None}
    for _ in _reached_imports(script, whole_packages=True, reached=files):
        pass
    return list(files)


def contains_word(file: Path, word: bytes) -> bool:
    """Tell whether `word` may be in `file` or in a file of its folder that it imports, directly or indirectly.

    Of an installed package only `file` itself is read, and nothing of the standard library. The answer is True if
    that are more than 500 files. Raises ModelFileError if `file` is not Python, and OSError.
    """
    file = file.resolve()
    if INSTALLED.intersection(file.parts):
        return word in file.read_bytes()
    if not _STANDARD.isdisjoint(file.parents):
        return False
    files = {file: None}
    for _ in _reached_imports(file, whole_packages=True, reached=files, most=_MOST_READ):
        pass
    return len(files) > _MOST_READ or any(word in path.read_bytes() for path in files)


def foreign_imports(script: Path) -> list[Import]:
    """Return the imports of installed packages in `script` and in the files in its folder that it imports.

    The standard library and this package are omitted. Raises ModelFileError if `script` is not Python.
    """
    return [
        item
        for _, item in _reached_imports(script.resolve(), whole_packages=True)
        if _is_foreign(item) and item.top not in sys.stdlib_module_names and item.top != "label_studio_ml"
    ]


def missing_modules(script: Path) -> list[MissingModule]:
    """Return the modules that `script` and its siblings require at import and that this interpreter lacks."""
    missing: dict[str, MissingModule] = {}
    for file, item in _reached_imports(script.resolve(), whole_packages=False):
        if item.required and _is_foreign(item) and item.top not in missing and not is_installed(item.top):
            missing[item.top] = MissingModule(item.top, file, item.line, distribution(item.target))
    return list(missing.values())


def required_distributions(script: Path) -> list[str]:
    """Return the PyPI names, sorted, of all that `script` and its siblings import, without what this package offers."""
    imported = [item for item in foreign_imports(script) if not tools_alias.is_offered(item.top)]
    return sorted({distribution(item.target) for item in imported}, key=str.lower)


def distribution(target: str) -> str:
    """Return the name on PyPI of the distribution that provides the module `target`."""
    top, _, rest = target.partition(".")
    if top == "google" and rest:
        return "-".join(["google", *rest.split(".")[: 2 if rest.startswith("cloud.") else 1]])
    return _DISTRIBUTIONS.get(top, top.replace("_", "-"))


def is_installed(top: str) -> bool:
    """Tell whether user code in this interpreter can import the module or package `top`."""
    try:
        return importlib.util.find_spec(top) is not None or tools_alias.is_offered(top)
    except ValueError:  # a module in sys.modules without a spec
        return True


def installed_folder(top: str) -> Path | None:
    """Return the folder that holds the installed module or package `top`, None if it is not found or has no file."""
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:
        return None
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    return Path(spec.origin).parents[1 if spec.submodule_search_locations else 0]


def _reached_imports(
    script: Path,
    *,
    whole_packages: bool,
    reached: dict[Path, None] | None = None,
    most: int = sys.maxsize,
) -> Iterator[tuple[Path, Import]]:
    """Yield each import of `script` and of the files in its folder that it reaches, with the importing file.

    Reached files are added as keys to `reached`, which must contain `script`. With `whole_packages`, all files of a
    reached package are followed. It ends when more than `most` files are reached. Raises ModelFileError if `script` is
    not Python; other broken files are skipped.
    """
    queue = [script]
    reached = {script: None} if reached is None else reached
    for file in queue:
        if len(reached) > most:
            return
        try:
            tree = parse(file)
        except ModelFileError:
            if file == script:
                raise
            continue  # the error of another file is reported when that file is imported
        for item in imports_of(tree, file, script.parent):
            yield file, item
            files, _ = ([], []) if _is_foreign(item) else module_files(item.folder, item.target)
            if (
                whole_packages
                and item.folder == script.parent
                and (item.folder / item.top).is_dir()
                and files
            ):
                files = [*files, *sorted((item.folder / item.top).rglob("*.py"))]
            queue.extend(path for path in files if path not in reached)
            reached.update(dict.fromkeys(files))


def _is_foreign(item: Import) -> bool:
    """Tell whether an import leads to a module outside of the script's folder."""
    if item.relative or (item.folder / f"{item.top}.py").is_file():
        return False
    package = item.folder / item.top
    return not (package / "__init__.py").is_file() and not _is_importable_namespace(package)


def _is_namespace(folder: Path) -> bool:
    return folder.is_dir() and any(folder.rglob("*.py"))


def _is_importable_namespace(folder: Path) -> bool:
    """Tell whether Python would import a folder without `__init__.py`; an installed package takes precedence."""
    if not _is_namespace(folder):
        return False
    try:
        spec = importlib.util.find_spec(folder.name)
    except ValueError:
        return False
    return spec is None or spec.origin is None


class _Visitor(ast.NodeVisitor):
    """A visitor that collects the imports of one file in `imports`."""

    def __init__(self, file: Path, root: Path) -> None:
        self.imports: list[Import] = []
        self._file = file
        self._root = root
        self._optional = 0

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            binds = alias.name if alias.asname else alias.name.partition(".")[0]
            self._add(alias.asname or binds, alias.name, binds, self._root, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        folder = self._file.parents[node.level - 1] if node.level else self._root
        for alias in node.names:
            parts = [node.module or "", "" if alias.name == "*" else alias.name]
            target = ".".join(part for part in parts if part)
            if target:
                self._add(
                    alias.asname or alias.name, target, target, folder, node.lineno, relative=bool(node.level)
                )

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" in ast.unparse(node.test):
            self._visit_optional(node.orelse)
        else:
            self._visit_optional([*node.body, *node.orelse])

    def visit_Try(self, node: ast.Try) -> None:
        if node.handlers:
            self._visit_optional([*node.body, *node.handlers])
        else:
            self._visit_all(node.body)
        self._visit_all([*node.orelse, *node.finalbody])

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._visit_optional(node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_optional(node.body)

    def _visit_optional(self, nodes: Sequence[ast.AST]) -> None:
        self._optional += 1
        self._visit_all(nodes)
        self._optional -= 1

    def _visit_all(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _add(
        self, name: str, target: str, binds: str, folder: Path, line: int, *, relative: bool = False
    ) -> None:
        self.imports.append(Import(name, target, binds, folder, relative, line, not self._optional))

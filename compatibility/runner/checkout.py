"""A checkout of the older package: its example backends, their generation, and the commit they are from."""

import ast
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

#: Folders below a checkout that never hold examples.
_SKIPPED = {".git", ".venv", "venv", "node_modules", "site-packages", "default_configs"}

#: The line that a Dockerfile or a start script ends with.
_GUNICORN = re.compile(r"(?:exec\s+)?(gunicorn\b[^\"\n]*?:\w+)")

#: What the Dockerfiles of both generations run, for an example that has none.
_DEFAULT_COMMAND = "gunicorn --preload --bind :$PORT --workers 1 --threads 8 --timeout 0 _wsgi:app"


@dataclass(frozen=True)
class Example:
    """One example backend: a folder with a `_wsgi.py`."""

    name: str
    folder: Path

    @property
    def generation(self) -> str:
        """For which API the example is written: "1.x" or "2.x", by what its files import and define."""
        text = "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.py")))
        if re.search(r"label_studio_ml\.response|ModelResponse|label_interface|def setup\(self", text):
            return "2.x"
        return "2.x" if re.search(r"def fit\(\s*self,\s*event\b", text) else "1.x"

    @property
    def trains(self) -> bool:
        """Whether a class of the example defines `fit`."""
        return any(
            isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and member.name == "fit"
            for path in sorted(self.folder.glob("*.py"))
            for node in ast.walk(_parsed(path))
            if isinstance(node, ast.ClassDef)
            for member in node.body
        )

    @property
    def gunicorn_command(self) -> str:
        """The gunicorn command of the example's Dockerfile or start script, for a shell; $PORT is the port."""
        for name in ("Dockerfile", "start.sh"):
            file = self.folder / name
            if file.is_file() and (match := _GUNICORN.search(file.read_text(errors="replace"))):
                return match[1]
        return _DEFAULT_COMMAND

    def copy_to(self, place: Path) -> Path:
        """Copy the example into a folder of its own below `place`, and return that."""
        return Path(
            shutil.copytree(
                self.folder, place / self.name, ignore=shutil.ignore_patterns("__pycache__", ".git")
            )
        )


@dataclass(frozen=True)
class Checkout:
    """A folder with the sources of the older package, or with nothing but its examples."""

    folder: Path

    def examples(self) -> list[Example]:
        """Return every example below the checkout, by name."""
        folders = sorted(path.parent for path in self.folder.rglob("_wsgi.py") if self._counts(path))
        return [Example(folder.name, folder) for folder in folders]

    def _counts(self, path: Path) -> bool:
        return not _SKIPPED.intersection(path.relative_to(self.folder).parts)

    @property
    def package(self) -> Path | None:
        """The folder of the `label_studio_ml` package, or None where the checkout has only examples."""
        folder = self.folder / "label_studio_ml"
        return folder if (folder / "model.py").is_file() else None

    @property
    def generation(self) -> str:
        """The generation of the checkout's package, "1.x" or "2.x"; without one, that of most examples."""
        if self.package is not None:
            return "2.x" if (self.package / "response.py").is_file() else "1.x"
        kinds = [example.generation for example in self.examples()]
        return "1.x" if kinds.count("1.x") > len(kinds) / 2 else "2.x"

    @property
    def commit(self) -> str:
        """The commit of a git checkout, or the text of a file COMMIT, or "unknown commit"."""
        noted = self.folder / "COMMIT"
        if noted.is_file():
            return noted.read_text().strip()
        done = subprocess.run(
            ["git", "-C", str(self.folder), "log", "-1", "--format=commit %h of %cs"],
            capture_output=True,
            text=True,
            check=False,
        )
        return (
            done.stdout.strip()
            if (self.folder / ".git").exists() and done.returncode == 0
            else "unknown commit"
        )

    @property
    def own_tests(self) -> Path | None:
        """The folder of the package's own unit tests, if the checkout has them."""
        folder = self.folder / "tests"
        return folder if folder.is_dir() else None


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(errors="replace"))
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])

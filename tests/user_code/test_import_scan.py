"""Reading what a Python file imports."""

import ast
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.user_code import import_scan
from label_studio_ml.user_code.import_scan import imported_siblings, missing_modules, required_distributions
from user_code.model_files import write


def test_a_parser_that_other_threads_disturbed_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython 3.11 fails so now and then in a program with threads: python/cpython#106905."""
    parse, failures = ast.parse, [SystemError("AST constructor recursion depth mismatch"), None]

    def disturbed(*args: Any, **kwargs: Any) -> Any:
        if (failure := failures.pop(0)) is not None:
            raise failure
        return parse(*args, **kwargs)

    monkeypatch.setattr(ast, "parse", disturbed)
    file = tmp_path / "model.py"
    file.write_text("import json\n")
    assert isinstance(import_scan.parse(file).body[0], ast.Import)
    assert failures == []


def test_a_parser_that_always_fails_is_not_asked_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong each time is said."""

    def broken(*_: object, **__: object) -> Any:
        raise SystemError("AST constructor recursion depth mismatch")

    monkeypatch.setattr(ast, "parse", broken)
    file = tmp_path / "model.py"
    file.write_text("import json\n")
    with pytest.raises(SystemError, match="mismatch"):
        import_scan.parse(file)


class TestImports:
    def test_only_what_the_import_needs_is_missing(self, folder: Path) -> None:
        script = write(
            folder,
            model="""
            from typing import TYPE_CHECKING
            import json, sklearn_x.linear_model
            from helper_of_mine import x
            try:
                import optional_one
            except ImportError:
                optional_one = None
            if TYPE_CHECKING:
                import typing_only
            def later():
                import lazy_one
            """,
            helper_of_mine="from package_of_mine import y",
            package_of_mine__init="from .part import y",
            package_of_mine__part="\nimport deep_one.y\ny = 1",
            unused="import unused_one",
        )
        missing = [
            (item.module, item.file.name, item.line, item.distribution) for item in missing_modules(script)
        ]
        assert missing == [
            ("sklearn_x", "model.py", 3, "sklearn-x"),
            ("deep_one", "part.py", 2, "deep-one"),
        ]

    def test_siblings_are_followed(self, folder: Path) -> None:
        script = write(
            folder,
            model="import first_one\ndef f():\n    from lazy_one import x",
            first_one="import package_of_mine.part",
            package_of_mine__init="",
            package_of_mine__part="",
            package_of_mine__other="from reached_only_from_there import x",
            reached_only_from_there="import model",
            lazy_one="x = 1",
            unused="",
        )
        names = {path.name for path in imported_siblings(script)}
        assert names == {"first_one.py", "package_of_mine", "reached_only_from_there.py", "lazy_one.py"}

    def test_a_folder_without_init_counts_unless_a_package_of_that_name_is_installed(
        self, folder: Path
    ) -> None:
        script = write(folder, model="import plain_folder.x\nimport flask", plain_folder__x="", flask__x="")
        assert imported_siblings(script) == [folder / "plain_folder"]

    def test_requirements_use_the_names_on_pypi(self, folder: Path) -> None:
        script = write(
            folder,
            model="""
            import json, cv2, yaml, torch
            import label_studio_ml.model
            from PIL import Image
            from google.cloud import storage
            from helper_of_mine import x
            def later():
                from sklearn.svm import SVC
            """,
            helper_of_mine="import bs4",
        )
        assert required_distributions(script) == [
            "beautifulsoup4",
            "google-cloud-storage",
            "opencv-python-headless",
            "Pillow",
            "PyYAML",
            "scikit-learn",
            "torch",
        ]

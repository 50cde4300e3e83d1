"""Which code a backend has: the files that belong to it, the packages that they import, and what differs."""

import hashlib
import importlib.metadata
import os
from pathlib import Path

import pytest

from label_studio_ml.errors import ModelFileError
from label_studio_ml.user_code.code_identity import CodeIdentity, identify, signature
from label_studio_ml.user_code.model_source import code_on_disk

MODEL = """
import json
import numpy as np
from label_studio_ml.model import LabelStudioMLBase
from helper import LABELS
from parts.tokens import split

class Mine(LabelStudioMLBase):
    pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model file that imports a module, which imports another, and a package."""
    files = {
        "model.py": MODEL,
        "helper.py": "import deeper\nLABELS = deeper.LABELS\n",
        "deeper.py": "LABELS = ['a']\n",
        "parts/__init__.py": "",
        "parts/tokens.py": "def split(text): return text.split()\n",
        "parts/by_name.py": "X = 1\n",
        "unused.py": "Y = 1\n",
        "test_model.py": "import model\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_it_has_the_model_file_and_what_that_imports_from_its_folder(folder: Path) -> None:
    code = identify(folder / "model.py")
    assert set(code.files) == {
        "model.py",
        "helper.py",
        "deeper.py",
        "parts/__init__.py",
        "parts/tokens.py",
        "parts/by_name.py",
    }
    assert code.files["deeper.py"] == hashlib.sha256(b"LABELS = ['a']\n").hexdigest()
    assert code.packages == {"numpy": importlib.metadata.version("numpy")}
    assert len(code.hash) == 64
    assert code.short == code.hash[:8]


@pytest.mark.parametrize("name", ["model.py", "helper.py", "deeper.py", "parts/by_name.py"])
def test_a_change_of_any_of_them_is_another_code(folder: Path, name: str) -> None:
    before = identify(folder / "model.py")
    (folder / name).write_text((folder / name).read_text() + "# changed\n")
    after = identify(folder / "model.py")
    assert after.hash != before.hash
    assert not after.same(before)
    assert after.differences(before) == [name]


def test_other_files_do_not_count_nor_does_the_time_of_a_change(folder: Path) -> None:
    before = identify(folder / "model.py")
    (folder / "unused.py").write_text("Y = 2\n")
    (folder / "test_model.py").write_text("")
    os.utime(folder / "model.py", (1, 1))
    assert identify(folder / "model.py") == before


def test_the_same_files_in_another_folder_are_the_same_code(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    for name in identify(folder / "model.py").files:
        (other / name).parent.mkdir(exist_ok=True)
        (other / name).write_bytes((folder / name).read_bytes())
    assert identify(other / "model.py") == identify(folder / "model.py")


def test_modules_that_are_imported_by_a_broken_neighbour_do_not_stop_it(folder: Path) -> None:
    (folder / "deeper.py").write_text("def (")
    assert "deeper.py" in identify(folder / "model.py").files


def test_a_module_under_another_name_than_its_package_is_found(folder: Path) -> None:
    (folder / "model.py").write_text("import _pytest\n")
    assert identify(folder / "model.py").packages == {"pytest": importlib.metadata.version("pytest")}


def test_packages_that_are_not_installed_are_left_out(folder: Path) -> None:
    (folder / "model.py").write_text("try:\n    import no_such_package\nexcept ImportError:\n    pass\n")
    assert identify(folder / "model.py").packages == {}


def test_another_version_of_a_package_is_named_with_both() -> None:
    mine = CodeIdentity(hash="a", files={"model.py": "1"}, packages={"numpy": "1.26.4", "scipy": "1"})
    theirs = CodeIdentity(hash="b", files={"model.py": "1"}, packages={"numpy": "2.0.1"})
    assert mine.differences(theirs) == ["numpy 1.26.4 instead of 2.0.1", "scipy 1 instead of none"]


def test_code_that_is_not_known_is_no_other_code(folder: Path) -> None:
    assert CodeIdentity().same(identify(folder / "model.py"))
    assert identify(folder / "model.py").same(CodeIdentity())


def test_a_file_that_is_not_python_is_refused_and_unknown_to_a_backend(folder: Path) -> None:
    (folder / "model.py").write_text("def (")
    with pytest.raises(ModelFileError, match="Syntax error"):
        identify(folder / "model.py")
    assert code_on_disk(folder, Path("model.py"), "Mine") == CodeIdentity()


def test_the_signature_changes_with_each_of_the_files_and_notices_one_that_goes(folder: Path) -> None:
    files = identify(folder / "model.py").files
    before = signature(folder / "model.py", files)
    assert signature(folder / "model.py", files) == before
    os.utime(folder / "deeper.py", (1, 1))
    touched = signature(folder / "model.py", files)
    assert touched != before
    (folder / "helper.py").unlink()
    assert signature(folder / "model.py", files) not in (before, touched)

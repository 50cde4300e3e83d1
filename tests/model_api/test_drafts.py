"""Which classes get the drafts of tasks."""

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.errors import ModelFileError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.drafts import wants_drafts
from label_studio_ml.model_api.registered_functions import functions
from label_studio_ml.user_code import import_scan
from label_studio_ml.user_code.import_scan import parse

MODEL = """
from label_studio_ml.model import LabelStudioMLBase
{imports}

class Model(LabelStudioMLBase):
    def predict(self, tasks, context=None, **kwargs):
        {body}
"""


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    before, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]
    sys.path[:] = path
    functions.predict = None


def _class(folder: Path, body: str = "return []", imports: str = "", name: str = "drawing") -> Any:
    (folder / f"{name}.py").write_text(MODEL.format(body=body, imports=imports))
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module.Model


def test_most_classes_do_not(tmp_path: Path) -> None:
    assert not wants_drafts(_class(tmp_path))
    assert not wants_drafts(LabelStudioMLBase)


def test_those_whose_code_reads_them_do(tmp_path: Path) -> None:
    assert wants_drafts(_class(tmp_path, "return [task['drafts'] for task in tasks]"))


def test_the_code_in_an_imported_module_counts(tmp_path: Path) -> None:
    (tmp_path / "parts.py").write_text("def newest(task): return task.get('drafts')")
    assert wants_drafts(_class(tmp_path, imports="import parts"))


def test_the_code_of_a_base_class_counts(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    base = _class(tmp_path / "one", "return tasks[0]['drafts']", name="base_drawing")
    own = _class(tmp_path / "two")
    assert wants_drafts(type("Both", (own, base), {}))


def test_the_attribute_decides(tmp_path: Path) -> None:
    cls = _class(tmp_path, "return [task['drafts'] for task in tasks]")
    cls.wants_drafts = False
    assert not wants_drafts(cls)
    cls.wants_drafts = True
    assert wants_drafts(cls)
    cls.wants_drafts = "yes"
    with pytest.raises(ModelFileError, match="wants_drafts is 'yes'"):
        wants_drafts(cls)


def test_a_class_without_a_file_gets_them() -> None:
    typed: dict[str, Any] = {"Base": LabelStudioMLBase, "__name__": "prompt"}
    exec("class Typed(Base): pass", typed)
    assert wants_drafts(typed["Typed"])


def test_a_registered_function_counts(tmp_path: Path) -> None:
    functions.predict = _class(tmp_path, "return tasks[0]['drafts']").predict
    assert wants_drafts(LabelStudioMLBase)


def test_a_part_of_a_combined_model_counts(tmp_path: Path) -> None:
    from label_studio_ml.combined import Combined

    part = _class(tmp_path)
    part.wants_drafts = True
    (tmp_path / "both.py").write_text("")
    both = type("Both", (Combined,), {"parts": (part,), "wants_drafts": None, "__module__": "drawing"})
    assert wants_drafts(both)
    part.wants_drafts = False
    assert not wants_drafts(both)


LIBRARY_BASES = """
from abc import ABC
from typing import Generic, Protocol, TypeVar
from label_studio_ml.model import LabelStudioMLBase
import single_file

T = TypeVar("T")

class Named(Protocol):
    name: str

class Model(single_file.Mixin, LabelStudioMLBase, Named, Generic[T], ABC):
    def predict(self, tasks, context=None, **kwargs):
        return []
"""


def test_of_libraries_no_imports_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site-packages"
    site.mkdir()
    (site / "single_file.py").write_text("import neighbour\nclass Mixin: pass\n")
    (site / "neighbour.py").write_text("KEY = 'drafts'\n")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "with_bases.py").write_text(LIBRARY_BASES)
    sys.path[:0] = [str(site), str(tmp_path / "own")]
    cls = importlib.import_module("with_bases").Model
    parsed: list[Path] = []

    def recorded(file: Path) -> ast.Module:
        parsed.append(file)
        assert file.name == "with_bases.py", "a file of a library is followed"
        return parse(file)

    monkeypatch.setattr(import_scan, "parse", recorded)
    assert not wants_drafts(cls)
    assert parsed

    (site / "single_file.py").write_text("class Mixin:\n    key = 'drafts'\n")
    assert wants_drafts(cls)


def test_a_folder_with_very_many_files_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "parts").mkdir()
    for number in range(5):
        (tmp_path / "parts" / f"part{number}.py").write_text("")
    (tmp_path / "parts" / "__init__.py").write_text("")
    cls = _class(tmp_path, imports="import parts")
    assert not wants_drafts(cls)
    monkeypatch.setattr(import_scan, "_MOST_READ", 4)
    assert wants_drafts(cls)

"""Which classes get the drafts of tasks."""

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

"""Model classes that are found by reading a file."""

from pathlib import Path

import pytest

from label_studio_ml.errors import ModelFileError
from label_studio_ml.user_code.class_search import model_classes
from user_code.model_files import BASE, write


class TestModelClasses:
    @pytest.mark.parametrize(
        "text",
        [
            "from label_studio_ml.model import LabelStudioMLBase\nclass Mine(LabelStudioMLBase): pass",
            "from label_studio_ml.model import LabelStudioMLBase as Base\nclass Mine(Base): pass",
            "from label_studio_ml import LabelStudioMLBase\nclass Mine(LabelStudioMLBase): pass",
            "from label_studio_ml import model\nclass Mine(model.LabelStudioMLBase): pass",
            "import label_studio_ml.model as m\nclass Mine(m.LabelStudioMLBase): pass",
            "import label_studio_ml.model\nclass Mine(label_studio_ml.model.LabelStudioMLBase): pass",
            "import label_studio_ml\nclass Mine(label_studio_ml.LabelStudioMLBase): pass",
            "from label_studio_ml.model import *\nclass Mine(LabelStudioMLBase): pass",
            "from label_studio_ml.model import LabelStudioMLBase as B\nclass Mine(B['x'], object): pass",
            (
                "try:\n  from label_studio_ml.model import LabelStudioMLBase as B\n  class Mine(B): pass\n"
                "except ImportError:\n  raise"
            ),
        ],
    )
    def test_every_spelling_of_the_base_counts(self, folder: Path, text: str) -> None:
        assert model_classes(write(folder, model=text)) == ["Mine"]

    def test_other_classes_do_not_count(self, folder: Path) -> None:
        script = write(folder, model=BASE + "class Helper: pass\nclass LabelStudioMLBaseLike(dict): pass")
        assert model_classes(script) == []

    def test_the_only_leaf_is_preferred_to_its_bases(self, folder: Path) -> None:
        text = BASE + "class Common(LabelStudioMLBase): pass\nclass Mid(Common): pass\nclass Leaf(Mid): pass"
        assert model_classes(write(folder, model=text)) == ["Leaf"]

    def test_two_leaves_are_both_named(self, folder: Path) -> None:
        text = BASE + "class A(LabelStudioMLBase): pass\nclass B(A): pass\nclass C(A): pass"
        assert model_classes(write(folder, model=text)) == ["B", "C"]

    def test_a_base_in_a_module_beside_counts(self, folder: Path) -> None:
        script = write(
            folder,
            model="from common import Common as C\nclass Mine(C): pass",
            common=BASE + "class Common(LabelStudioMLBase): pass",
        )
        assert model_classes(script) == ["Mine"]

    def test_a_base_that_a_package_beside_passes_on_counts(self, folder: Path) -> None:
        script = write(
            folder,
            model="import shared.bases as b\nclass Mine(b.Common): pass",
            shared__init="",
            shared__bases="from .inner import Common",
            shared__inner=BASE + "class Common(LabelStudioMLBase): pass",
        )
        assert model_classes(script) == ["Mine"]

    def test_a_class_may_have_the_name_of_its_imported_base(self, folder: Path) -> None:
        script = write(
            folder,
            model="from common import Model\nclass Model(Model): pass",
            common=BASE + "class Model(LabelStudioMLBase): pass",
        )
        assert model_classes(script) == ["Model"]

    def test_modules_that_import_each_other_end(self, folder: Path) -> None:
        script = write(
            folder,
            model="from other import A\nclass B(A): pass",
            other="from model import B\nclass A(B): pass",
        )
        assert model_classes(script) == []

    def test_a_syntax_error_names_file_and_line(self, folder: Path) -> None:
        script = write(folder, model="x = 1\nclass Mine(:\n")
        with pytest.raises(ModelFileError, match=r"model\.py, line 2"):
            model_classes(script)

    def test_what_is_not_text_is_refused(self, folder: Path) -> None:
        script = folder / "model.py"
        script.write_bytes(b"\x00\x01\xff")
        with pytest.raises(ModelFileError, match=r"model\.py"):
            model_classes(script)

    def test_reading_runs_nothing(self, folder: Path) -> None:
        text = BASE + "raise SystemExit(3)\nclass Mine(LabelStudioMLBase): pass"
        assert model_classes(write(folder, model=text)) == ["Mine"]

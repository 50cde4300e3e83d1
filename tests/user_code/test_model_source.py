"""Locating the user's class: both older generations' folders, and everything that can be wrong."""

import os
import sys
from pathlib import Path

import pytest

from label_studio_ml.errors import ModelFileError
from label_studio_ml.user_code.class_search import model_classes
from label_studio_ml.user_code.loading import load_class
from label_studio_ml.user_code.model_source import ModelSource, locate
from user_code.model_files import BASE, write

FIRST_GENERATION_WSGI = """\
import argparse
import os

from label_studio_ml.api import init_app
from {module} import {name}

if __name__ == "__main__":
    args = argparse.ArgumentParser().parse_args()
    app = init_app(
        model_class={name},
        model_dir=os.environ.get("MODEL_DIR", os.path.dirname(__file__)),
        redis_queue=os.environ.get("RQ_QUEUE_NAME", "default"),
    )
    app.run(port=9090)
else:
    app = init_app(model_class={name}, redis_host="localhost")
"""

SECOND_GENERATION_WSGI = """\
from label_studio_ml.api import init_app
from {module} import {name} as NewModel

if __name__ == "__main__":
    app = init_app(model_class=NewModel, basic_auth_user=None, basic_auth_pass=None)
    app.run(host="0.0.0.0", port=9090)
else:
    app = init_app(model_class=NewModel)
"""


class TestLocate:
    @pytest.mark.parametrize("wsgi", [FIRST_GENERATION_WSGI, SECOND_GENERATION_WSGI])
    @pytest.mark.parametrize("module", ["model", "dino", "tesseract"])
    def test_the_wsgi_file_of_either_generation_names_the_class(
        self, folder: Path, wsgi: str, module: str
    ) -> None:
        text = BASE + "class Other(LabelStudioMLBase): pass\nclass Mine(LabelStudioMLBase): pass"
        write(folder, _wsgi=wsgi.format(module=module, name="Mine"), **{module: text})
        assert locate(folder) == ModelSource(folder / f"{module}.py", "Mine")

    def test_the_wsgi_file_goes_before_model_py(self, folder: Path) -> None:
        text = BASE + "class Mine(LabelStudioMLBase): pass"
        write(folder, _wsgi=FIRST_GENERATION_WSGI.format(module="dino", name="Mine"), dino=text, model=text)
        assert locate(folder).script.name == "dino.py"

    def test_a_wsgi_file_may_name_a_class_of_a_module(self, folder: Path) -> None:
        text = BASE + "class Mine(LabelStudioMLBase): pass"
        write(folder, _wsgi="import dino as d\nfrom x import api\napi.init_app(d.Mine)", dino=text)
        assert locate(folder) == ModelSource(folder / "dino.py", "Mine")

    def test_a_wsgi_file_whose_module_is_gone_says_so(self, folder: Path) -> None:
        write(folder, _wsgi=FIRST_GENERATION_WSGI.format(module="dino", name="Mine"))
        with pytest.raises(ModelFileError, match=r"_wsgi\.py, line 5, imports dino\.Mine"):
            locate(folder)

    def test_a_class_that_was_renamed_since_is_found(self, folder: Path) -> None:
        text = BASE + "class Renamed(LabelStudioMLBase): pass"
        write(folder, _wsgi=FIRST_GENERATION_WSGI.format(module="model", name="Mine"), model=text)
        assert locate(folder) == ModelSource(folder / "model.py", "Renamed")

    def test_a_wsgi_file_without_a_class_is_passed_over(self, folder: Path) -> None:
        text = BASE + "class Mine(LabelStudioMLBase): pass"
        write(folder, _wsgi="from model_wsgi import application as app", model=text)
        assert locate(folder) == ModelSource(folder / "model.py", "Mine")

    def test_the_only_file_with_a_model_class_is_taken(self, folder: Path) -> None:
        text = BASE + "class Mine(LabelStudioMLBase): pass"
        write(folder, detector=text, helpers="x = 1", test_api=text, broken="def (")
        assert locate(folder) == ModelSource(folder / "detector.py", "Mine")

    def test_a_file_that_only_gives_the_base_is_not_the_model(self, folder: Path) -> None:
        write(
            folder,
            a_base=BASE + "class Common(LabelStudioMLBase): pass",
            detector="from a_base import Common\nclass Mine(Common): pass",
        )
        assert locate(folder) == ModelSource(folder / "detector.py", "Mine")

    def test_given_script_and_class_go_first(self, folder: Path) -> None:
        text = BASE + "class A(LabelStudioMLBase): pass\nclass B(LabelStudioMLBase): pass"
        write(folder, model=text, other=text)
        assert locate(folder, Path("other.py"), "B") == ModelSource(folder / "other.py", "B")
        assert locate(folder, class_name="A") == ModelSource(folder / "model.py", "A")

    def test_functions_only_are_served_by_the_base_class(self, folder: Path) -> None:
        write(folder, model="from label_studio_ml.model import predict_fn\n@predict_fn\ndef f(tasks): ...")
        assert locate(folder) == ModelSource(folder / "model.py", "LabelStudioMLBase")

    @pytest.mark.parametrize(
        ("files", "script", "class_name", "words"),
        [
            ({}, None, "", ["No Python file in", "class MyModel(LabelStudioMLBase)"]),
            ({"model": "x = 1"}, None, "", ["model.py", "no class that inherits LabelStudioMLBase"]),
            (
                {"model": BASE + "class A(LabelStudioMLBase): ...\nclass B(LabelStudioMLBase): ..."},
                None,
                "",
                ["2 model classes, A, B", "--script model.py:A"],
            ),
            (
                {name: BASE + f"class {name}(LabelStudioMLBase): ..." for name in ("one", "two")},
                None,
                "",
                ["several files", "one.py:one, two.py:two", "--script one.py:one"],
            ),
            (
                {"model": BASE + "class A(LabelStudioMLBase): ..."},
                "model.py",
                "B",
                ["no class B", "model.py:A"],
            ),
            ({}, "gone.py", "", ["no model file", "gone.py"]),
            ({"only": "class X("}, None, "", ["only.py, line 1"]),
        ],
    )
    def test_what_cannot_be_found_is_said_with_the_fix(
        self, folder: Path, files: dict[str, str], script: str | None, class_name: str, words: list[str]
    ) -> None:
        if files:
            write(folder, **files)
        with pytest.raises(ModelFileError) as caught:
            locate(folder, Path(script) if script else None, class_name)
        assert [word for word in words if word not in str(caught.value)] == []

    def test_a_missing_folder_says_how_to_make_it(self, folder: Path) -> None:
        with pytest.raises(ModelFileError, match="label-studio-ml init"):
            locate(folder / "nothing")


class TestWhatReadingDoesNotFind:
    @pytest.fixture
    def packages(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder of installed packages: one with a base class, one with a whole model."""
        made = folder.parent / "site-packages"
        write(
            made,
            company__init="",
            company__bases=BASE + "class CompanyBase(LabelStudioMLBase): pass",
            company__models="from .bases import CompanyBase\nclass Whole(CompanyBase): kind = 'whole'",
        )
        monkeypatch.syspath_prepend(made)
        monkeypatch.setenv("PYTHONPATH", f"{made}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        return made

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("from company.bases import CompanyBase\nclass Mine(CompanyBase): pass", "Mine"),
            ("from company.bases import CompanyBase as B\nclass Mine(B): pass", "Mine"),
            ("import company.bases\nBase = company.bases.CompanyBase\nclass Mine(Base): pass", "Mine"),
            ("from company.models import Whole", "Whole"),
            (
                f"{BASE}def make(base):\n  class Mine(base): pass\n  return Mine\nMade = make(LabelStudioMLBase)",
                "Made",
            ),
        ],
    )
    def test_the_file_is_imported_to_look(self, folder: Path, packages: Path, text: str, name: str) -> None:
        source = locate(write(folder, model=text).parent)
        assert source == ModelSource(folder / "model.py", name)
        assert load_class(source).__name__ in (name, "Mine")

    def test_a_name_for_the_base_in_the_same_file_is_read(self, folder: Path) -> None:
        text = BASE + "Base = LabelStudioMLBase\nclass Mine(Base): pass\nimport no_such_module"
        assert model_classes(write(folder, model=text)) == ["Mine"]

    def test_a_wsgi_file_may_serve_an_installed_class(self, folder: Path, packages: Path) -> None:
        text = "from label_studio_ml.api import init_app\nfrom company.models import Whole as W\napp = init_app(W)"
        write(folder, _wsgi=text)
        source = locate(folder)
        assert source == ModelSource(packages / "company" / "models.py", "Whole")
        found = load_class(source)
        assert (found.__module__, vars(found)["kind"]) == ("company.models", "whole")

    def test_modules_of_an_installed_package_replace_no_others(
        self, folder: Path, packages: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write(packages, company__logging="", company__requests="")
        before = sys.path[:]
        load_class(ModelSource(packages / "company" / "models.py", "Whole"), folders=[str(folder)])
        assert sys.path == [str(folder), *(entry for entry in before if entry != str(folder))]
        assert caplog.text == ""

    def test_where_there_is_none_the_message_says_how_to_name_one(self, folder: Path) -> None:
        write(folder, model="class Other: pass")
        with pytest.raises(ModelFileError, match="--script FILE:CLASS"):
            locate(folder)

    def test_what_keeps_the_file_from_being_imported_is_said(self, folder: Path) -> None:
        write(folder, model="from no_such_module import Base\nclass Mine(Base): pass")
        with pytest.raises(ModelFileError, match="no_such_module is not installed"):
            locate(folder)

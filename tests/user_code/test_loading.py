"""Finding and loading the user's class: both older generations' folders, and everything that can be wrong."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from label_studio_ml.errors import ModelFileError
from label_studio_ml.user_code.class_search import model_classes
from label_studio_ml.user_code.import_scan import imported_siblings, missing_modules, required_distributions
from label_studio_ml.user_code.loading import load_class
from label_studio_ml.user_code.model_source import ModelSource, locate

BASE = "from label_studio_ml.model import LabelStudioMLBase\n"

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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a space in its name; what a test imports from it is forgotten afterwards."""
    made = tmp_path / "my backend"
    made.mkdir()
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)
    yield made
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    sys.modules.update(before)


def write(folder: Path, **files: str) -> Path:
    """Write `name=text` as name.py (`pkg__name` as pkg/name.py) and return the first one."""
    paths = []
    for name, text in files.items():
        *packages, stem = name.split("__") if not name.endswith("__init") else [name[:-6], "__init__"]
        path = folder.joinpath(*packages) / f"{stem}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        paths.append(path)
    return paths[0]


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


class TestLoadClass:
    def test_the_class_comes_with_its_siblings(self, folder: Path) -> None:
        script = write(
            folder,
            model="from helper_of_mine import VALUE\nclass Mine:\n    value = VALUE",
            helper_of_mine="VALUE = 7",
        )
        found = load_class(ModelSource(script, "Mine"))
        assert vars(found)["value"] == 7
        assert found.__module__ == "model"

    @pytest.mark.parametrize("stem", ["flask", "platform", "tesseract"])
    def test_a_name_that_another_package_has_is_no_obstacle(self, folder: Path, stem: str) -> None:
        import platform

        script = write(
            folder, **{stem: "import dataclasses\n@dataclasses.dataclass\nclass Mine:\n    x: int = 1"}
        )
        assert vars(load_class(ModelSource(script, "Mine")))["x"] == 1
        assert sys.modules["platform"] is platform

    @pytest.mark.parametrize("own", [False, True])
    def test_a_file_that_parses_arguments_finds_none(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, own: bool
    ) -> None:
        """As below `start --debug`, in the process of the server."""
        monkeypatch.setattr("sys.argv", given := ["label-studio-ml", "start", "be", "--debug"])
        monkeypatch.setattr("label_studio_ml.import_paths.user_path._own_process", own)
        text = "import argparse\nargparse.ArgumentParser().parse_args()\nclass Mine: pass\n"
        script = write(folder, model=text)
        assert load_class(ModelSource(script, "Mine")).__name__ == "Mine"
        assert given == ([str(script)] if own else ["label-studio-ml", "start", "be", "--debug"])

    def test_a_file_is_run_once(self, folder: Path) -> None:
        script = write(folder, model="class Mine: pass")
        assert load_class(ModelSource(script, "Mine")) is load_class(ModelSource(script, "Mine"))

    def test_a_second_folder_gets_its_own_model_py(self, folder: Path, tmp_path: Path) -> None:
        first = load_class(ModelSource(write(folder, model="class Mine: pass"), "Mine"))
        second = load_class(ModelSource(write(tmp_path / "b", model="class Mine: pass"), "Mine"))
        assert first is not second

    def test_a_module_of_a_package_may_import_relatively(self, folder: Path) -> None:
        script = write(
            folder,
            my_package__model="from .part import VALUE\nclass Mine:\n    value = VALUE",
            my_package__init="",
            my_package__part="VALUE = 3",
        )
        assert vars(load_class(ModelSource(script, "Mine")))["value"] == 3

    def test_a_missing_dependency_names_module_line_and_command(self, folder: Path) -> None:
        script = write(
            folder, model="import sys\nimport helper_of_mine", helper_of_mine="\nimport no_such_thing"
        )
        with pytest.raises(ModelFileError) as caught:
            load_class(ModelSource(script, "Mine"))
        assert f"{folder / 'helper_of_mine.py'}, line 2: the module no_such_thing is not" in str(caught.value)
        assert "pip install no-such-thing" in str(caught.value)
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)
        assert "model" not in sys.modules

    def test_any_other_error_names_type_and_the_users_line(self, folder: Path) -> None:
        script = write(folder, model="import json\n\njson.loads('{')\nclass Mine: pass")
        with pytest.raises(ModelFileError, match=r"model\.py, line 3: JSONDecodeError: Expecting") as caught:
            load_class(ModelSource(script, "Mine"))
        assert caught.value.__cause__ is not None

    def test_a_script_that_exits_does_not_end_the_process(self, folder: Path) -> None:
        script = write(folder, model="raise SystemExit('no GPU')")
        with pytest.raises(ModelFileError, match="line 1: SystemExit: no GPU"):
            load_class(ModelSource(script, "Mine"))

    def test_a_script_named_like_the_package_that_it_imports_is_told(self, folder: Path) -> None:
        script = write(folder, gunicorn="from gunicorn import arbiter\nclass Mine: pass")
        with pytest.raises(ModelFileError, match="give the file another name"):
            load_class(ModelSource(script, "Mine"))

    def test_a_class_that_is_not_there_is_told(self, folder: Path) -> None:
        script = write(folder, model=BASE + "Mine = 3")
        with pytest.raises(ModelFileError, match="has no class Mine"):
            load_class(ModelSource(script, "Mine"))


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

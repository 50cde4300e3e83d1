"""Importing the user's class."""

import sys
from pathlib import Path

import pytest

from label_studio_ml.errors import ModelFileError
from label_studio_ml.user_code.loading import load_class
from label_studio_ml.user_code.model_source import ModelSource
from user_code.model_files import BASE, write


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

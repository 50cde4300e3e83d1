"""Where a WSGI application's model runs, and which folder is its backend's."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.runtime import wsgi_application
from label_studio_ml.runtime.model_place import ModelPlace, backend_folder, defining_file
from label_studio_ml.runtime.wsgi_threads import request_threads

MODEL = "from label_studio_ml.model import LabelStudioMLBase\nclass Mine(LabelStudioMLBase): ...\n"


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[LabelStudioMLBase]:
    """A class of a module that was imported from a folder."""
    folder = tmp_path / "backend" / "models"
    folder.mkdir(parents=True)
    (folder / "placed_model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "placed_model", raising=False)
    module: Any = __import__("placed_model")
    monkeypatch.setitem(sys.modules, "placed_model", module)
    found: type[LabelStudioMLBase] = module.Mine
    return found


def settings(tmp_path: Path, **arguments: Any) -> Settings:
    return Settings(backend_dir=tmp_path, init_kwargs=arguments)


def test_a_class_in_a_file_gets_a_process_of_its_own(
    imported: type[LabelStudioMLBase], tmp_path: Path
) -> None:
    place = ModelPlace.of(settings(tmp_path, weights="m.pth", sizes=[1, 2.5, None]), imported)
    assert (place.in_process, place.untrainable) == ("", "")
    assert place.settings.class_name == "Mine"
    assert place.settings.script == tmp_path / "backend" / "models" / "placed_model.py"


@pytest.mark.parametrize("value", [{1, 2}, object(), (1, 2), float("nan"), Path("x"), {1: "a"}])
def test_a_value_that_json_changes_keeps_the_model_here(
    imported: type[LabelStudioMLBase], tmp_path: Path, value: Any
) -> None:
    place = ModelPlace.of(settings(tmp_path, fine=1, weights=value), imported)
    assert "the constructor argument weights" in place.in_process
    assert place.untrainable == place.in_process


def test_a_class_that_its_module_does_not_have_is_not_trained(tmp_path: Path) -> None:
    class Inner(LabelStudioMLBase): ...

    place = ModelPlace.of(settings(tmp_path), Inner)
    assert "test_model_place.py has no Inner at its top level" in place.in_process
    assert place.untrainable == place.in_process


def test_a_class_of_a_prompt_is_not_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    exec(MODEL, module.__dict__)
    place = ModelPlace.of(settings(tmp_path), module.Mine)
    assert "Mine is not defined in a file" in place.untrainable


def test_a_class_of_the_program_itself_is_trained_elsewhere(
    imported: type[LabelStudioMLBase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["placed_model"])
    monkeypatch.setattr(imported, "__module__", "__main__")
    place = ModelPlace.of(settings(tmp_path), imported)
    assert "is defined in the program that is run" in place.in_process
    assert place.untrainable == ""


def test_a_test_stays_in_its_process(imported: type[LabelStudioMLBase], tmp_path: Path) -> None:
    assert ModelPlace.of(settings(tmp_path), imported, testing=True).in_process


class TestFolder:
    def test_a_file_below_the_callers_folder_belongs_to_it(
        self, imported: type[LabelStudioMLBase], tmp_path: Path
    ) -> None:
        backend = tmp_path / "backend"
        (backend / "_wsgi.py").touch()
        assert backend_folder(imported, str(backend / "_wsgi.py")) == backend
        assert backend_folder(imported, None) == backend / "models"

    def test_a_caller_elsewhere_does_not_count(
        self, imported: type[LabelStudioMLBase], tmp_path: Path
    ) -> None:
        (tmp_path / "other").mkdir()
        caller = tmp_path / "other" / "test_it.py"
        caller.touch()
        assert backend_folder(imported, str(caller)) == tmp_path / "backend" / "models"

    def test_an_installed_class_belongs_to_its_caller(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        packages = tmp_path / "lib" / "site-packages"
        packages.mkdir(parents=True)
        (packages / "installed_model.py").write_text(MODEL)
        monkeypatch.syspath_prepend(packages)
        module: Any = __import__("installed_model")
        monkeypatch.setitem(sys.modules, "installed_model", module)
        (tmp_path / "be").mkdir()
        (tmp_path / "be" / "_wsgi.py").touch()
        assert backend_folder(module.Mine, str(tmp_path / "be" / "_wsgi.py")) == tmp_path / "be"

    def test_functions_are_where_they_were_registered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from label_studio_ml.model_api.registered_functions import functions

        monkeypatch.setattr(functions, "predict", test_a_test_stays_in_its_process)
        assert defining_file(LabelStudioMLBase) == Path(__file__).resolve()


def test_more_threads_of_uwsgi_than_a_model_process_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", types.SimpleNamespace(opt={"threads": "5000"}))
    assert wsgi_application._concurrency() == 1024


@pytest.mark.parametrize(("options", "number"), [({b"threads": b"4"}, 4), ({"threads": "6"}, 6), ({}, None)])
def test_the_threads_of_uwsgi(
    monkeypatch: pytest.MonkeyPatch, options: dict[Any, Any], number: int | None
) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", types.SimpleNamespace(opt=options))
    assert request_threads() == number

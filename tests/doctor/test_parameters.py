"""What `doctor` says about the parameters of the class."""

from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.connect.backend_client import view
from label_studio_ml.doctor import machine
from label_studio_ml.doctor.context import Context
from label_studio_ml.doctor.parameters import parameters

MODEL = """
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

class Mine(LabelStudioMLBase):
    PARAMS

    def predict(self, tasks, **kwargs):
        return []
"""
DECLARED = 'params = {"threshold": Param(0.5, ge=0, le=1), "size": Param("s")}'


def _context(folder: Path, params: str) -> Context:
    (folder / "model.py").write_text(MODEL.replace("PARAMS", params))
    settings = Settings(backend_dir=folder, model_dir=folder / "data", init_kwargs={"size": "m"})
    url = "http://localhost:1"
    context = Context(settings=settings, folder=folder, port=1, view=view(settings, url, 1), url=url, name="")
    (found,) = machine.model_file(context)
    assert found.status == "ok", found
    return context


def test_a_class_without_parameters_has_no_line(tmp_path: Path) -> None:
    assert list(parameters(_context(tmp_path, "params = {'lr': 0.1}"))) == []


@pytest.mark.parametrize(
    ("extra_params", "status", "what"),
    [
        ({"threshold": 0.7}, "ok", 'threshold = 0.7 (extra params in Label Studio); size = "m" (--with)'),
        ('{"threshold": 0.7}', "ok", 'threshold = 0.7 (extra params in Label Studio); size = "m" (--with)'),
        (None, "ok", 'threshold = 0.5 (default); size = "m" (--with)'),
        ({"treshold": 0.7}, "warn", "Mine has no parameter treshold (is threshold meant?)"),
        (
            {"threshold": 7},
            "fail",
            "threshold must be a number from 0 to 1, not 7 (extra params in Label Studio)",
        ),
        ("0.7", "fail", "The extra params must be a JSON object, not 0.7"),
    ],
)
def test_the_extra_params_in_label_studio_are_checked(
    tmp_path: Path, extra_params: Any, status: str, what: str
) -> None:
    context = _context(tmp_path, DECLARED)
    context.entry = {"extra_params": extra_params}
    (found,) = parameters(context)
    assert (found.status, what in found.what) == (status, True), found
    assert found.fix or status == "ok"


def test_without_the_project_it_says_so(tmp_path: Path) -> None:
    (found,) = parameters(_context(tmp_path, DECLARED))
    assert found.status == "ok"
    assert found.what.endswith("(--with); extra params are not known: Label Studio's address is not given")

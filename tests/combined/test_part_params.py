"""Parameters of the parts of a combined model."""

from pathlib import Path
from typing import Any, ClassVar

import pydantic
import pytest

from label_studio_ml.combined import Combined
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ParamsError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec, build
from label_studio_ml.params import Param
from label_studio_ml.versions.state.key_values import MemoryState
from label_studio_ml.versions.state.project_state import Project


class First(LabelStudioMLBase):
    params: ClassVar[Any] = {"threshold": Param(0.5, ge=0, le=1), "size": Param("s")}

    def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
        return [{"result": []} for _ in tasks]


class Second(First):
    params: ClassVar[Any] = {"threshold": Param(0.2, ge=0, le=0.5), "top": Param(3)}


class Both(Combined):
    parts = (First, Second)


def built(tmp_path: Path, extra_params: Any) -> Both:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", init_kwargs={"size": "m"})
    spec = ModelSpec(project=Project(uid="1", extra_params=extra_params))
    model = build(Both, spec, settings, MemoryState())
    assert isinstance(model, Both)
    return model


def test_each_part_has_its_own_and_the_whole_has_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = built(tmp_path, {"top": 5})
    assert dict(model["First"].params) == {"threshold": 0.5, "size": "m"}
    assert dict(model["Second"].params) == {"threshold": 0.2, "top": 5}
    assert dict(model.params) == {"threshold": 0.5, "size": "m", "top": 5}
    assert not caplog.records, "a name of one part is no unknown name of another"


def test_a_value_that_one_part_refuses_is_no_fault_of_the_version(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"threshold must be a number from 0 to 0\.5, not 0\.7"):
        built(tmp_path, {"threshold": 0.7})


def test_a_name_of_a_pydantic_model_is_no_unknown_name_of_the_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Names(pydantic.BaseModel):
        code: str | None = None

    class Third(First):
        params: ClassVar[Any] = Names

    class Mixed(Combined):
        parts = (First, Third)

    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", init_kwargs={"code": 7})
    spec = ModelSpec(project=Project(uid="1", extra_params={"threshold": 0.1}))
    model = build(Mixed, spec, settings, MemoryState())
    assert isinstance(model, Combined)
    assert model["Third"].params.code == "7", "--with code=7 is a text for a field of texts"
    spec = ModelSpec(project=Project(uid="1", extra_params={"code": "abc"}))
    build(Mixed, spec, settings, MemoryState())
    assert not [record for record in caplog.records if "Mixed has no parameter" in record.getMessage()]

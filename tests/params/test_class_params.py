"""The parameters that a class declares, and from which source each gets its value."""

import subprocess
import sys
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field

from label_studio_ml.errors import ModelFileError, ParamsError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param
from label_studio_ml.params.class_params import Resolved, declaration_of, refuse_undeclared_arguments, resolve

THRESHOLD = Param(0.5, "keep what is surer than this", ge=0, le=1)


class Mine(LabelStudioMLBase):
    params: ClassVar[Any] = {
        "threshold": THRESHOLD,
        "labels": Param(["a"]),
        "size": Param("s", choices=("s", "7")),
    }


class Fields(BaseModel):
    threshold: Annotated[float, Field(ge=0, le=1, description="keep what is surer")] = 0.5
    labels: list[str] = ["a"]
    top_k: int = Field(3, alias="topK", json_schema_extra={"env": "MY_TOP_K"})


class Pydantic(LabelStudioMLBase):
    params = Fields


def resolved(cls: type, extra_params: Any = None, **arguments: Any) -> Resolved:
    found = resolve(cls, extra_params, arguments)
    assert found is not None
    return found


@pytest.mark.parametrize("cls", [Mine, Pydantic])
def test_the_first_source_that_has_a_value_counts(cls: type, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolved(cls).values.threshold == 0.5
    monkeypatch.setenv("THRESHOLD", "0.6")
    assert resolved(cls).values.threshold == 0.6
    assert resolved(cls, None, threshold=0.7).values.threshold == 0.7
    found = resolved(cls, {"threshold": 0.8}, threshold=0.7, labels="b,c" if cls is Mine else '["b", "c"]')
    assert (found.values.threshold, found.values.labels) == (0.8, ["b", "c"])
    assert dict(found.sources) | {"threshold": "", "labels": ""} == dict.fromkeys(
        found.sources, "default"
    ) | {
        "threshold": "",
        "labels": "",
    }
    assert (found.sources["threshold"], found.sources["labels"]) == ("extra params in Label Studio", "--with")
    monkeypatch.setenv("THRESHOLD", "")
    assert resolved(cls).sources["threshold"] == "default", "an empty variable is not set"


@pytest.mark.parametrize(
    ("extra_params", "env", "arguments", "text"),
    [
        (
            {"threshold": 1.5},
            "",
            {},
            "1, not 1.5 (extra params in Label Studio). Correct the extra params of the backend in Label Studio",
        ),
        (
            {},
            "nine",
            {},
            "not the text 'nine' (environment variable THRESHOLD). Correct the environment variable THRESHOLD",
        ),
        ({}, "", {"threshold": 7}, "not 7 (--with). Correct --with, config.json or the argument of init_app"),
        ({"threshold": 2, "labels": 1}, "", {}, "; labels must be a list of texts, not 1 (extra params in"),
        (
            "high",
            "",
            {},
            "a JSON object, not the text 'high'. Write them in Label Studio as {\"threshold\": 0.5}",
        ),
        ([1], "", {}, "The extra params must be a JSON object, not a list"),
    ],
)
def test_a_wrong_value_is_said_with_its_source(
    monkeypatch: pytest.MonkeyPatch, extra_params: Any, env: str, arguments: dict[str, Any], text: str
) -> None:
    monkeypatch.setenv("THRESHOLD", env)
    with pytest.raises(ParamsError) as refused:
        resolve(Mine, extra_params, arguments)
    assert text in str(refused.value)


def test_with_may_mean_a_text_by_a_number() -> None:
    assert resolved(Mine, None, size=7).values.size == "7"
    assert resolved(Mine, None, threshold=1).values.threshold == 1.0


def test_an_undeclared_name_is_a_warning_or_an_error_by_choice() -> None:
    class Strict(Mine):
        unknown_params = "error"

    class Own(Mine):
        unknown_params = "ignore"

    class Wrong(Mine):
        unknown_params = "never"

    extra = {"treshold": 0.7}
    text = "Mine has no parameter treshold (is threshold meant?)"
    assert resolved(Mine, extra).unknown == f"The extra params in Label Studio: {text}"
    assert resolved(Mine, {"threshold": 1}).unknown == ""
    with pytest.raises(
        ParamsError, match=r"Strict has no parameter treshold .*there are threshold, labels, size"
    ):
        resolve(Strict, extra, {})
    assert resolved(Own, extra).unknown == ""
    assert resolved(Own, "a text of the class's own").values.threshold == 0.5
    with pytest.raises(ModelFileError, match=r"Wrong.unknown_params is 'never'. Use one of 'warn', 'error'"):
        declaration_of(Wrong)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"a": Param(1), "b": 2}, "params['b'] is 2. Write 'b': Param(…)"),
        ({"log_level": Param("x")}, "LOG_LEVEL, which is a setting of the backend. Rename the parameter, or"),
        ({"redis_url_file": Param("x")}, "REDIS_URL_FILE, which is a setting"),
        ({"language": Param("en")}, "LANGUAGE, which is a variable of the system"),
        ({"a": Param(1), "A": Param(1)}, "A, which is the variable of 'a'"),
        ({"a b": Param(1)}, "'a b' has no name that Python can use"),
        ({"class": Param(1)}, "'class' has no name that Python can use"),
        ({1: Param(1)}, "The parameter 1 has no name"),
        ({"items": Param(1)}, "No parameter can have the name 'items'"),
        ({"project_id": Param(1)}, "No parameter can have the name 'project_id'"),
        ({"_a": Param(1)}, "No parameter can have the name '_a'"),
    ],
)
def test_a_declaration_that_cannot_work(params: Any, text: str) -> None:
    with pytest.raises(ModelFileError) as refused:
        declaration_of(type("Mine", (LabelStudioMLBase,), {"params": params}))
    assert text in str(refused.value)


def test_the_variable_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Named(LabelStudioMLBase):
        params: ClassVar[Any] = {"language": Param("en", env="MY_LANGUAGE"), "path": Param("x", env=None)}

    monkeypatch.setenv("MY_LANGUAGE", "fr")
    assert dict(resolved(Named).values) == {"language": "fr", "path": "x"}


class _Property(LabelStudioMLBase):
    @property
    def params(self) -> Any:
        return "mine"


class _Method(LabelStudioMLBase):
    def params(self) -> Any:
        return "mine"


class _Dict(LabelStudioMLBase):
    params: ClassVar[Any] = {"threshold": 0.5}


class _Assigned(LabelStudioMLBase):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.params = {"lr": 0.1}  # type: ignore[misc]


def test_a_class_with_something_else_named_params_runs_unchanged() -> None:
    for cls in (_Property, _Method, _Dict, _Assigned, LabelStudioMLBase):
        assert resolve(cls, {"threshold": "x"}, {}) is None
    assert _Property().params == _Method().params() == "mine"
    assert _Dict(threshold=1).params == {"threshold": 0.5}
    assert _Assigned().params == {"lr": 0.1}
    assert not hasattr(LabelStudioMLBase(), "params")


def test_a_model_built_by_hand_has_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS", "x,y")
    model = Mine(threshold=0.9)
    assert (model.params.threshold, model.params.labels) == (0.9, ["x", "y"])
    with pytest.raises(ParamsError, match=r"threshold must be a number from 0 to 1, not 2 \(--with\)"):
        Mine(threshold=2)


def test_values_are_there_in_setup() -> None:
    class Early(Mine):
        def setup(self) -> None:
            self.seen = self.params.threshold

    assert Early(threshold=0.9).seen == 0.9


def test_a_pydantic_model_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOP_K", "9")
    found = resolved(Pydantic)
    assert isinstance(found.values, Fields)
    assert found.values.top_k == 9
    assert resolved(Pydantic, {"topK": 4}).values.top_k == 4
    assert resolved(Pydantic, {"top_k": 5}).values.top_k == 5
    with pytest.raises(
        ParamsError, match=r"threshold is wrong: Input should be less than or equal to 1 \(extra p"
    ):
        resolve(Pydantic, {"threshold": 1.5}, {})
    assert resolved(Pydantic, {"treshold": 1}).unknown
    assert 'labels = ["a"] (default)' in found.summaries().values()
    assert found.lines()[0] == (
        "threshold = 0.5 (default): float, Ge(ge=0), Le(le=1), default 0.5, variable THRESHOLD. keep what is surer"
    )


def test_pydantic_models_that_need_values_or_take_any() -> None:
    class Needs(BaseModel):
        model_config = ConfigDict(extra="forbid")
        weights: str

    class Takes(BaseModel):
        model_config = ConfigDict(extra="allow")

    needs = type("Needing", (LabelStudioMLBase,), {"params": Needs})
    with pytest.raises(
        ParamsError, match=r"weights is missing, and has no default \(default\). Set it in the extra"
    ):
        resolve(needs, None, {})
    with pytest.raises(ParamsError, match="Needing has no parameter other"):
        resolve(needs, {"weights": "w", "other": 1}, {})
    takes = type("Taking", (LabelStudioMLBase,), {"params": Takes})
    assert resolved(takes, {"other": 1}).values.other == 1


def test_secrets_are_not_shown() -> None:
    class Secret(LabelStudioMLBase):
        params: ClassVar[Any] = {"api_key": Param("", "of the service", secret=True)}

    assert resolved(Secret, {"api_key": "k-123"}).lines() == [
        'api_key = (secret) (extra params in Label Studio): text, default "", variable API_KEY. of the service'
    ]


def test_pydantic_is_imported_by_the_user_only() -> None:
    code = "import sys, label_studio_ml.model, label_studio_ml.params; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Address(BaseModel):
    url: str = Field("http://localhost", alias="URL", json_schema_extra={"operator_only": True})


class Operated(LabelStudioMLBase):
    params: ClassVar[Any] = {"url": Param("http://localhost", operator_only=True), "size": Param(1)}


class OperatedPydantic(LabelStudioMLBase):
    params = Address


@pytest.mark.parametrize(
    ("cls", "key"), [(Operated, "url"), (OperatedPydantic, "url"), (OperatedPydantic, "URL")]
)
def test_what_only_the_operator_sets_is_refused_in_extra_params(
    cls: type, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        ParamsError, match=r"url can be set only where the backend runs, by --with or the variable URL"
    ):
        resolve(cls, {key: "http://elsewhere"}, {})
    assert resolved(cls, None, url="http://other").values.url == "http://other"
    monkeypatch.setenv("URL", "http://third")
    assert resolved(cls).values.url == "http://third"
    assert "variable URL, not in Label Studio" in resolved(cls).lines()[0]


def test_an_argument_that_is_no_parameter_is_refused_with_the_one_that_is_meant() -> None:
    class Boxes(LabelStudioMLBase):
        params: ClassVar = {"neighbours": Param(5), "step": Param(1.1)}

    with pytest.raises(ParamsError) as caught:
        refuse_undeclared_arguments(Boxes, LabelStudioMLBase, {"step": 2, "neighbors": 3})
    assert caught.value.field == "neighbors"
    assert "Boxes has no parameter neighbors (is neighbours meant?) (--with)" in str(caught.value)
    refuse_undeclared_arguments(Boxes, LabelStudioMLBase, {"step": 2, "neighbours": 3})


def test_arguments_of_constructors_are_known() -> None:
    class Older(LabelStudioMLBase):
        params: ClassVar = {"step": Param(1.1)}

        def __init__(self, labels: str = "", project_id: str = "") -> None:
            super().__init__(project_id=project_id)

    class Any_(Older):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)

    class Undeclared(LabelStudioMLBase):
        pass

    class Ignoring(LabelStudioMLBase):
        params: ClassVar = {"step": Param(1.1)}
        unknown_params = "ignore"

    refuse_undeclared_arguments(Older, LabelStudioMLBase, {"labels": "a"})
    with pytest.raises(ParamsError, match="no parameter label"):
        refuse_undeclared_arguments(Older, LabelStudioMLBase, {"label": "a"})
    for cls in (Any_, Undeclared, Ignoring):
        refuse_undeclared_arguments(cls, LabelStudioMLBase, {"label": "a"})

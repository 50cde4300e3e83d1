"""Classes of both generations as their authors write them, built, asked and trained by the backend."""
# Authors do not annotate their models, and their `fit` is not the base's: that is what is tested here.
# mypy: disable-error-code="no-untyped-def, override, no-untyped-call"

import importlib.util
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelFileError, ModelLoadError, StudioError
from label_studio_ml.model import LabelStudioMLBase, update_fn
from label_studio_ml.model_api import registered_functions
from label_studio_ml.model_calls.adapter import (
    ModelSpec,
    build,
    call_predict,
    describe_class,
    fit_annotations,
    fit_event,
    generation,
    reason,
    version_name,
)
from label_studio_ml.versions.state.key_values import MemoryState
from label_studio_ml.versions.state.project_state import Project
from live import CONFIG

Base = LabelStudioMLBase

PROJECT = Project(uid="12.170", label_config=CONFIG, hostname="http://ls", access_token="tok")
SPEC = ModelSpec(project=PROJECT, version="v2", train_output={"w": "x", "job_id": "j"})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(backend_dir=tmp_path, model_dir=tmp_path / "data")


@pytest.fixture(autouse=True)
def _no_functions() -> Iterator[None]:
    yield
    registered_functions.functions.predict = registered_functions.functions.update = None


# Constructors


class Tutorial(Base):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.from_name, self.info = next(iter(self.parsed_label_config.items()))


class OldNames(Base):
    def __init__(self, label_config=None, train_output=None, **kwargs):
        super().__init__(label_config=label_config, train_output=train_output, **kwargs)


class OldPositional(Base):
    def __init__(self, label_config=None, train_output=None, **kwargs):
        super().__init__(label_config, train_output, **kwargs)


class NewNames(Base):
    def __init__(self, project_id=None, label_config=None):
        super().__init__(project_id, label_config)


class Docling(Base):
    def __init__(self, project_id=None, label_config=None, **kwargs):
        super().__init__(project_id=project_id, label_config=label_config, **kwargs)


class MmDetection(Base):
    def __init__(self, image_dir=None, labels_file=None, **kwargs):
        super().__init__(**kwargs)
        self.image_dir, self.labels_file = image_dir, labels_file


class Bare(Base):
    def __init__(self):
        super().__init__()


class OwnOnly(Base):
    def __init__(self, image_dir="default"):
        super().__init__()
        self.image_dir = image_dir


class Stars(Base):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)


class Inherited(Tutorial):
    pass


class SetupOnly(Base):
    def setup(self):
        self.set("model_version", f"{self.__class__.__name__}-v0.0.2")


CONSTRUCTORS = [
    *(Tutorial, OldNames, OldPositional, NewNames, Docling, MmDetection),
    *(Bare, OwnOnly, Stars, Inherited, SetupOnly),
]


@pytest.mark.parametrize("cls", CONSTRUCTORS)
def test_every_constructor_gets_all_there_is(cls: type[Base], settings: Settings) -> None:
    model = build(cls, SPEC, settings, MemoryState())
    assert model.project_id == "12"
    assert model.label_config == CONFIG
    assert list(model.parsed_label_config) == ["label"]
    assert model.train_output == {"w": "x", "job_id": "j"}
    assert (model.hostname, model.access_token) == ("http://ls", "tok")
    assert model.model_version == "v2"
    assert version_name(model, SPEC) == "v2"


def test_constructor_arguments_of_the_user(settings: Settings) -> None:
    settings = replace(settings, init_kwargs={"image_dir": "/images", "unknown": 1})
    for cls in (MmDetection, OwnOnly):
        assert build(cls, SPEC, settings, MemoryState()).image_dir == "/images"  # type: ignore[attr-defined]


def test_a_constructor_that_forgets_its_base(settings: Settings) -> None:
    class Forgets(Base):
        def __init__(self, **kwargs):
            self.x = 1

    with pytest.raises(ModelLoadError, match=r"Forgets.*super\(\).__init__"):
        build(Forgets, SPEC, settings, MemoryState())


def test_a_constructor_that_raises(settings: Settings) -> None:
    class Raises(Base):
        def setup(self):
            raise KeyError("weights")

    with pytest.raises(
        ModelLoadError, match=r"Raises cannot be built: KeyError: 'weights' \(test_adapter.py"
    ):
        build(Raises, SPEC, settings, MemoryState())


def test_what_fit_returned_is_not_shared(settings: Settings) -> None:
    model = build(Tutorial, SPEC, settings, MemoryState())
    model.train_output["w"] = "changed"
    assert SPEC.train_output["w"] == "x"


def test_a_configured_label_studio_wins(settings: Settings) -> None:
    settings = replace(settings, studio_url="http://other", studio_api_key="key")
    model = build(Tutorial, SPEC, settings, MemoryState())
    assert (model.hostname, model.access_token) == ("http://other", "key")
    assert model.get_label_studio_access_token() == "key"


def test_a_configured_key_goes_to_no_other_label_studio(settings: Settings) -> None:
    model = build(Tutorial, SPEC, replace(settings, studio_api_key="key"), MemoryState())
    assert (model.hostname, model.access_token) == ("http://ls", "tok")


def test_extra_params_reach_the_model(settings: Settings) -> None:
    spec = ModelSpec(project=Project(uid="1", extra_params='{"a": 1}'))
    assert build(Bare, spec, settings, MemoryState()).extra_params == {"a": 1}


def test_a_project_without_label_config(settings: Settings) -> None:
    model = build(Bare, ModelSpec(project=Project(uid="1")), settings, MemoryState())
    assert (model.label_config, model.parsed_label_config, model.train_output) == ("", {}, {})
    with pytest.raises(StudioError):
        model.get_label_studio_client()


# Names of versions


def test_names_before_any_training(settings: Settings) -> None:
    spec = ModelSpec(project=PROJECT)
    assert version_name(build(SetupOnly, spec, settings, MemoryState()), spec) == "SetupOnly-v0.0.2"
    assert version_name(build(Seed, spec, settings, MemoryState()), spec) == "INITIAL"
    assert version_name(build(Events, spec, settings, MemoryState()), spec) == "0.0.1"


# Generations of fit


class Seed(Base):
    def fit(self, annotations, **kwargs):
        return {"n": len(list(annotations)), **kwargs}


class Events(Base):
    def fit(self, event, data, **kwargs):
        return event, data, kwargs


def _class(signature: str, **attributes: Any) -> type[Base]:
    scope: dict[str, Any] = {}
    exec(f"def fit(self, {signature}): return locals()", scope)
    return type("Made", (Base,), {"fit": scope["fit"], **attributes})


SEEDS = [
    "annotations, **kwargs",
    "annotations, workdir=None, **kwargs",
    "completions, workdir=None, **kwargs",
    "completions, workdir=None",
    "tasks, workdir=None, **kwargs",
    "tasks",
    "items, **kwargs",
    "data_iter, **kwargs",
    "stuff, workdir",
    "stuff, event=None, data=None, **kwargs",
    "stuff",
    "stuff, **kwargs",
    "annotations, epochs",
    "annotations=(), **kwargs",
]

EVENTS = [
    "event, data, **kwargs",
    "event, data, **additional_params",
    "event, data",
    "event, data=None",
    "event, *args, **kwargs",
    "action, payload",
    "action, payload, **kwargs",
    "*args, **kwargs",
    "event, data, workdir=None, **kwargs",
]


@pytest.mark.parametrize("signature", SEEDS)
def test_signatures_that_take_annotations(signature: str) -> None:
    assert generation(_class(signature)) == "seed"


@pytest.mark.parametrize("signature", EVENTS)
def test_signatures_that_take_events(signature: str) -> None:
    cls = _class(signature)
    assert generation(cls) == "event"
    returned = fit_event(cls(), "E", {"d": 1}, job_id="job", workdir=Path("w"))
    words = returned.get("args", ()) or tuple(returned.values())[1:3]
    assert words[0] in ("E", {"d": 1})


def test_a_fit_for_events_gets_its_folder_if_it_takes_it(tmp_path: Path) -> None:
    class Electra(LabelStudioMLBase):
        def fit(self, event, data, workdir=None, **kwargs):
            return {"file": str(Path(workdir, "model.bin")), **kwargs}

    returned = fit_event(Electra(), "E", {}, job_id="j", workdir=tmp_path, job="run")
    assert returned == {"file": str(tmp_path / "model.bin"), "job_id": "j", "job": "run"}


def test_no_fit_and_a_function_for_it() -> None:
    assert generation(Bare) == "none"
    update_fn(lambda event, data, helper, **kwargs: None)
    assert generation(Bare) == "event"
    assert generation(Seed) == "seed"


def test_the_author_may_say_it() -> None:
    assert generation(_class("event, data", FIT_API="v1")) == "seed"
    assert generation(_class("annotations", FIT_API="v2")) == "event"
    with pytest.raises(ModelFileError, match="FIT_API is 'V1'"):
        generation(_class("annotations", FIT_API="V1"))


def test_describe_class() -> None:
    info = describe_class(_class("event, data", TRAIN_EVENTS=["A"], max_batch_size=7))
    assert (info.name, info.generation, info.train_events, info.max_batch_size) == (
        "Made",
        "event",
        ("A",),
        7,
    )


@pytest.mark.parametrize(
    ("given", "events"), [(("A", "B"), ("A", "B")), ("ANNOTATION_CREATED", ("ANNOTATION_CREATED",)), ([], ())]
)
def test_train_events_without_a_comma_are_one_event(given: object, events: tuple[str, ...]) -> None:
    assert describe_class(_class("event, data", TRAIN_EVENTS=given)).train_events == events


@pytest.mark.parametrize("given", [None, 7, ["A", None]])
def test_train_events_that_are_no_names(given: object) -> None:
    with pytest.raises(ModelFileError, match=r"TRAIN_EVENTS is .* must be a list of names"):
        describe_class(_class("event, data", TRAIN_EVENTS=given))


# Calls


@pytest.mark.parametrize(
    ("signature", "gets"),
    [
        ("annotations, **kwargs", {"event", "data", "job_id", "workdir"}),
        ("annotations, workdir=None", {"workdir"}),
        ("annotations, workdir=None, **kwargs", {"event", "data", "job_id", "workdir"}),
        ("annotations", set()),
        ("annotations, *, event", {"event"}),
    ],
)
def test_fit_gets_by_name_what_it_takes(signature: str, gets: set[str], tmp_path: Path) -> None:
    got: dict[str, Any] = fit_annotations(
        _class(signature)(), [{"id": 1}], event="E", data={"d": 1}, job_id="j", workdir=tmp_path
    )
    found = {name: value for name, value in {**got, **got.get("kwargs", {})}.items() if value is not None}
    everything = {"event": "E", "data": {"d": 1}, "job_id": "j", "workdir": str(tmp_path)}
    assert {name: found[name] for name in everything if name in found} == {
        name: everything[name] for name in gets
    }
    assert got["annotations"] == [{"id": 1}]


@pytest.mark.parametrize("returned", [3, "text", [1]])
def test_fit_must_return_a_dict(returned: Any, tmp_path: Path) -> None:
    class Returns(Base):
        def fit(self, annotations, **kwargs):
            return returned

    with pytest.raises(TypeError, match=type(returned).__name__):
        fit_annotations(Returns(), [], event="", data=None, job_id="", workdir=tmp_path)


def test_fit_may_return_nothing(tmp_path: Path) -> None:
    class Returns(Base):
        def fit(self, annotations, **kwargs):
            pass

    assert fit_annotations(Returns(), [], event="", data=None, job_id="", workdir=tmp_path) == {}


PREDICTS = [
    ("tasks, **kwargs", {"context": {"c": 1}, "login": "l", "password": "p"}),
    ("tasks, context=None, **kwargs", {"context": {"c": 1}, "login": "l", "password": "p"}),
    ("tasks, context", {"context": {"c": 1}}),
    ("tasks", {}),
    ("items, login=None", {"login": "l"}),
]


@pytest.mark.parametrize(("signature", "gets"), PREDICTS)
def test_predict_gets_what_it_takes(signature: str, gets: dict[str, Any]) -> None:
    scope: dict[str, Any] = {}
    exec(f"def predict(self, {signature}): return locals()", scope)
    cls = type("Made", (Base,), {"predict": scope["predict"]})
    got = call_predict(cls(), [{"id": 1}], {"context": {"c": 1}, "login": "l", "password": "p"})
    got.update(got.pop("kwargs", {}))
    first = signature.partition(",")[0]
    assert got.pop(first) == [{"id": 1}]
    got.pop("self")
    assert got == gets


def test_params_cannot_take_the_place_of_the_tasks() -> None:
    class Asked(Base):
        def predict(self, tasks, **kwargs):
            return tasks, kwargs

    assert call_predict(Asked(), [1], {"tasks": "x", "self": "y"}) == ([1], {"context": None})  # type: ignore[list-item]


# Reasons


def _module(path: Path, code: str) -> Any:
    path.write_text(textwrap.dedent(code))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reason_names_the_users_file_and_line(tmp_path: Path) -> None:
    module = _module(
        tmp_path / "mymodel.py",
        """\
        import json

        def inner():
            return json.loads("{")

        def outer():
            return inner()
        """,
    )
    with pytest.raises(ValueError, match="Expecting") as caught:
        module.outer()
    text = reason(caught.value)
    assert text.startswith("JSONDecodeError: Expecting property name")
    assert "\n" not in text
    assert "mymodel.py, line 4" in text


def test_the_reason_of_what_says_nothing() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert reason(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert reason(Silent()) == "Silent"
    assert reason(SystemExit(3)) == "SystemExit: 3"
    assert reason(ValueError("two\nlines \udc80")) == "ValueError: two lines \\udc80"
    assert reason(ModelFileError("ours", fix="do it")) == "ours. do it"

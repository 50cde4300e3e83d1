"""The model class in a plain Python prompt, written as its authors of both generations write it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from label_studio_ml import model as model_module
from label_studio_ml.errors import FileFetchError, LabelConfigError, StudioError
from label_studio_ml.model import LabelStudioMLBase, predict_fn, update_fn
from label_studio_ml.model_api import registered_functions
from label_studio_ml.model_api.model_context import ModelContext, model_context
from label_studio_ml.versions.state.key_values import MemoryState
from live import CONFIG
from studio.fake import FakeServer, Reply, jwt

XML = "<View><Text name='t' value='$text'/><Choices name='c' toName='t'><Choice value='A'/></Choices></View>"


class Plain(LabelStudioMLBase):
    pass


@pytest.fixture(autouse=True)
def _no_functions() -> Iterator[None]:
    yield
    registered_functions.functions.predict = registered_functions.functions.update = None


# Construction


def test_without_anything() -> None:
    model = Plain()
    assert (model.project_id, model.label_config, model.train_output) == ("", "", {})
    assert model.parsed_label_config == {}
    assert model.extra_params == {}
    assert model.model_version is None
    assert (model.hostname, model.access_token) == ("", "")
    assert model.predict([{"data": {}}]) is None
    assert model.fit("START_TRAINING", {}) is None


@pytest.mark.parametrize(
    ("args", "project", "config", "output"),
    [
        ((XML,), "", XML, {}),
        ((XML, {"a": 1}), "", XML, {"a": 1}),
        ((XML, None), "", XML, {}),
        (("7",), "7", "", {}),
        ((7, XML), "7", XML, {}),
        (("7", None), "7", "", {}),
        ((None, XML), "", XML, {}),
        ((f"\n  {XML}",), "", f"\n  {XML}", {}),
    ],
)
def test_positional_arguments_of_both_generations(
    args: tuple[Any, ...], project: str, config: str, output: dict[str, Any]
) -> None:
    model = Plain(*args)
    assert (model.project_id, model.label_config, model.train_output) == (project, config, output)


def test_keyword_arguments() -> None:
    model = Plain(
        project_id=5,
        label_config=XML,
        train_output={"w": 1},
        hostname="http://ls",
        access_token="t",
        model_version="v",
        own="x",
    )
    assert (model.project_id, model.hostname, model.access_token) == ("5", "http://ls", "t")
    assert (model.model_version, model.init_kwargs) == ("v", {"own": "x"})
    assert list(model.parsed_label_config) == ["c"]


def test_setup_is_called_once_when_all_is_there() -> None:
    calls = []

    class WithSetup(LabelStudioMLBase):
        def setup(self) -> None:
            calls.append((self.project_id, self.label_config, self.train_output))

    WithSetup(project_id="1", label_config=XML, train_output={"a": 1})
    assert calls == [("1", XML, {"a": 1})]


def test_everything_can_be_assigned_as_in_the_first_generation() -> None:
    model = Plain(label_config=XML)
    model.parsed_label_config = {"x": {}}
    model.model_version = "mine"
    model.extra_params = {"a": 1}
    assert (model.parsed_label_config, model.model_version) == ({"x": {}}, "mine")
    assert model.extra_params == {"a": 1}
    model.label_config = CONFIG
    assert list(model.parsed_label_config) == ["label"]


def test_a_label_config_that_is_no_xml() -> None:
    model = Plain(label_config="<View>")
    with pytest.raises(LabelConfigError):
        _ = model.parsed_label_config
    with pytest.raises(LabelConfigError):
        model.use_label_config("<View")
    model.use_label_config(XML)
    assert list(model.parsed_label_config) == ["c"]


# Pairs


def test_get_set_has() -> None:
    model = Plain()
    assert model.get("a") is None
    assert not model.has("a")
    model.set("a", "")
    assert model.get("a") == ""
    assert model.has("a")


@pytest.mark.parametrize("value", [1, None, b"x", {"a": 1}, ["x"]])
def test_only_text_is_stored(value: Any) -> None:
    model = Plain()
    with pytest.raises(ValueError, match=r"set\('a'.*json\.dumps"):
        model.set("a", value)
    assert not model.has("a")


def test_the_label_config_is_a_pair_too() -> None:
    model = Plain(label_config=XML)
    assert model.get("label_config") == XML
    assert list(json.loads(model.get("parsed_label_config") or "")) == ["c"]
    assert Plain().get("label_config") is None
    assert not Plain().has("label_config")


class Versioned(LabelStudioMLBase):
    """As nineteen of the examples do it."""

    def setup(self) -> None:
        self.set("model_version", "0.0.1")


@pytest.mark.parametrize("name", [" ", "x" * 257, "a\nb", "a\0"])
def test_what_cannot_name_a_version(name: str) -> None:
    model = LabelStudioMLBase()
    with pytest.raises(ValueError, match=r"set\('model_version', …\): .* cannot name a version: it "):
        model.set("model_version", name)
    assert model.get("model_version") != name


@pytest.mark.parametrize(("key", "value"), [("k", "\ud800"), ("\udfff", "v"), ("model_version", "v\ud800")])
def test_halves_of_characters_cannot_be_stored(key: str, value: str) -> None:
    with pytest.raises(ValueError, match="half of a character"):
        LabelStudioMLBase().set(key, value)


def test_setup_names_the_version_before_any_training() -> None:
    assert Versioned().model_version == "0.0.1"


class VersionedByConstructor(LabelStudioMLBase):
    """As `grounding_sam` did it, after the base's constructor."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set("model_version", "0.0.1")


def test_a_constructor_names_the_version_before_any_training() -> None:
    with model_context(ModelContext()):
        model = VersionedByConstructor()
    assert model.model_version == "0.0.1"
    assert VersionedByConstructor().model_version == "0.0.1"


@pytest.mark.parametrize("cls", [Versioned, VersionedByConstructor])
def test_the_construction_does_not_take_a_trained_version_back(cls: type[LabelStudioMLBase]) -> None:
    state = MemoryState({"model_version": "1.4.0"})
    with model_context(ModelContext(state=state, version="1.4.0")):
        model = cls()
    assert model.model_version == "1.4.0"
    assert model.get("model_version") == "1.4.0"
    assert state.get("model_version") == "1.4.0"
    model.set("model_version", "1.5.0")  # in fit
    assert state.get("model_version") == "1.5.0"


def test_bump_model_version() -> None:
    model = Versioned()
    assert model.bump_model_version() == "0.1.0"
    assert model.bump_model_version() == "0.2.0"
    assert model.get("model_version") == "0.2.0"
    for name in ("mine", "1.2.²", "1.2.x.3", "1..2.3"):
        model.set("model_version", name)
        with pytest.raises(ValueError, match=re.escape(f"{name!r} is not of the form")):
            model.bump_model_version()


# Extra params


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        (None, {}),
        ("", {}),
        ("  ", {}),
        ('{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ("[1]", [1]),
        ([1], [1]),
        ("not json", "not json"),
        ("0", 0),
        (0, 0),
        (False, False),
    ],
)
def test_extra_params(given: Any, parsed: Any) -> None:
    model = Plain()
    model.set_extra_params({"before": 1})
    model.set_extra_params(given)
    assert model.extra_params == parsed


def test_extra_params_are_there_in_setup() -> None:
    seen = []

    class WithSetup(LabelStudioMLBase):
        def setup(self) -> None:
            seen.append(self.extra_params)

    with model_context(ModelContext(extra_params={"a": 1})):
        WithSetup()
    WithSetup()
    assert seen == [{"a": 1}, {}]


# Labels


def test_the_label_interface_is_made_on_first_use_and_can_be_replaced() -> None:
    model = Plain(label_config=XML)
    assert model.label_interface is model.label_interface
    assert model.get_first_tag_occurence("Choices", "Text") == ("c", "t", "text")
    mock = object()
    model.label_interface = mock
    assert model.label_interface is mock
    model.label_config = CONFIG
    assert model.get_first_tag_occurence("Choices", ("Image", "Text"))[0] == "label"


def test_no_such_tag() -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Plain(label_config=XML).get_first_tag_occurence("RectangleLabels", "Image")
    with pytest.raises(ValueError, match=r"\w"):
        Plain().get_first_tag_occurence("Choices", "Text")


LABELS = """<View><Image name="i" value="$i"/><RectangleLabels name="r" toName="i">
<Label value="Vehicle" predicted_values="car, truck ,bus"/><Label value="Person"/><Label value="DOG"/>
<Label value="Bird" predicted_values="Parrot"/></RectangleLabels></View>"""


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["car", "bus", "plane"], {"car": "Vehicle", "bus": "Vehicle"}),
        (["Person"], {"Person": "Person"}),
        (["person", "dog"], {"person": "Person", "dog": "DOG"}),
        (["parrot", "Bird"], {"parrot": "Bird"}),
        (["person", "Person"], {"Person": "Person"}),
        ([], {}),
    ],
)
def test_build_label_map(names: list[str], expected: dict[str, str]) -> None:
    assert Plain(label_config=LABELS).build_label_map("r", names) == expected


def test_build_label_map_of_no_tag() -> None:
    with pytest.raises(ValueError, match="'x'"):
        Plain(label_config=LABELS).build_label_map("x", [])


# Functions, events, imports


def test_predict_fn_and_update_fn() -> None:
    @predict_fn
    def predict(tasks: Any, context: Any, helper: Any, **kwargs: Any) -> Any:
        return [helper.project_id, tasks, context, kwargs]

    @update_fn
    def update(event: Any, data: Any, helper: Any, **kwargs: Any) -> Any:
        return [helper.project_id, event, data, kwargs]

    model = Plain(project_id=3)
    assert model.predict([{"id": 1}], {"c": 1}, login="l") == ["3", [{"id": 1}], {"c": 1}, {"login": "l"}]
    assert model.fit("E", {"d": 1}, job_id="j") == ["3", "E", {"d": 1}, {"job_id": "j"}]


def test_process_event() -> None:
    class Listening(LabelStudioMLBase):
        def fit(self, event: Any, data: Any = None, **kwargs: Any) -> Any:
            return event, data, kwargs

    model = Listening()
    found = model.process_event("ANNOTATION_CREATED", {"a": 1}, "j", {"x": 2})
    assert found == ("ANNOTATION_CREATED", {"a": 1}, {"job_id": "j", "x": 2})
    assert model.process_event("PROJECT_UPDATED", {}, "j", {}) is None


def test_no_client_without_an_address() -> None:
    with pytest.raises(StudioError, match="LABEL_STUDIO_API_KEY"):
        Plain().get_label_studio_client()


NAMES = [
    ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"),
    ("LABEL_STUDIO_HOST", "LABEL_STUDIO_ACCESS_TOKEN"),
]


@pytest.mark.parametrize("names", NAMES)
def test_a_model_built_by_hand_knows_what_is_set(
    names: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment may be set after the model is built, as tests do it."""
    studio = FakeServer()
    monkeypatch.setenv("HOME", str(tmp_path))
    try:
        studio.on("/data/upload/1/a.txt", Reply(body=b"hello"))
        model = Plain()
        with pytest.raises(FileFetchError, match="LABEL_STUDIO_URL"):
            model.get_local_path("/data/upload/1/a.txt")
        monkeypatch.setenv(names[0], studio.url)
        monkeypatch.setenv(names[1], "tok")
        assert Path(model.get_local_path("/data/upload/1/a.txt")).read_text() == "hello"
        assert studio.asked[-1].authorization == "Token tok"
        assert model.preload_task_data({"data": {"t": "/data/upload/1/a.txt"}}) == {"t": "hello"}
        (file,) = model.fetch([{"id": 1, "data": {"t": "/data/upload/1/a.txt"}}], "t")
        assert file.ok, file.error
        assert model.get_label_studio_access_token() == "tok"
        made: list[dict[str, Any]] = []

        def client(**given: Any) -> str:
            made.append(given)
            return "client"

        monkeypatch.setattr(model_module, "LabelStudio", client)
        assert model.get_label_studio_client() == "client"
        assert model._get_label_studio_client() == "client"
        assert made == [{"base_url": studio.url, "api_key": "tok"}]
    finally:
        studio.stop()


def test_what_a_model_is_built_with_wins_and_no_token_goes_astray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://configured")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "configured")
    assert Plain(hostname="http://given", access_token="given").get_label_studio_access_token() == "given"
    elsewhere = Plain(hostname="http://given")
    assert elsewhere.get_label_studio_access_token() == ""
    with pytest.raises(StudioError):
        elsewhere.get_label_studio_client()
    assert elsewhere._files().studio_url == "http://given"
    assert elsewhere._files().token == ""


def test_the_local_files_root_counts_for_a_model_built_by_hand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("here")
    monkeypatch.setenv("LOCAL_FILES_DOCUMENT_ROOT", str(tmp_path))
    assert Plain().preload_task_data({"data": "/data/local-files/?d=a.txt"}) == "here"


def test_a_personal_access_token_is_exchanged_for_one_that_can_be_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    studio = FakeServer()
    personal = jwt("refresh", lives=3600)
    try:
        model = Plain(hostname=studio.url, access_token=personal)
        studio.on("/api/token/refresh/", Reply.of({"detail": "no"}, 401))
        assert model.get_label_studio_access_token() == personal
        access = jwt("access")
        studio.on("/api/token/refresh/", Reply.of({"access": access}))
        assert model.get_label_studio_access_token() == access
    finally:
        studio.stop()


def test_a_client_that_cannot_be_made_is_false_and_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://ls")
    made: list[dict[str, Any]] = []

    def refuse(**given: Any) -> Any:
        made.append(given)
        raise RuntimeError("boom")

    monkeypatch.setattr(model_module, "LabelStudio", refuse)
    model = Plain()
    assert [model._get_label_studio_client(), model._get_label_studio_client()] == [False, False]
    assert made == [{"base_url": "http://ls"}]


class OwnFiles(LabelStudioMLBase):
    def get_local_path(self, url: str, project_dir: str | None = None) -> str:  # type: ignore[override]
        return f"/own/{url.rpartition('/')[2]}"


def test_preload_task_data_calls_an_overridden_get_local_path(tmp_path: Path) -> None:
    task = {"id": 7, "data": {"a": "s3://bucket/k.png", "b": ["http://x/y.png", "text"], "n": 1}}
    loaded = OwnFiles().preload_task_data(task, read_file=False)
    assert loaded == {"a": "/own/k.png", "b": ["/own/y.png", "text"], "n": 1}
    asked = []

    class Later(LabelStudioMLBase):
        def get_local_path(self, url: str, *args: Any, task_id: Any = None, **kwargs: Any) -> str:
            asked.append((url, task_id))
            (tmp_path / "file").write_text("text of it")
            return str(tmp_path / "file")

    assert Later().preload_task_data(task, value="s3://bucket/k.png") == "text of it"
    assert asked == [("s3://bucket/k.png", 7)]


def test_preload_task_data_calls_what_users_tests_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched, opened = mock.Mock(return_value="path"), mock.mock_open(read_data="body")
    monkeypatch.setattr("locale.getencoding", lambda: "UTF-8")
    with (
        mock.patch("label_studio_ml.model.LabelStudioMLBase.get_local_path", fetched),
        mock.patch("builtins.open", opened),
    ):
        assert LabelStudioMLBase().preload_task_data({"id": 1, "data": {"url": "gs://b/k"}}) == {
            "url": "body"
        }
    fetched.assert_called_once_with(url="gs://b/k", task_id=1)
    opened.assert_called_once_with("path", "r")


def test_preload_task_data_with_a_get_local_path_that_calls_the_url_otherwise() -> None:
    class Named(LabelStudioMLBase):
        def get_local_path(self, address: str) -> str:  # type: ignore[override]
            return f"/own/{address}"

    class NamedWithMore(LabelStudioMLBase):
        def get_local_path(self, address: str, **more: Any) -> str:  # type: ignore[override]
            return f"/own/{address}/{more['task_id']}"

    class ByPlace(LabelStudioMLBase):
        def get_local_path(self, url: str, /, **more: Any) -> str:  # type: ignore[override]
            return f"/own/{url}"

    task = {"id": 3, "data": "gs://b/k"}
    assert Named().preload_task_data(task, read_file=False) == "/own/gs://b/k"
    assert NamedWithMore().preload_task_data(task, read_file=False) == "/own/gs://b/k/3"
    assert ByPlace().preload_task_data(task, read_file=False) == "/own/gs://b/k"


def test_get_local_path_of_an_upload(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    model = Plain()
    assert model.preload_task_data({"data": {"text": "plain", "n": [1, {"x": None}]}}) == {
        "text": "plain",
        "n": [1, {"x": None}],
    }


def _imported(code: str, tmp_path: Path) -> set[str]:
    """Return the modules that are loaded after `code` has run in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
        cwd=tmp_path,
    )
    assert list(tmp_path.iterdir()) == [], "importing or building a model writes nothing"
    return {name.partition(".")[0] for name in done.stdout.split()}


SEED = f"""
from label_studio_ml.model import LabelStudioMLBase
class Seed(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.names = list(self.parsed_label_config)
    def predict(self, tasks, **kwargs):
        return [{{"result": []}} for _ in tasks]
model = Seed(label_config={XML!r})
assert model.names == ["c"] and model.predict([{{}}]) == [{{"result": []}}]
"""


def test_a_seed_class_needs_neither_the_sdk_nor_a_server(tmp_path: Path) -> None:
    loaded = _imported(SEED, tmp_path)
    heavy = {"label_studio_sdk", "pydantic", "pandas", "torch", "flask", "redis", "rq", "uvicorn", "asyncio"}
    assert loaded & heavy == set()
    assert "label_studio_ml" in loaded


def test_what_model_files_import_from_here(tmp_path: Path) -> None:
    loaded = _imported(
        "from label_studio_ml.model import LabelStudioMLBase, ModelResponse, PredictionValue\n"
        "from label_studio_ml.response import ModelResponse as same\n"
        "assert ModelResponse is same\n"
        "import label_studio_ml.model as m\n"
        "from label_studio_sdk import LabelStudio\n"
        "assert m.LabelStudio is LabelStudio",
        tmp_path,
    )
    assert "label_studio_sdk" in loaded


def test_a_name_that_is_not_here() -> None:
    from label_studio_ml import model

    with pytest.raises(AttributeError, match="'Nonsense'"):
        _ = model.Nonsense

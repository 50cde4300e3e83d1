"""`once` of a model: for the content of a file, once; for another model, again."""

import base64
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import FileFetchError, ModelError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.computed import value_cache
from label_studio_ml.model_api.computed.value_cache import MemoryCache, ValueCache
from label_studio_ml.model_api.model_context import ModelContext, model_context
from label_studio_ml.params import Param

IMAGE = """<View><Text name="t" value="$caption"/><Image name="i" value="$image"/>
<RectangleLabels name="box" toName="i"><Label value="A"/></RectangleLabels></View>"""


class Encoder(LabelStudioMLBase):
    """A model that notes what its `encode` is called with."""

    def setup(self) -> None:
        self.calls: list[Any] = []

    def encode(self, path: Any) -> Any:
        self.calls.append(path)
        return {"embedding": np.arange(6.0).reshape(2, 3), "size": (2, 3)}


class Other(Encoder):
    pass


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Encoder]:
    """Return a function that builds a model with an own memory and the shared folder of the test."""

    def make(cls: type[Encoder] = Encoder, code: str = "", version: str = "", **arguments: Any) -> Encoder:
        cache = ValueCache(tmp_path / "once", 1 << 20, MemoryCache(1 << 20))
        with model_context(ModelContext(values=cache, code=code, version=version)):
            return cls(label_config=arguments.pop("label_config", IMAGE), **arguments)

    return make


def _url(content: bytes = b"x", kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _task(image: Any = None, number: int = 1) -> dict[str, Any]:
    return {"id": number, "data": {"caption": "A cat", "image": _url() if image is None else image}}


def test_a_value_is_computed_once_for_all_models_with_the_same_code(build: Callable[..., Encoder]) -> None:
    first, second = build(), build()
    for model in (first, first, second):
        value = model.once(_task(), "embedding", model.encode)
        assert value["embedding"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert value["size"] == [2, 3]  # as in all later calls
    assert len(first.calls) == 1
    assert Path(first.calls[0]).read_bytes() == b"x"
    assert second.calls == []


def test_what_the_caller_changes_is_not_kept(build: Callable[..., Encoder]) -> None:
    model = build()
    for _ in range(2):
        value = model.once(_task(), "embedding", model.encode)
        assert value["embedding"].max() == 5
        value["embedding"] *= 2


def test_the_content_counts_and_neither_its_address_nor_its_task(build: Callable[..., Encoder]) -> None:
    model = build()
    model.once(_task(_url(b"x", "image/png"), 1), "embedding", model.encode)
    model.once(_task(_url(b"x", "image/gif"), 2), "embedding", model.encode)
    assert len(model.calls) == 1
    model.once(_task(_url(b"y"), 1), "embedding", model.encode)
    model.once(_task(_url(b"y"), 1), "thumbnail", model.encode)
    assert len(model.calls) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"cls": Other},
        {"code": "edited"},
        {"version": "v2"},
        {"model_version": "named"},
        {"train_output": {"weights": "b"}},
        {"project_id": "2"},
        {"size": "large"},
        {"label_config": IMAGE.replace('"A"', '"B"')},
    ],
)
def test_another_model_computes_again_unless_it_is_shared(
    build: Callable[..., Encoder], change: dict[str, Any]
) -> None:
    usual: dict[str, Any] = {"code": "code", "version": "", "project_id": "1", "size": "small"}
    first, second = build(**usual), build(**{**usual, **change})
    for model in (first, second):
        model.once(_task(), "embedding", model.encode)
        model.once(_task(), "frozen", model.encode, shared=True)
    assert len(first.calls) == 2
    assert len(second.calls) == 1


def test_extra_params_and_the_name_set_by_fit_count(build: Callable[..., Encoder]) -> None:
    model = build(code="code")
    model.once(_task(), "embedding", model.encode)
    model.set_extra_params({"threshold": 0.5})
    model.once(_task(), "embedding", model.encode)
    model.set("model_version", "after training")
    model.once(_task(), "embedding", model.encode)
    assert len(model.calls) == 3


def test_parameters_from_any_source_count(
    build: Callable[..., Encoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sized(Encoder):
        params: ClassVar[Any] = {"image_size": Param(512, "pixels")}

        def __init__(self, weights: str = "small", **kwargs: Any) -> None:
            super().__init__(**kwargs)

    model = build(Sized, code="code")
    model.once(_task(), "embedding", model.encode)
    monkeypatch.setenv("IMAGE_SIZE", "1024")
    model = build(Sized, code="code")
    model.once(_task(), "embedding", model.encode)
    assert len(model.calls) == 1
    model._context.arguments = {"weights": "large"}  # the constructor does not pass it on
    model.once(_task(), "embedding", model.encode)
    assert len(model.calls) == 2


def test_a_changed_file_is_computed_again(build: Callable[..., Encoder], tmp_path: Path) -> None:
    class Local(Encoder):
        def get_local_path(self, url: str, *args: Any, **kwargs: Any) -> str:
            return str(tmp_path / "image.png")

    model = build(Local)
    for content, modified, calls in ((b"1", 1, 1), (b"2", 2, 2), (b"1", 3, 2), (b"3", 4, 3)):
        (tmp_path / "image.png").write_bytes(content)
        os.utime(tmp_path / "image.png", (modified, modified))
        model.once(_task("s3://bucket/image.png"), "embedding", model.encode)
        assert len(model.calls) == calls


def test_an_unchanged_file_is_not_read_again(
    build: Callable[..., Encoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build()
    model.once(_task(_url(b"unchanged")), "embedding", model.encode)
    monkeypatch.setattr("hashlib.file_digest", None)
    model.once(_task(_url(b"unchanged")), "embedding", model.encode)
    assert len(model.calls) == 1


@pytest.mark.parametrize(
    ("config", "data", "field", "expected"),
    [
        (IMAGE, {"caption": "s3://b/c.txt", "image": _url()}, None, "file"),  # the first one with a file
        (IMAGE, {"caption": "A cat", "image": _url()}, "caption", "A cat"),
        (IMAGE, {"caption": "A cat", "image": _url()}, "$caption", "A cat"),
        (IMAGE, {"caption": "A cat"}, None, "A cat"),
        (
            "<View><Image name='i' valueList='$pages'/></View>",
            {"pages": [_url(), _url(b"2")]},
            None,
            "2 files",
        ),
        ("<View><Text name='t' value='$doc' valueType='url'/></View>", {"doc": _url()}, None, "file"),
        ("<View><Image name='i' value='$a.b[0]'/></View>", {"a": {"b": [_url()]}}, None, "file"),
        (
            "<View><Paragraphs name='p' value='$talk'/></View>",
            {"talk": [{"text": "a"}]},
            None,
            [{"text": "a"}],
        ),
        (None, {"note": "text", "image": _url()}, None, "file"),
        (None, {"text": "only"}, None, "only"),
        (None, {"number": 3}, None, 3),
    ],
)
def test_the_input_of_the_function(
    build: Callable[..., Encoder], config: Any, data: dict[str, Any], field: str | None, expected: Any
) -> None:
    model = build(label_config=config)
    for _ in range(2):
        model.once({"id": 1, "data": data}, "embedding", model.encode, field=field)
    (given,) = model.calls
    if expected == "file":
        given = "file" if os.path.isfile(given) else given
    if expected == "2 files":
        given = f"{sum(map(os.path.isfile, given))} files"
    assert given == expected


@pytest.mark.parametrize(
    ("data", "field", "cause"),
    [
        ({"a": "x", "b": "y"}, None, "It is not clear from which field"),
        ({}, None, "it has none"),
        ({"image": "x"}, "picture", "no field 'picture'; they have 'image'"),
    ],
)
def test_the_field_is_not_there(
    build: Callable[..., Encoder], data: Any, field: str | None, cause: str
) -> None:
    model = build(label_config=None)
    with pytest.raises(ModelError, match=cause):
        model.once({"id": 1, "data": data}, "embedding", model.encode, field=field)


@pytest.mark.parametrize("value", [7, ["{}", 1], [], {"url": "{}"}])
def test_a_field_that_an_image_shows_has_addresses_only(
    build: Callable[..., Encoder], tmp_path: Path, value: Any
) -> None:
    """A path in a list beside a number would else be read from the machine."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    if isinstance(value, list) and value:
        value = [str(secret), 1]
    model = build()
    with pytest.raises(ModelError, match="Task 1: the field 'image' has no address of a file"):
        model.once(_task(value), "embedding", model.encode, field="image")
    assert model.calls == []


def test_a_file_that_cannot_be_fetched_is_told_with_its_task(build: Callable[..., Encoder]) -> None:
    model = build()
    for value in ("", [_url(), ""]):
        with pytest.raises(FileFetchError, match="Task 1: The URL is empty"):
            model.once(_task(value), "embedding", model.encode, field="image")


def test_wrong_arguments(build: Callable[..., Encoder]) -> None:
    model = build()
    wrong: Any
    for wrong in ((7, "key", model.encode), (_task(), 7, model.encode), (_task(), "key", 7)):
        with pytest.raises(ValueError, match="must be"):
            model.once(*wrong)
    with pytest.raises(ModelError, match="has no data"):
        model.once({"id": 1}, "key", model.encode)
    with pytest.raises(FileFetchError):
        model.once(_task("no-url"), "key", model.encode)


def test_what_cannot_be_kept_is_an_error_each_time(build: Callable[..., Encoder]) -> None:
    model = build()
    for _ in range(2):
        with pytest.raises(ModelError, match="it has a Encoder"):
            model.once(_task(), "embedding", lambda path: [model])

    async def encode(path: str) -> int:
        return 1

    with pytest.raises(ModelError, match="is async"):
        model.once(_task(), "embedding", encode)
    assert list((model._context.values or pytest.fail("none")).folder.iterdir()) == []


def test_an_error_of_the_function_is_passed_on_and_not_kept(build: Callable[..., Encoder]) -> None:
    model = build()

    def fail(path: str) -> None:
        raise OSError("the weights are gone")

    with pytest.raises(OSError, match="the weights are gone"):
        model.once(_task(), "embedding", fail)
    assert model.once(_task(), "embedding", lambda path: 1) == 1


def test_a_function_that_needs_its_own_value_is_an_error(build: Callable[..., Encoder]) -> None:
    model = build()

    def encode(path: str) -> Any:
        return model.once(_task(), "embedding", encode)

    for _ in range(2):
        with pytest.raises(ModelError, match="calls once for 'embedding' of the same file"):
            model.once(_task(), "embedding", encode)

    def smaller(path: str) -> Any:
        return model.once(_task(), "embedding", model.encode)["size"]

    assert model.once(_task(), "size", smaller) == [2, 3]


def test_one_file_is_another_input_than_a_list_of_it(build: Callable[..., Encoder]) -> None:
    model = build(label_config=None)
    data = {"page": _url(), "pages": [_url()]}
    kinds = [
        model.once({"id": 1, "data": data}, "kind", lambda paths: type(paths).__name__, field=field)
        for field in ("page", "pages")
    ]
    assert kinds == ["str", "list"]


def test_arguments_with_keys_of_several_types(build: Callable[..., Encoder]) -> None:
    for labels, calls in (({1: "cat", "other": "dog"}, 1), ({1: "cow", "other": "dog"}, 1)):
        model = build(code="code", labels=labels)
        model.once(_task(), "embedding", model.encode)
        assert len(model.calls) == calls


def test_a_class_without_a_file_shares_with_this_process_only(
    build: Callable[..., Encoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    from label_studio_ml.model_api.computed import once as module

    typed: dict[str, Any] = {"Encoder": Encoder, "__name__": "prompt"}
    exec("class Typed(Encoder): pass", typed)
    model = build(typed["Typed"])
    model.once(_task(), "embedding", model.encode)
    model.once(_task(), "embedding", model.encode)
    assert len(model.calls) == 1
    module._code_hash.cache_clear()  # as in a new process
    model.once(_task(), "embedding", model.encode)
    assert len(model.calls) == 2


def test_without_a_backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    model = Encoder(label_config=IMAGE)
    model.once(_task(), "embedding", model.encode)
    assert list((tmp_path / ".cache" / "label-studio-ml" / "once").glob("?" * 32))


# The cache


NAME = "0" * 32


@pytest.fixture
def cache(tmp_path: Path) -> ValueCache:
    return ValueCache(tmp_path / "once", 1 << 20, MemoryCache(1 << 20))


@pytest.fixture
def _warnings() -> Iterator[None]:
    value_cache._warn_once.cache_clear()
    yield
    value_cache._warn_once.cache_clear()


def test_the_memory_is_bounded() -> None:
    memory = MemoryCache(100)
    for name in "abc":
        memory.put(name, bytes(40))
    memory.put("large", bytes(101))
    assert [memory.get(name) is not None for name in ("a", "b", "c", "large")] == [False, True, True, False]
    memory.get("b")
    memory.put("d", bytes(20))
    memory.put("b", bytes(50))
    assert [memory.get(name) is not None for name in "bcd"] == [True, False, True]


def test_the_folder_is_bounded(tmp_path: Path) -> None:
    cache = ValueCache(tmp_path, 10_000, MemoryCache(0))
    for number in range(50):
        cache.get(f"{number:032x}", lambda: bytes(900))
        for path in tmp_path.glob("?" * 32):
            os.utime(path, (number, number)) if path.stat().st_mtime > 100 else None
    assert 5_000 < sum(path.stat().st_size for path in tmp_path.glob("?" * 32)) <= 10_000


def test_a_damaged_file_is_computed_again(cache: ValueCache, tmp_path: Path) -> None:
    assert cache.get(NAME, lambda: [1]) == [1]
    for content in (b"", b"LSMLVAL1", b"\x80\x04K\x01."):
        (tmp_path / "once" / NAME).write_bytes(content)
        again = ValueCache(cache.folder, cache.limit, MemoryCache(0))
        assert again.get(NAME, lambda: [2]) == [2]
        assert again.get(NAME, lambda: [3]) == [2]
    path = tmp_path / "once" / NAME
    path.write_bytes(path.read_bytes().replace(b"\x91\x02", b"\x91\x04"))  # a whole value, but another one
    assert ValueCache(cache.folder, cache.limit, MemoryCache(0)).get(NAME, lambda: [5]) == [5]


def test_a_hit_in_the_memory_reads_no_file(cache: ValueCache, tmp_path: Path) -> None:
    cache.get(NAME, lambda: [1])
    (tmp_path / "once" / NAME).unlink()
    assert cache.get(NAME, lambda: [2]) == [1]


@pytest.mark.usefixtures("_warnings")
def test_a_folder_that_cannot_be_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    calls: list[int] = []

    def compute() -> str:
        calls.append(1)
        return "computed"

    for number in range(3):
        cache = ValueCache(tmp_path / "file" / "once", 1 << 20, MemoryCache(0))
        with caplog.at_level(logging.WARNING):
            assert cache.get(f"{number:032x}", compute) == "computed"
    assert len(calls) == 3
    assert [record.message for record in caplog.records if "cannot be stored" in record.message] == [
        caplog.records[0].message
    ]


@pytest.mark.usefixtures("_warnings")
def test_a_full_disk_costs_no_second_computation(
    cache: ValueCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    calls: list[int] = []

    def compute() -> str:
        calls.append(1)
        return "computed"

    for _ in range(2):  # the second one comes from the memory
        assert cache.get(NAME, compute) == "computed"
    assert calls == [1]
    assert "No space left on device" in caplog.text
    assert list(cache.folder.glob("*")) == []


def test_nothing_on_the_disk(tmp_path: Path) -> None:
    cache = ValueCache(tmp_path / "once", 0, MemoryCache(100_000))
    assert cache.get(NAME, lambda: 1) == cache.get(NAME, lambda: 2) == 1
    assert not (tmp_path / "once").exists()


def test_a_computation_that_takes_too_long_elsewhere(
    cache: ValueCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from label_studio_ml.storage import file_locks

    monkeypatch.setattr(value_cache, "WAIT", 0.0)
    cache.folder.mkdir()
    with file_locks.open_locked(cache.folder / f".{NAME}.part"):
        assert cache.get(NAME, lambda: "own") == "own"
    assert "Another process has been computing" in caplog.text


def test_a_backends_cache_has_its_limits(tmp_path: Path) -> None:
    settings = Settings.from_env({"ONCE_CACHE_MB": "3", "ONCE_MEMORY_MB": "0"}, backend_dir=tmp_path)
    cache = ValueCache.in_backend(settings)
    assert (cache.folder, cache.limit) == (tmp_path / "data" / "once", 3 << 20)
    cache.memory.put(NAME, b"x")
    assert cache.memory.get(NAME) is None

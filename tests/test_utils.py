"""The helpers that users' model files import."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from label_studio_ml import utils
from label_studio_ml.errors import FileFetchError
from label_studio_ml.protocol.label_config import parse_label_config

CHOICES = parse_label_config(
    '<View><Text name="text" value="$body"/><Choices name="c" toName="text"><Choice value="a"/><Choice value="b"/>'
    "</Choices></View>"
)
TWO = parse_label_config(
    '<View><Text name="t" value="$t"/><Image name="i" value="$i"/><Labels name="l" toName="t"/>'
    '<Choices name="c" toName="i"/><Choices name="d" toName="t"/><Pairwise name="p" toName="t,i"/></View>'
)


def test_single_tag_keys() -> None:
    assert utils.get_single_tag_keys(CHOICES, "Choices", "Text") == ("c", "text", "body", ["a", "b"])


def test_single_tag_keys_of_a_list_of_values() -> None:
    parsed = parse_label_config(
        '<View><Image name="i" valueList="$pages"/><Choices name="c" toName="i"/></View>'
    )
    assert utils.get_single_tag_keys(parsed, "Choices", "Image") == ("c", "i", "pages", [])


@pytest.mark.parametrize(
    ("parsed", "control", "object_type", "message"),
    [
        ({}, "Choices", "Text", "one <Choices> only; it has no control tags"),
        (TWO, "Choices", "Text", 'one <Choices> only; it has <Labels name="l"> for <Text>'),
        (CHOICES, "Labels", "Text", 'needs a <Labels>; the label config has <Choices name="c">'),
        (CHOICES, "Choices", "Image", "needs a <Choices> for one <Image>"),
        ({"p": TWO["p"]}, "Pairwise", "Text", "for <Text> and <Image>"),
    ],
)
def test_single_tag_keys_says_what_is_wrong(
    parsed: dict[str, Any], control: str, object_type: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        utils.get_single_tag_keys(parsed, control, object_type)


def test_single_tag_keys_needs_a_value() -> None:
    parsed = parse_label_config('<View><Text name="t" value="$"/><Choices name="c" toName="t"/></View>')
    with pytest.raises(ValueError, match="neither value nor valueList"):
        utils.get_single_tag_keys(parsed, "Choices", "Text")


def test_first_tag_keys() -> None:
    assert utils.get_first_tag_keys(TWO, "Choices", "Text") == ("d", TWO["d"])
    assert utils.get_first_tag_keys(TWO, "Choices", "Audio") == (None, None)


@pytest.mark.parametrize(
    ("task", "skipped"),
    [
        ({"annotations": [{"was_cancelled": True}]}, True),
        ({"annotations": [{"skipped": True}]}, True),
        ({"completions": [{"skipped": True}]}, True),
        ({"annotations": [{"was_cancelled": False}]}, False),
        ({"annotations": [{"was_cancelled": True}, {}]}, False),
        ({"annotations": []}, False),
        ({}, False),
    ],
)
def test_is_skipped(task: dict[str, Any], skipped: bool) -> None:
    assert utils.is_skipped(task) is skipped


def test_choice() -> None:
    task = {"annotations": [{"result": [{"value": {"choices": ["a", "b"]}}]}]}
    assert utils.get_choice(task) == "a"


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"id": 7}, "task 7, 'annotations' has no choice: first element is missing"),
        ({"annotations": [{}]}, "'result' is missing"),
        ({"annotations": [{"result": []}]}, "'result' has no choice: first element is missing"),
        ({"annotations": [{"result": [{"value": {"labels": ["x"]}}]}]}, "'choices' is missing"),
        ({"annotations": [{"result": [{"value": None}]}]}, "'choices' is missing"),
    ],
)
def test_choice_says_what_is_missing(task: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        utils.get_choice(task)


def test_get_env(monkeypatch: pytest.MonkeyPatch) -> None:
    assert utils.get_env("SOME_NAME", "default") == "default"
    monkeypatch.setenv("SOME_NAME", "plain")
    assert utils.get_env("SOME_NAME") == "plain"
    monkeypatch.setenv("HEARTEX_SOME_NAME", "older")
    monkeypatch.setenv("LABEL_STUDIO_SOME_NAME", "first")
    assert utils.get_env("SOME_NAME") == "first"


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("ON", True), ("1", True), ("no", False), ("0", False)]
)
def test_get_env_bool(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("SOME_FLAG", text)
    assert utils.get_env("SOME_FLAG", is_bool=True) is value


def test_get_env_that_is_no_bool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_FLAG", "perhaps")
    with pytest.raises(ValueError, match="SOME_FLAG='perhaps'"):
        utils.get_env("SOME_FLAG", is_bool=True)
    assert utils.get_env("OTHER_FLAG", False, is_bool=True) is False


def test_local_path_from_the_document_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    monkeypatch.setenv("LOCAL_FILES_DOCUMENT_ROOT", str(tmp_path))
    for found in (
        utils.get_local_path("/data/local-files/?d=a.txt"),
        utils.get_image_local_path("/data/local-files/?d=a.txt"),
    ):
        assert Path(found) == tmp_path / "a.txt"


def test_local_path_of_uploads(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "x.png").write_bytes(b"x")
    url = "/data/upload/1/x.png"
    assert utils.get_local_path(url, image_dir=str(tmp_path / "images")) == str(tmp_path / "images" / "x.png")
    planned = utils.get_local_path(url, cache_dir=str(tmp_path / "cache"), download_resources=False)
    assert Path(planned).parent == tmp_path / "cache"
    assert not Path(planned).exists()


@pytest.mark.parametrize(
    ("hostname", "token", "sent"),
    [
        (None, None, "configured"),
        ("http://studio.example:80/", None, "configured"),
        ("http://other.example", None, ""),
        ("http://other.example", "own", "own"),
    ],
)
def test_configured_token_goes_to_the_configured_place(
    monkeypatch: pytest.MonkeyPatch, hostname: str | None, token: str | None, sent: str
) -> None:
    from label_studio_ml.studio.files.fetch import FileAccess

    monkeypatch.setenv("LABEL_STUDIO_URL", "http://studio.example")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "configured")
    used: list[str] = []

    def local_path(self: FileAccess, url: str, **_: Any) -> str:
        used.append(self.token)
        return url

    monkeypatch.setattr(FileAccess, "local_path", local_path)
    utils.get_local_path("/data/upload/1/x.png", hostname=hostname, access_token=token)
    assert used == [sent]


def test_local_path_needs_label_studio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_HOST"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(FileFetchError, match="Set LABEL_STUDIO_URL"):
        utils.get_local_path("/data/upload/1/x.png", cache_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("orientation", "size"), [(None, (30, 20)), (1, (30, 20)), (3, (30, 20)), (6, (20, 30)), (8, (20, 30))]
)
def test_image_size(tmp_path: Path, orientation: int | None, size: tuple[int, int]) -> None:
    image = Image.new("RGB", (30, 20))
    exif = image.getexif()
    if orientation:
        exif[0x0112] = orientation
    image.save(tmp_path / "x.jpg", exif=exif)
    assert utils.get_image_size(tmp_path / "x.jpg") == size
    with open(tmp_path / "x.jpg", "rb") as file:
        assert utils.get_image_size(file) == size


def test_lru_cache() -> None:
    cache = utils.InMemoryLRUDictCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert "b" not in cache
    assert cache.get("b") is None
    assert "a" in cache
    assert "c" in cache
    cache.put("a", 4)
    assert cache.get("a") == 4
    assert str(cache) == str(OrderedDict(c=3, a=4))


def test_lru_cache_holds_one_by_default() -> None:
    cache = utils.InMemoryLRUDictCache()
    cache.put("a", 1)
    cache.put("b", 2)
    assert ("a" in cache, "b" in cache) == (False, True)
    with pytest.raises(ValueError, match="capacity"):
        utils.InMemoryLRUDictCache(0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Positive", ["Positive"]),
        ("positive\n\n  negatve ", ["Positive", "Negative"]),
        ("NEUTRAL", ["Neutral"]),
        ("", []),
    ],
)
def test_match_labels(text: str, found: list[str]) -> None:
    assert utils.match_labels(text, ["Positive", "Negative", "Neutral"]) == found


def test_match_labels_prefers_the_exact_one() -> None:
    assert utils.match_labels("car\nCAR", ["CAR", "car"]) == ["car", "CAR"]


def test_match_labels_needs_labels() -> None:
    with pytest.raises(ValueError, match="labels is empty"):
        utils.match_labels("x", [])


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("https://example.com/x", True),
        ("s3://bucket/key", True),
        ("example.com", False),
        ("https://example.com is down", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_is_valid_url(text: str, valid: bool) -> None:
    assert utils.is_valid_url(text) is valid


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("/data/upload/1/x.png", True),
        ("upload/1/x.png", True),
        ("/data/local-files/?d=x", True),
        ("s3://bucket/key", True),
        ("https://example.com/x", True),
        ("upload your file", False),
        ("s3: a service", False),
        ("data:text/plain,x", False),
    ],
)
def test_is_preload_needed(text: str, needed: bool) -> None:
    assert utils.is_preload_needed(text) is needed


def test_name_of_a_file_is_text(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert not utils.is_preload_needed(str(tmp_path / "x"))


def test_nearly_equal_structures() -> None:
    utils.compare_nested_structures(
        {"a": [1.0, {"b": 2.00001}], "c": "x"}, {"a": (1.00001, {"b": 2}), "c": "x"}
    )
    utils.compare_nested_structures(1.0, 1.2, abs=0.3)
    utils.compare_nested_structures(1.0, 1.2, rel=0.5)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ({"a": 1}, {"b": 1}, "at the top"),
        ({"a": [1.0, 2.0]}, {"a": [1.0, 2.1]}, r"2\.0 is not near 2\.1 at \.a\[1\]"),
        ({"a": [1]}, {"a": [1, 2]}, r"1 element differs from 2 at \.a"),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, r"at \.a\.b"),
        ({"a": 1}, [1], "differs from"),
        (1, 2, "1 differs from 2"),
    ],
)
def test_different_structures(a: Any, b: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        utils.compare_nested_structures(a, b)


def test_undefined_name() -> None:
    assert utils.DATA_UNDEFINED_NAME == "$undefined$"


def test_wrong_kinds_of_arguments_are_said() -> None:
    with pytest.raises(ValueError, match="labels must be a list of labels, not the text 'cat'"):
        utils.match_labels("a cat", "cat")
    for find in (utils.get_single_tag_keys, utils.get_first_tag_keys):
        with pytest.raises(
            ValueError, match=r"must be self\.parsed_label_config, a dict, not the label config's XML"
        ):
            find("<View/>", "Choices", "Text")  # type: ignore[arg-type]

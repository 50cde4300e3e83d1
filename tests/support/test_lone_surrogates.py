"""Halves of UTF-16 characters in JSON: every parser reads what is left, and everything else stays as it was."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from label_studio_ml.errors import BackendError
from label_studio_ml.protocol.requests import parse_event, parse_predict, parse_setup
from label_studio_ml.support.lone_surrogates import are_in, parsed, replaced

#: Texts with halves, pairs, backslashes and what looks like an escape and is none.
TEXTS = st.lists(
    st.sampled_from(
        ["\ud800", "\udbff", "\udc00", "\udfff", "\U0001f600", "\\", "ud800", "\\ud83d", '"', "é", "a"]
    )
    | st.characters(),
    max_size=12,
).map("".join)
VALUES = st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=6)


def _clean(value: Any) -> Any:
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(one) for key, one in value.items()}
    joined = value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return re.sub("[\ud800-\udfff]", "\ufffd", joined)


@given(VALUES)
@example("\\ud83d\udc00")
@example("\\\U0001f600")
@example("\ud83d\\udc00")
@example("\U0001f600\udc00\ud83d")
def test_every_parser_reads_what_is_left(value: Any) -> None:
    body = json.dumps(value).encode()
    wanted = _clean(json.loads(body))
    assert msgspec.json.decode(replaced(body)) == wanted
    assert parsed(body) == wanted


@given(VALUES)
def test_what_has_none_stays_as_it_is(value: Any) -> None:
    body = json.dumps(_clean(value)).encode()
    assert replaced(body) == body
    plain = msgspec.json.encode(_clean(value))
    assert replaced(plain) == plain


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_halves_are_found(text: str) -> None:
    assert are_in(text)
    assert not are_in("\U0001f600 é")


def test_large_bodies_are_read_in_one_pass() -> None:
    body = json.dumps(["\U0001f600" * 10 + "\\ud800 " + "\ud800"] * 20_000).encode()
    assert parsed(body)[-1] == "\U0001f600" * 10 + "\\ud800 " + "\ufffd"


def test_requests_of_label_studio_that_have_one_are_read() -> None:
    task = {"id": 1, "data": {"text": "half \ud83d of it"}}
    project = {"id": 1, "created_at": "2026-01-01T00:00:00Z", "title": "\udc00", "label_config": "<View/>"}
    found = parse_predict(json.dumps({"tasks": [task], "project": "1.1", "label_config": "<View/>"}).encode())
    assert msgspec.json.decode(found.tasks[0])["data"]["text"] == "half \ufffd of it"
    body = {
        "action": "ANNOTATION_CREATED",
        "project": project,
        "task": task,
        "annotation": {"id": 3, "result": []},
    }
    event = parse_event(json.dumps(body).encode())
    assert event.title == "\ufffd"
    assert event.data["task"]["data"]["text"] == "half \ufffd of it"
    setup = {"project": "1.1", "schema": "<View/>", "hostname": "http://x", "access_token": "\ud800"}
    assert parse_setup(json.dumps(setup).encode()).access_token == "\ufffd"
    with pytest.raises(BackendError):
        parse_event(b'{"a": "\xff"}')

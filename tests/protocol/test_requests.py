"""Label Studio's requests, the real ones and everything that can be wrong with one."""

import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import all_captured, captured
from label_studio_ml.errors import RequestError
from label_studio_ml.protocol.requests import (
    MAX_UID,
    PredictRequest,
    parse_event,
    parse_object,
    parse_predict,
    parse_setup,
    parse_train,
    project_uid,
)

PARSERS: dict[str, Callable[[bytes], Any]] = {
    "/predict": parse_predict,
    "/setup": parse_setup,
    "/webhook": parse_event,
    "/train": parse_train,
}
POSTED = [one for one in all_captured() if one.method == "POST"]

UID = "2.1795434258"


def refusal(parse: Any, body: Any) -> RequestError:
    """Return the complaint about `body`: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(RequestError) as caught:
        parse(raw)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("request_", POSTED, ids=lambda one: one.name)
def test_every_captured_request_is_understood(request_: Any) -> None:
    project = request_.json["project"]
    parsed = PARSERS[request_.path](request_.body)
    if request_.path == "/webhook":
        assert parsed.uid.startswith(f"{project['id']}.")
    else:
        assert parsed.uid == project


def test_a_webhook_means_the_project_that_setup_named() -> None:
    told = parse_setup(captured("setup").body).uid
    assert parse_predict(captured("predict_retrieve").body).uid == told
    assert parse_event(captured("webhook_ANNOTATION_CREATED").body).uid == told
    assert parse_event(captured("webhook_START_TRAINING").body).uid == told


@pytest.mark.parametrize("created", ["2026-11-23T11:44:18.989977Z", "2026-11-23T13:44:18.1+02:00"])
def test_a_webhooks_project_is_known_by_its_number_and_the_second_it_was_made(created: str) -> None:
    project = {"id": 2, "created_at": created}
    assert parse_event(json.dumps({"action": "A", "project": project}).encode()).uid == "2.1795434258"


class TestPredict:
    def test_tasks_stay_the_bytes_they_were(self) -> None:
        request = captured("predict_retrieve")
        parsed = parse_predict(request.body)
        assert json.loads(parsed.tasks_json) == request.json["tasks"]
        assert all(task in request.body for task in parsed.tasks)
        assert parsed.label_config == request.json["label_config"]
        assert not parsed.interactive

    def test_a_context_makes_it_interactive(self) -> None:
        request = captured("predict_interactive")
        parsed = parse_predict(request.body)
        assert parsed.interactive
        assert json.loads(parsed.params) == request.json["params"]

    @pytest.mark.parametrize("params", [None, {}, {"context": None}, {"context": {}}, {"login": "x"}])
    def test_without_a_context_it_is_not(self, params: Any) -> None:
        parsed = parse_predict(json.dumps({"tasks": [], "params": params}).encode())
        assert not parsed.interactive
        assert json.loads(parsed.params) == (params or {})

    def test_params_may_be_missing(self) -> None:
        assert parse_predict(b'{"tasks": []}').params == b"{}"

    @pytest.mark.parametrize(("sent", "uid"), [(12, "12"), ("12", "12"), (" 12.5 ", "12.5"), (None, "")])
    def test_a_project_may_be_a_number_text_or_nothing(self, sent: Any, uid: str) -> None:
        assert parse_predict(json.dumps({"tasks": [], "project": sent}).encode()).uid == uid

    def test_a_project_may_be_missing(self) -> None:
        assert parse_predict(b'{"tasks": [{}]}').uid == ""

    @pytest.mark.parametrize("config", [None, ""])
    def test_a_label_config_may_be_empty(self, config: Any) -> None:
        assert parse_predict(json.dumps({"tasks": [], "label_config": config}).encode()).label_config == ""

    def test_unknown_fields_do_no_harm(self) -> None:
        assert parse_predict(b'{"tasks": [{"id": 1}], "more": [1]}').tasks == [b'{"id": 1}']

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "tasks"),
            ({"tasks": None}, "tasks"),
            ({"tasks": {}}, "tasks"),
            ({"tasks": "all"}, "tasks"),
            ({"tasks": [{}, 3]}, "tasks[1]"),
            ({"tasks": [None]}, "tasks[0]"),
            ({"tasks": [[]]}, "tasks[0]"),
            ({"tasks": ["{}"]}, "tasks[0]"),
            ({"tasks": [], "project": 1.5}, "project"),
            ({"tasks": [], "project": True}, "project"),
            ({"tasks": [], "project": {"id": 1}}, "project"),
            ({"tasks": [], "project": "x" * (MAX_UID + 1)}, "project"),
            ({"tasks": [], "project": "a\nb"}, "project"),
            ({"tasks": [], "label_config": 1}, "label_config"),
            ({"tasks": [], "label_config": ["<View/>"]}, "label_config"),
            ({"tasks": [], "params": []}, "params"),
            ({"tasks": [], "params": "none"}, "params"),
            ({"tasks": [], "params": 0}, "params"),
        ],
    )
    def test_what_is_wrong_is_named(self, body: Any, field: str) -> None:
        error = refusal(parse_predict, body)
        assert error.field == field
        assert field in str(error)


class TestSetup:
    def test_all_fields_are_read(self) -> None:
        request = captured("setup")
        parsed = parse_setup(request.body)
        assert (parsed.uid, parsed.label_config) == (UID, request.json["schema"])
        assert (parsed.hostname, parsed.access_token) == ("http://localhost:44411", "<ACCESS_TOKEN>")
        assert parsed.extra_params is None

    def test_a_trailing_slash_of_the_host_goes(self) -> None:
        body = captured("setup").with_fields(hostname="http://ls/app/").body
        assert parse_setup(body).hostname == "http://ls/app"

    @pytest.mark.parametrize("extra", [None, "", "not json {", '{"a": 1}', {"a": 1}, [1], 3, True])
    def test_extra_params_are_taken_as_they_come(self, extra: Any) -> None:
        assert parse_setup(captured("setup").with_fields(extra_params=extra).body).extra_params == extra

    def test_a_project_may_be_a_number(self) -> None:
        assert parse_setup(b'{"project": 7}').uid == "7"

    @pytest.mark.parametrize("name", ["schema", "hostname", "access_token"])
    def test_what_is_null_is_empty(self, name: str) -> None:
        parsed = parse_setup(captured("setup").with_fields(**{name: None}).body)
        assert getattr(parsed, {"schema": "label_config"}.get(name, name)) == ""

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"project": None}, "project"),
            ({"project": ""}, "project"),
            ({"project": "  "}, "project"),
            ({"project": []}, "project"),
            ({"project": False}, "project"),
            ({"project": 1.5}, "project"),
            ({"schema": 1}, "schema"),
            ({"schema": {}}, "schema"),
            ({"hostname": 1}, "hostname"),
            ({"access_token": ["secret"]}, "access_token"),
        ],
    )
    def test_what_is_wrong_is_named(self, fields: dict[str, Any], field: str) -> None:
        error = refusal(parse_setup, captured("setup").with_fields(**fields).json)
        assert error.field == field
        assert field in str(error)
        assert "secret" not in str(error)

    def test_a_missing_project_is_named(self) -> None:
        assert refusal(parse_setup, {}).field == "project"


class TestEvent:
    @pytest.mark.parametrize("request_", all_captured("webhook"), ids=lambda one: one.name)
    def test_the_projects_secrets_are_gone_and_all_else_is_there(self, request_: Any) -> None:
        secrets = {"token": "C4NARY-1", "task_data_login": "C4NARY-2", "task_data_password": "C4NARY-3"}
        project = {**request_.json["project"], **secrets}
        event = parse_event(request_.with_fields(project=project).body)
        assert event.action == request_.json["action"]
        assert event.title == project["title"]
        assert event.label_config == project["label_config"]
        assert "C4NARY" not in json.dumps(event.data)
        kept = {name: value for name, value in project.items() if name not in secrets}
        assert event.data == {**request_.json, "project": kept}

    def test_a_project_may_be_missing(self) -> None:
        assert parse_event(b'{"action": "TASKS_DELETED", "tasks": []}').uid == ""

    def test_without_its_date_the_id_stands_alone(self) -> None:
        assert parse_event(b'{"action": "A", "project": {"id": 3}}').uid == "3"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "action"),
            ({"action": None}, "action"),
            ({"action": ""}, "action"),
            ({"action": 1}, "action"),
            ({"action": ["A"]}, "action"),
            ({"action": "A", "project": 1}, "project"),
            ({"action": "A", "project": "1"}, "project"),
            ({"action": "A", "project": []}, "project"),
            ({"action": "A", "project": {}}, "project.id"),
            ({"action": "A", "project": {"id": None}}, "project.id"),
            ({"action": "A", "project": {"id": ""}}, "project.id"),
            ({"action": "A", "project": {"id": True}}, "project.id"),
            ({"action": "A", "project": {"id": 1.5}}, "project.id"),
            ({"action": "A", "project": {"id": {}}}, "project.id"),
            ({"action": "A", "project": {"id": 1, "created_at": "yesterday"}}, "project.created_at"),
            ({"action": "A", "project": {"id": 1, "created_at": 5}}, "project.created_at"),
            ({"action": "A", "project": {"id": 1, "created_at": "0001-01-01"}}, "project.created_at"),
            ({"action": "A", "project": {"id": 1, "created_at": {}}}, "project.created_at"),
            ({"action": "A", "project": {"id": 1, "label_config": 1}}, "project.label_config"),
            ({"action": "A", "project": {"id": 1, "title": []}}, "project.title"),
        ],
    )
    def test_what_is_wrong_is_named(self, body: Any, field: str) -> None:
        assert refusal(parse_event, body).field == field


class TestTrain:
    def test_the_labelled_tasks_come_along(self) -> None:
        request = captured("train_legacy")
        parsed = parse_train(request.body)
        assert parsed.tasks == request.json["annotations"]
        assert parsed.label_config == request.json["label_config"]

    def test_no_annotations_are_no_tasks(self) -> None:
        assert parse_train(b'{"project": "1"}').tasks == []

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"annotations": []}, "project"),
            ({"project": "1", "annotations": {}}, "annotations"),
            ({"project": "1", "annotations": [1]}, "annotations"),
            ({"project": "1", "annotations": "x"}, "annotations"),
            ({"project": "1", "label_config": 3}, "label_config"),
        ],
    )
    def test_what_is_wrong_is_named(self, body: Any, field: str) -> None:
        assert refusal(parse_train, body).field == field


NO_OBJECTS = [
    b"",
    b" ",
    b"{",
    b"not json",
    b"[]",
    b"null",
    b'"text"',
    b"3",
    b"{}{}",
    b"\xff\xfe",
    b'{"project": "\xff"}',
    b'{"tasks": NaN}',
    b"<html></html>",
    b"project=1",
    b"[" * 100_000,
    b'{"a":' * 100_000,
]


@pytest.mark.parametrize("parse", [*PARSERS.values(), parse_object])
@pytest.mark.parametrize("body", NO_OBJECTS, ids=lambda body: repr(body[:20]))
def test_what_is_no_json_object_is_refused(parse: Any, body: bytes) -> None:
    assert refusal(parse, body).field in ("body", "tasks")


@pytest.mark.parametrize("path", PARSERS)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["tasks", "project", "params", "action", "id", "created_at", "annotations", "x"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_nothing_but_a_request_error_ever_comes_out(path: str, body: bytes) -> None:
    complaint = None
    try:
        uid = PARSERS[path](body).uid
    except RequestError as error:
        uid, complaint = "", error
    assert isinstance(uid, str)
    assert complaint is None or complaint.field


@pytest.mark.parametrize("text", ["9" * 5000, "1e999", "-" + "9" * 30])
def test_numbers_beyond_reason_are_refused_or_text(text: str) -> None:
    body = f'{{"tasks": [], "project": {text}}}'.encode()
    try:
        said = parse_predict(body).uid
    except RequestError as error:
        said = error.field
    assert said in (text, "project", "body")


@pytest.mark.parametrize("uid", ["..", "../../x", "a/b", "C:\\x", "é" * 30])
def test_an_odd_uid_is_a_name_like_any_other(uid: str) -> None:
    assert project_uid(uid, required=True) == uid


@pytest.mark.parametrize("uid", ["/" * 150, "é" * 150, "\N{PILE OF POO}" * 100], ids=ascii)
def test_a_uid_fits_into_a_file_name(uid: str) -> None:
    """It is the name of a folder, in which every character but plain letters takes three places or more."""
    with pytest.raises(RequestError) as caught:
        project_uid(uid, required=True)
    assert caught.value.field == "project"


@pytest.mark.parametrize("uid", ["a\0b", "a\nb", "\x1b[31m", "\u202eabc"])
def test_a_uid_is_printable(uid: str) -> None:
    with pytest.raises(RequestError):
        project_uid(uid, required=True)


@pytest.mark.parametrize("body", [b"", b'{"tasks": ['])
def test_a_body_that_ends_too_early_is_said_to(body: bytes) -> None:
    with pytest.raises(RequestError, match="it is empty, or ends too early"):
        parse_object(body)


class TestDrafts:
    DRAFTS: ClassVar[list[Any]] = [{"id": 1, "result": [{"value": {"rle": [1, 2, 3]}}]}]

    def _parsed(self, *tasks: dict[str, Any]) -> PredictRequest:
        body = {"tasks": tasks, "params": {"context": {"result": [{"id": "r"}]}}}
        return parse_predict(json.dumps(body).encode())

    def test_everything_else_stays(self) -> None:
        (task,) = captured("predict_interactive").json["tasks"]
        request = self._parsed({**task, "drafts": self.DRAFTS})
        stripped = request.without_drafts()
        assert [json.loads(one) for one in stripped.tasks] == [
            {name: value for name, value in task.items() if name != "drafts"}
        ]
        assert (stripped.params, stripped.uid, stripped.interactive) == (request.params, request.uid, True)

    @pytest.mark.parametrize(
        "task", [{"id": 1}, {"id": 1, "drafts": []}, {"data": {"drafts": DRAFTS, "drafts2": 1}}]
    )
    def test_without_drafts_the_bytes_stay(self, task: dict[str, Any]) -> None:
        request = self._parsed(task)
        assert request.without_drafts() is request

    @given(st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text())))
    def test_any_fields(self, fields: dict[str, Any]) -> None:
        fields.pop("drafts", None)
        request = self._parsed({**fields, "drafts": self.DRAFTS})
        assert json.loads(request.without_drafts().tasks[0]) == fields

"""The document of all calls: it is valid, has all routes and topics, and its examples are what Label Studio sends."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from helpers import captured
from label_studio_ml import errors
from label_studio_ml.dashboard import dashboard_calls, session_calls
from label_studio_ml.openapi.api_document import api_document, document
from label_studio_ml.openapi.declarations.operation import (
    BYTES,
    EVENTS,
    HTML,
    JSON,
    TEXT,
    Operation,
    operations_of,
)
from label_studio_ml.protocol import requests as requests_module
from label_studio_ml.protocol.requests import parse_event, parse_predict, parse_setup, parse_train
from label_studio_ml.web.error_statuses import status_of_kind
from label_studio_ml.web.routes.calls import job_calls, label_studio_calls, server_calls, version_calls
from tricky import CONFIG, Tricky
from tricky_apps import MakeApp, applications

pytestmark = pytest.mark.usefixtures("clean_env")

OPERATIONS = [
    *operations_of(label_studio_calls, job_calls, version_calls, server_calls),
    *dashboard_calls.OPERATIONS,
]
#: Operations that are answered before the tables of routes are searched.
WITHOUT_TABLE = {
    server_calls.PROBLEM,
    session_calls.PAGE,
    session_calls.FILE,
    session_calls.LOGIN,
    session_calls.SESSION,
}
#: The example of each request, and the captured request that it is the body of.
EXAMPLES = {
    "setup": "setup",
    "predict": "predict_task_opened",
    "predict_interactive": "predict_interactive",
    "train": "train_legacy",
    "annotation_created": "webhook_ANNOTATION_CREATED",
    "annotation_skipped": "webhook_ANNOTATION_CREATED_skipped",
    "annotation_updated": "webhook_ANNOTATION_UPDATED",
    "annotations_deleted": "webhook_ANNOTATIONS_DELETED",
    "tasks_created": "webhook_TASKS_CREATED",
    "tasks_deleted": "webhook_TASKS_DELETED",
    "project_updated": "webhook_PROJECT_UPDATED",
    "start_training": "webhook_START_TRAINING",
}
PARSERS: dict[str, Callable[[bytes], Any]] = {
    "/setup": parse_setup,
    "/predict": parse_predict,
    "/webhook": parse_event,
    "/train": parse_train,
}
DOCUMENT: dict[str, Any] = json.loads(api_document())
RESOURCE: Any = DRAFT202012.create_resource(DOCUMENT)
REGISTRY: Any = Registry().with_resource("urn:api", RESOURCE)


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    with applications(Tricky(tmp_path / "backend")) as make:
        yield make


def problems(schema: dict[str, Any], value: Any) -> list[str]:
    """Return what is wrong with a value, by a schema of the document."""
    references = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
    validator = jsonschema.Draft202012Validator(references, registry=REGISTRY)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def described(operation: Operation) -> dict[str, Any]:
    entry: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return entry


def test_it_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_it_has_every_route_and_no_other(make_app: MakeApp) -> None:
    app = make_app()
    assert app.test_client().get("/health").status_code == 200
    assert app._running is not None
    application = app._running._application
    assert application is not None
    dashboard = application._dashboard
    routed = {
        *application.endpoints._routes,
        *(route.operation.key for _, route in dashboard._router._routes),
    }
    declared = {operation.key for operation in OPERATIONS}
    assert routed == declared - {operation.key for operation in WITHOUT_TABLE}
    in_document = {(method.upper(), path) for path, each in DOCUMENT["paths"].items() for method in each}
    assert in_document == declared
    assert len(OPERATIONS) == len(declared)
    assert set(dashboard.topics._topics) == set(dashboard_calls.TOPICS)


def test_every_path_is_answered(make_app: MakeApp) -> None:
    """What is answered is held against the document, in all tests."""
    client = make_app().test_client()
    paths = [path for path in DOCUMENT["paths"] if "{" not in path and not path.startswith("/dashboard")]
    for path in paths:
        for method in ("GET", "POST"):
            answer = client.open(path, method=method, json={} if method == "POST" else None)
            if method.lower() in DOCUMENT["paths"][path]:
                assert answer.status_code not in (404, 405)
            else:
                assert answer.status_code == 405


def test_every_topic_is_answered(make_app: MakeApp) -> None:
    client = make_app().test_client()
    project = "7.1767225600"
    setup = {"project": project, "schema": CONFIG, "hostname": "", "access_token": ""}
    assert client.post("/setup", json=setup).status_code == 200
    event = {"action": "START_TRAINING", "project": {"id": 7, "created_at": "2026-01-01T00:00:00Z"}}
    job = client.post("/webhook", json=event).get_json()["job"]
    subjects = {"project": project, "versions": project, "training": job}
    for topic in dashboard_calls.TOPICS:
        key = f"{topic}:{subjects[topic]}" if topic in subjects else topic
        value = client.get("/dashboard/api/topic", query_string={"key": key}).get_json()
        assert topic == "command" or "error" not in value


@pytest.mark.parametrize(
    "operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}"
)
class TestOperation:
    def test_its_errors_have_their_statuses(self, operation: Operation) -> None:
        responses = described(operation)["responses"]
        for kind in (*operation.errors, errors.RequestError, errors.BackendError, errors.UnknownHost):
            status = str(status_of_kind(kind))
            assert status in responses
            response = responses[status]
            if "$ref" in response:
                name = response["$ref"].rpartition("/")[2]
                assert kind.__name__ in name.split(".")
                response = DOCUMENT["components"]["responses"][name]
            schema = response["content"]["application/json"]["schema"]
            assert problems(schema, {"status": int(status), "detail": "because"}) == []

    def test_names_in_its_path_are_parameters(self, operation: Operation) -> None:
        in_path = {name.partition("}")[0] for name in operation.path.split("{")[1:]}
        parameters = described(operation).get("parameters", [])
        assert {each["name"] for each in parameters if each["in"] == "path"} == in_path

    def test_examples_of_its_answers_fit(self, operation: Operation) -> None:
        for status, answer in operation.answers.items():
            if answer.example is not None:
                content = described(operation)["responses"][str(status)]["content"]["application/json"]
                assert problems(content["schema"], content["example"]) == []


@pytest.mark.parametrize("path", list(PARSERS))
def test_examples_are_captured_requests(path: str) -> None:
    content = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    assert content["examples"]
    for name, example in content["examples"].items():
        body = captured(EXAMPLES[name]).json
        assert example["value"] == body, "put the body of the captured request into openapi/captured.json"
        assert problems(content["schema"], body) == []
        PARSERS[path](json.dumps(body).encode())


def test_all_examples_are_used() -> None:
    used = {name for operation in OPERATIONS if operation.body for name in operation.body.examples}
    assert used == set(EXAMPLES)


def test_the_declared_requests_are_those_that_are_parsed() -> None:
    decoded = {
        field.encode_name: field.required for field in msgspec.structs.fields(requests_module._PredictBody)
    }
    declared = label_studio_calls.PredictBody
    assert {name: name in declared.__required_keys__ for name in declared.__annotations__} == decoded


def test_answers_have_no_other_fields_except_what_models_add() -> None:
    open_answers = {
        name
        for name, schema in DOCUMENT["components"]["schemas"].items()
        if "properties" in schema and "additionalProperties" not in schema
    }
    bodies = {operation.body.type.__name__ for operation in OPERATIONS if operation.body is not None}
    assert open_answers - bodies == {"Prediction", "PredictParams", "EventProject"}
    assert all(name.isidentifier() for name in DOCUMENT["components"]["schemas"]), "two types have one name"


class TestServed:
    def test_as_json_and_the_same_each_time(self, make_app: MakeApp) -> None:
        client = make_app().test_client()
        answer = client.get("/openapi.json")
        assert (answer.status_code, answer.content_type) == (200, "application/json")
        assert answer.data == api_document()
        assert api_document() is api_document()
        assert client.head("/openapi.json").status_code == 200
        assert client.post("/openapi.json", json={}).headers["Allow"] == "GET"

    def test_with_the_login_if_there_is_one(self, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VIEWER_USER", "eve")
        monkeypatch.setenv("VIEWER_PASS", "look")
        client = make_app(basic_auth_user="ada", basic_auth_pass="secret").test_client()
        assert client.get("/openapi.json").status_code == 401
        for login in (("ada", "secret"), ("eve", "look")):
            assert client.get("/openapi.json", auth=login).status_code == 200

    def test_below_the_path_of_a_proxy(self, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its server is relative to its own address, so that one document holds for all addresses."""
        monkeypatch.setenv("ROOT_PATH", "/ml")
        client = make_app().test_client()
        for path in ("/ml/openapi.json", "/openapi.json"):
            assert client.get(path).get_json()["servers"][0]["url"] == "."

    def test_only_when_it_is_asked_for(self, make_app: MakeApp) -> None:
        api_document.cache_clear()
        assert make_app().test_client().get("/health").status_code == 200
        assert api_document.cache_info().misses == 0
        api_document()


def test_it_is_made_of_json_values() -> None:
    assert json.loads(json.dumps(document())) == DOCUMENT


def _schemas(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects in a part of the document."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _schemas(part)
    elif isinstance(value, list):
        for part in value:
            yield from _schemas(part)


def test_generators_of_clients_know_each_array_and_media_type() -> None:
    """openapi-python-client leaves out answers with others."""
    parts = list(_schemas([DOCUMENT["paths"], DOCUMENT["components"]]))
    arrays = [part for part in parts if part.get("type") == "array"]
    assert arrays
    assert all("items" in array or "prefixItems" in array for array in arrays)
    for operation in OPERATIONS:
        for answer in described(operation)["responses"].values():
            kinds = list(answer.get("content", {}))
            assert not kinds or kinds[0] in (JSON, TEXT, HTML, EVENTS, BYTES)

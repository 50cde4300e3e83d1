"""How an operation becomes a part of the document."""

from typing import Any, TypedDict

import pytest

from label_studio_ml import errors
from label_studio_ml.openapi.declarations.document import build_document
from label_studio_ml.openapi.declarations.operation import (
    TEXT,
    Access,
    Answer,
    Body,
    Operation,
    Parameter,
    operation_id,
)
from label_studio_ml.web.error_statuses import status_of_kind


class Thing(TypedDict):
    """A thing."""

    name: str


def build(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an operation as it is described, and the whole document."""
    fields: dict[str, Any] = {
        "method": "POST",
        "path": "/things/{thing}",
        "tag": "Things",
        "summary": "Change a thing",
        "answers": {200: Answer("The thing", Thing)},
        **changes,
    }
    operation = Operation(**fields)
    info = {"title": "Things", "version": "1"}
    made = build_document(
        [operation], info, {"Things": "…"}, status_of_kind, {"one": {"name": "x"}}.__getitem__
    )
    return made["paths"][operation.path][operation.method.lower()], made


def test_parameters_in_path_and_query() -> None:
    described, _ = build(parameters=(Parameter("thing", "Its name"), Parameter("count", "How many", int)))
    assert [(each["in"], each["required"]) for each in described["parameters"]] == [
        ("path", True),
        ("query", False),
    ]
    assert described["parameters"][1]["schema"] == {"type": "integer"}


def test_the_body_has_its_captured_examples() -> None:
    described, _ = build(body=Body(Thing, ("one",), required=False))
    assert described["requestBody"]["required"] is False
    content = described["requestBody"]["content"]["application/json"]
    assert content["examples"] == {"one": {"value": {"name": "x"}}}


def test_errors_of_one_status_share_a_response() -> None:
    described, made = build(errors=(errors.UnknownVersion, errors.UnknownProject))
    name = "UnknownProject.UnknownVersion"
    assert described["responses"]["404"] == {"$ref": f"#/components/responses/{name}"}
    text = made["components"]["responses"][name]["description"]
    assert "no version of the given name" in text
    assert "never received a request" in text


def test_an_answer_and_an_error_of_one_status() -> None:
    described, _ = build(answers={503: Answer("Not ready", Thing)})
    kinds = described["responses"]["503"]["content"]["application/json"]["schema"]["anyOf"]
    assert [kind["$ref"].rpartition("/")[2] for kind in kinds] == ["Thing", "Problem"]


@pytest.mark.parametrize(
    ("access", "method", "expected"),
    [
        (Access.LOGIN, "POST", {"ForeignOrigin.ReadOnlyLogin", "NotAuthorized", "Redirect"}),
        (Access.LOGIN, "GET", {"ForeignOrigin", "NotAuthorized", "Redirect"}),
        (Access.SESSION, "POST", {"ForeignOrigin.ReadOnlyLogin", "NotAuthorized"}),
        (Access.OPEN, "POST", {"ForeignOrigin", "Redirect"}),
    ],
)
def test_refusals_follow_from_the_access(access: Access, method: str, expected: set[str]) -> None:
    described, _ = build(access=access, method=method)
    references = {
        response["$ref"].rpartition("/")[2]
        for status, response in described["responses"].items()
        if status in ("303", "401", "403")
    }
    assert references == expected
    assert (described["security"] == []) == (access is Access.OPEN)


def test_a_reading_post_is_for_viewers_too() -> None:
    described, _ = build(viewer=True)
    assert described["responses"]["403"]["$ref"].endswith("/ForeignOrigin")


def test_bodies_that_are_not_json() -> None:
    described, _ = build(answers={200: Answer("Text", str, content=TEXT, further=("text/html",))})
    assert described["responses"]["200"]["content"] == {
        "text/plain": {"schema": {"type": "string"}},
        "text/html": {},
    }
    described, _ = build(answers={304: Answer("Nothing new", content="")})
    assert "content" not in described["responses"]["304"]


def test_ids_are_words() -> None:
    operation = Operation(method="GET", path="/a-b/{c}/d.txt", tag="", summary="", answers={})
    assert operation_id(operation) == "get_a_b_c_d_txt"

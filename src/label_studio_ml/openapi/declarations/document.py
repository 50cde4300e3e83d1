"""Assemble the OpenAPI document from the declarations of routes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NotRequired, TypedDict

from label_studio_ml import errors
from label_studio_ml.openapi.declarations.operation import JSON, Access, Answer, Operation, Parameter, named
from label_studio_ml.openapi.declarations.schemas import Schemas


class Problem(TypedDict):
    """An error: its HTTP status, the cause with what to do about it, and the wrong field of the request, if any.

    `label-studio-ml explain CODE` says more about errors with a `code`, which stays the same in later releases.
    """

    status: int
    detail: str
    code: NotRequired[str]
    field: NotRequired[str]


class Redirect(TypedDict):
    """Why the answer is a redirect; for Label Studio, the cause of an error and its code."""

    detail: str
    code: NotRequired[str]


StatusOf = Callable[[type[errors.BackendError]], int]

#: Errors that every route may raise: the request is checked before its handler is called.
_ANY_ROUTE = (
    errors.RequestError,
    errors.ForeignOrigin,
    errors.BodyTooLarge,
    errors.WrongContentType,
    errors.UnknownHost,
    errors.BackendError,
    errors.Overloaded,
)
#: The meaning of the most general errors, whose docstrings speak of their subclasses.
_TEXTS: Mapping[type[errors.BackendError], str] = {
    errors.RequestError: "The request is wrong; `field` names the wrong field.",
    errors.BackendError: "The model, its file or this server has failed; the log has more.",
}
#: Headers of responses by status.
_HEADERS = {
    401: {"WWW-Authenticate": "The kinds of login that are accepted."},
    503: {"Retry-After": "Seconds after which to try again."},
}
_LOGIN: Mapping[Access, list[dict[str, list[str]]]] = {
    Access.LOGIN: [{}, {"login": []}, {"token": []}],
    Access.PARTLY: [{}, {"login": []}, {"token": []}],
    Access.OPEN: [],
    Access.SESSION: [{}, {"session": []}, {"login": []}, {"token": []}],
}
_SECURITY_SCHEMES = {
    "login": {
        "type": "http",
        "scheme": "basic",
        "description": "The user in BASIC_AUTH_USER or, to read only, in VIEWER_USER. "
        "Needed if the backend has a login; one without it needs none.",
    },
    "token": {"type": "http", "scheme": "bearer", "description": "A token of TOKENS_FILE."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "label_studio_ml",
        "description": "The dashboard's session. The name goes on with a hash of the Host; requests that act carry "
        "the session's `csrf` in the header X-CSRF-Token, too.",
    },
}
#: Answer to Label Studio, by its User-Agent, in place of an error other than 401.
_REDIRECT = Answer(
    "Label Studio shows of a failed call only its status and the final URL. To its User-Agent (`heartex/…`), every "
    "error but 401 is therefore answered with a redirect to a page whose address says the cause.",
    Redirect,
    headers={"Location": "The page `problem/{status}/{cause}`, relative to the address of the call."},
)


def build_document(
    operations: Sequence[Operation],
    info: Mapping[str, Any],
    tags: Mapping[str, str],
    status_of: StatusOf,
    example: Callable[[str], Any],
) -> dict[str, Any]:
    """Return the document of `operations`.

    `tags` are the sections with their texts, `status_of` returns the HTTP status of a kind of error, `example` the body
    of a captured request.
    """
    return _Builder(operations, status_of, example).document(info, tags)


class _Builder:
    def __init__(
        self, operations: Sequence[Operation], status_of: StatusOf, example: Callable[[str], Any]
    ) -> None:
        self._operations = operations
        self._status_of = status_of
        self._example = example
        self._responses: dict[str, Any] = {}
        answers = [answer.type for operation in operations for answer in operation.answers.values()]
        answers += [event for operation in operations for event in operation.events.values()]
        parameters = [parameter.type for operation in operations for parameter in operation.parameters]
        bodies = [operation.body.type for operation in operations if operation.body is not None]
        self._schemas = Schemas(
            [Problem, _REDIRECT.type, *filter(None, answers)], [str, *parameters, *bodies]
        )

    def document(self, info: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        for name, operation in named(self._operations).items():
            described = self._operation(name, operation)
            paths.setdefault(operation.path, {})[operation.method.lower()] = described
        return {
            "openapi": "3.1.0",
            "info": dict(info),
            "servers": [{"url": ".", "description": "This backend, also below a path of a proxy"}],
            "tags": [{"name": name, "description": text} for name, text in tags.items()],
            "paths": paths,
            "components": {
                "schemas": self._schemas.components,
                "responses": self._responses,
                "securitySchemes": _SECURITY_SCHEMES,
            },
        }

    def _operation(self, name: str, operation: Operation) -> dict[str, Any]:
        described: dict[str, Any] = {
            "operationId": name,
            "tags": [operation.tag],
            "summary": operation.summary,
        }
        if operation.description:
            described["description"] = operation.description
        if operation.parameters:
            described["parameters"] = [
                self._parameter(parameter, operation.path) for parameter in operation.parameters
            ]
        if operation.body is not None:
            content: dict[str, Any] = {"schema": self._schemas.of(operation.body.type)}
            if operation.body.examples:
                content["examples"] = {
                    example: {"value": self._example(example)} for example in operation.body.examples
                }
            described["requestBody"] = {"required": operation.body.required, "content": {JSON: content}}
        described["responses"] = self._responses_of(operation)
        if operation.events:
            described["x-events"] = {
                event: self._schemas.of(declared) for event, declared in operation.events.items()
            }
        described["security"] = _LOGIN[operation.access]
        return described

    def _parameter(self, parameter: Parameter, path: str) -> dict[str, Any]:
        in_path = f"{{{parameter.name}}}" in path
        return {
            "name": parameter.name,
            "in": "path" if in_path else "query",
            "required": in_path or parameter.required,
            "description": parameter.description,
            "schema": self._schemas.of(parameter.type),
        }

    def _responses_of(self, operation: Operation) -> dict[str, Any]:
        responses = {str(status): self._answer(answer) for status, answer in operation.answers.items()}
        by_status: dict[int, list[type[errors.BackendError]]] = {}
        for kind in dict.fromkeys([*_errors_of(operation), *operation.errors]):
            by_status.setdefault(self._status_of(kind), []).append(kind)
        for status, kinds in sorted(by_status.items()):
            if str(status) in responses:
                _add_type(responses[str(status)], self._schemas.of(Problem))
            else:
                responses[str(status)] = self._error(status, kinds)
        if operation.access is not Access.SESSION:
            self._responses.setdefault("Redirect", self._answer(_REDIRECT))
            responses.setdefault("303", {"$ref": "#/components/responses/Redirect"})
        return responses

    def _answer(self, answer: Answer) -> dict[str, Any]:
        response: dict[str, Any] = {"description": answer.description}
        if answer.headers:
            response["headers"] = _headers(answer.headers)
        if answer.content:
            content: dict[str, Any] = {}
            if answer.type is not None:
                content["schema"] = self._schemas.of(answer.type)
            if answer.example is not None:
                content["example"] = answer.example
            response["content"] = {answer.content: content, **{name: {} for name in answer.further}}
        return response

    def _error(self, status: int, kinds: Iterable[type[errors.BackendError]]) -> dict[str, Any]:
        """Return a reference to the response to some kinds of error of one status."""
        kinds = sorted(kinds, key=lambda kind: kind.__name__)
        name = ".".join(kind.__name__ for kind in kinds)
        if name not in self._responses:
            phrase = HTTPStatus(status).phrase
            texts = (_TEXTS.get(kind) or (kind.__doc__ or phrase).partition("\n")[0] for kind in kinds)
            response = self._answer(
                Answer(" ".join(dict.fromkeys(texts)), Problem, headers=_HEADERS.get(status, {}))
            )
            self._responses[name] = response
        return {"$ref": f"#/components/responses/{name}"}


def _errors_of(operation: Operation) -> tuple[type[errors.BackendError], ...]:
    """Return the errors that a route may raise because of its method and access."""
    types: tuple[type[errors.BackendError], ...] = _ANY_ROUTE
    if operation.access in (Access.LOGIN, Access.SESSION):
        types += (errors.NotAuthorized,)
    if operation.access is not Access.OPEN and operation.method != "GET" and not operation.viewer:
        types += (errors.ReadOnlyLogin,)
    return types


def _headers(texts: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: {"description": text, "required": True, "schema": {"type": "string"}}
        for name, text in texts.items()
    }


def _add_type(response: dict[str, Any], schema: dict[str, Any]) -> None:
    """Let a response have a body with another schema as well."""
    content = response.setdefault("content", {}).setdefault(JSON, {})
    content["schema"] = {"anyOf": [content["schema"], schema]} if "schema" in content else schema

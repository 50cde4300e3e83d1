"""Hold every answer of a backend against its OpenAPI document, whichever test gets it.

`conftest.py` installs the two places where answers pass: the endpoints, for servers in this process, and the client
`requests`, for servers in processes of their own. A difference fails the test during which it was seen.
"""

import functools
import re
import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import jsonschema
import msgspec
import requests
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from label_studio_ml.dashboard import dashboard_app, live_topics
from label_studio_ml.dashboard.dashboard_calls import OPERATIONS
from label_studio_ml.dashboard.page_request import Topic
from label_studio_ml.dashboard.page_router import PageRouter
from label_studio_ml.errors import BackendError
from label_studio_ml.http_server.messages import Call, Response
from label_studio_ml.openapi.api_document import api_document
from label_studio_ml.openapi.declarations.operation import JSON
from label_studio_ml.web.routes.endpoints import Endpoints
from label_studio_ml.web.security.login_sessions import Session

#: Request ids that a server of ours makes: those of others look otherwise.
_OUR_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]+")
#: Statuses with which requests are refused before they reach a route: the HTTP server's, and those of any path.
_BEFORE_ROUTES = (408, 431, 501, 505)
_ANY_PATH = (303, 400, 401, 403, 413, 415, 421, *_BEFORE_ROUTES)
#: The status of requests whose client has left: nobody reads it.
_CLIENT_LEFT = 499
#: Headers that any answer may have: those of HTTP itself, and what browsers may do with the answer.
_ANY_ANSWER = frozenset(
    {
        *(
            "content-type",
            "content-length",
            "connection",
            "date",
            "server",
            "transfer-encoding",
            "x-request-id",
        ),
        *("cache-control", "etag", "vary", "x-content-type-options", "content-security-policy"),
        *("referrer-policy", "x-frame-options", "cross-origin-resource-policy", "accept-ranges"),
    }
)
#: Characters of an answer that a difference shows.
_SHOWN = 1000


class Document:
    """The document, with a validator for each answer."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        resource: Any = DRAFT202012.create_resource(document)
        self._registry: Any = Registry().with_resource("urn:api", resource)
        self._paths = [(_pattern(path), path) for path in sorted(document["paths"], key=_generality)]
        self._validators: dict[str, Any] = {}

    def difference(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes | None
    ) -> str:
        """Return how an answer differs from the document, empty if it does not.

        A `body` of None is not known and not compared.
        """
        template = self.template(path)
        operations = self._document["paths"].get(template, {})
        operation = operations.get("get" if method == "HEAD" else method.lower())
        if status == _CLIENT_LEFT:
            return ""
        if operation is None:
            expected = 404 if template is None else 405
            return "" if status in (expected, *_ANY_PATH) else f"there is no {method} {path} in the document"
        responses = operation["responses"]
        response = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if response is None:
            return "" if status in _BEFORE_ROUTES else "the status is not in the document"
        if "$ref" in response:
            response = self._document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        return self._headers(response.get("headers", {}), headers) or self._content(
            response.get("content", {}), headers.get("Content-Type", ""), body
        )

    def topic_difference(self, name: str, body: bytes) -> str:
        """Return how the value of a topic differs from the document, empty if it does not."""
        schema = self._document["paths"]["/dashboard/api/events"]["get"]["x-events"].get(name)
        if schema is None:
            return "there is no such topic in the document"
        return self._fault({"anyOf": [schema, {"$ref": "#/components/schemas/TopicFailed"}]}, body)

    def template(self, path: str) -> str | None:
        """Return the path in the document that an address fits, None if there is none."""
        whole = path.rstrip("/") or "/"
        return next((template for pattern, template in self._paths if pattern.fullmatch(whole)), None)

    def _headers(self, declared: Mapping[str, Any], headers: Mapping[str, str]) -> str:
        """Return how the headers of an answer differ: one that is required is missing, or one is not declared."""
        names = {name.lower() for name in declared}
        sent = {name.lower() for name in headers}
        if missing := sorted(
            name for name, each in declared.items() if each["required"] and name.lower() not in sent
        ):
            return f"the header {missing[0]} is missing"
        if unknown := sorted(sent - names - _ANY_ANSWER):
            return f"the header {unknown[0]} is not in the document"
        return ""

    def _content(self, content: Mapping[str, Any], content_type: str, body: bytes | None) -> str:
        if not content:
            return "it has a body" if body else ""
        kind = content_type.partition(";")[0].strip().lower()
        if kind not in content and "*/*" not in content:
            return f"the Content-Type {content_type!r} is not in the document"
        schema = content.get(kind, {}).get("schema")
        return "" if kind != JSON or body is None or schema is None else self._fault(schema, body)

    def _fault(self, schema: dict[str, Any], body: bytes) -> str:
        try:
            value = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            return f"it is not JSON: {error}"
        validator = self._validator(schema)
        if validator.is_valid(value):
            return ""
        fault = jsonschema.exceptions.best_match(validator.iter_errors(value))
        return f"{fault.json_path}: {fault.message[:_SHOWN]}"

    def _validator(self, schema: dict[str, Any]) -> Any:
        key = msgspec.json.encode(schema).decode()
        if key not in self._validators:
            references = msgspec.json.decode(key.replace('"#/', '"urn:api#/'))
            self._validators[key] = jsonschema.Draft202012Validator(references, registry=self._registry)
        return self._validators[key]


def _pattern(path: str) -> re.Pattern[str]:
    """Return the pattern of a path. The name of a file of the page may have slashes, a cause may be missing."""
    text = re.escape(path.rstrip("/") or "/")
    text = text.replace(r"/\{cause\}", "(/.*)?").replace(r"\{file\}", ".*")
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", text), re.DOTALL)


def _generality(path: str) -> tuple[int, str]:
    return path.count("{"), path


@functools.cache
def the_document() -> Document:
    return Document(msgspec.json.decode(api_document()))


class Held:
    """The differences that were seen since they were last taken. Answers come from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[str] = []

    def answer(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes | None
    ) -> None:
        difference = the_document().difference(method, path, status, headers, body)
        if difference:
            with self._lock:
                self._seen.append(
                    f"{method} {path} -> {status}: {difference}\n    {(body or b'')[:_SHOWN]!r}"
                )

    def topic(self, name: str, value: bytes) -> None:
        difference = the_document().topic_difference(name, value)
        if difference:
            with self._lock:
                self._seen.append(f"topic {name}: {difference}\n    {value[:_SHOWN]!r}")

    def take(self) -> list[str]:
        """Return the differences, and forget them."""
        with self._lock:
            seen, self._seen = self._seen, []
        return seen


HELD = Held()

#: Endpoints whose routes a test has replaced: their answers are not held.
WITH_FAKE_ROUTES: "weakref.WeakSet[Endpoints]" = weakref.WeakSet()


def install() -> None:
    """Hold the answers of endpoints in this process, and those that `requests` gets, from now on."""
    _hold_endpoints()
    _hold_pages()
    _hold_topics()
    _hold_requests()


def _hold_endpoints() -> None:
    handle, refuse = Endpoints.handle, Endpoints.refuse

    async def held_handle(self: Endpoints, call: Call) -> Response:
        response = await handle(self, call)
        return response if self in WITH_FAKE_ROUTES else _held(call, response)

    def held_refuse(self: Endpoints, error: BackendError, call: Call) -> Response:
        return _held(call, refuse(self, error, call))

    Endpoints.handle, Endpoints.refuse = held_handle, held_refuse  # type: ignore[method-assign]


def _held(call: Call, response: Response) -> Response:
    headers = {**response.headers, "Content-Type": response.content_type}
    body = None if response.stream is not None or call.method == "HEAD" else response.body
    HELD.answer(call.method, call.path, response.status, headers, body)
    return response


def _hold_pages() -> None:
    """Hold the answers of parts of the dashboard that tests ask without an application."""
    respond = PageRouter.respond

    async def held_respond(self: PageRouter, call: Call, session: Session) -> Response:
        response = await respond(self, call, session)
        is_ours = any(route.operation in OPERATIONS for _, route in self._routes)
        return _held(call, response) if is_ours else response

    PageRouter.respond = held_respond  # type: ignore[method-assign]


def _hold_topics() -> None:
    """Hold the values of topics, which are the data of events."""
    read_json = live_topics.read_json

    async def held_read_json(topic: Topic, subject: str) -> bytes:
        value = await read_json(topic, subject)
        if topic.read.__module__.startswith("label_studio_ml."):
            HELD.topic(topic.name, value)
        return value

    live_topics.read_json = dashboard_app.read_json = held_read_json  # type: ignore[attr-defined]


def _hold_requests() -> None:
    send = requests.Session.send

    def held_send(
        self: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        response = send(self, request, **options)
        for each in _answers_of_ours(response):
            method, path = str(each.request.method), unquote(each.request.path_url.partition("?")[0])
            body = None if options.get("stream") or method == "HEAD" else each.content
            # Of a path that is not there, no part is a root path.
            place = path if each.status_code == 404 else _inner_path(path)
            HELD.answer(method, place, each.status_code, each.headers, body)
        return response

    requests.Session.send = held_send  # type: ignore[method-assign]


def _answers_of_ours(response: requests.Response) -> Iterator[requests.Response]:
    """Yield a response and those that led to it, if they come from a server of ours."""
    for each in (*response.history, response):
        if _OUR_ID.fullmatch(each.headers.get("X-Request-ID", "")):
            yield each


def _inner_path(path: str) -> str:
    """Return a path without the root path that a proxy adds: the longest rest that is in the document."""
    parts = path.split("/")
    rests = ("/".join(["", *parts[at:]]) for at in range(1, len(parts)))
    return next((rest for rest in rests if the_document().template(rest) is not None), path)

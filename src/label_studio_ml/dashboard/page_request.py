"""A request of the dashboard's page, the routes that answer it, and the topics that the page follows."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from label_studio_ml.errors import RequestError
from label_studio_ml.http_server.messages import Call, Response
from label_studio_ml.openapi.declarations.operation import Operation
from label_studio_ml.protocol.requests import parse_object
from label_studio_ml.web.security.login_sessions import Session
from label_studio_ml.web.security.page_paths import API

_NUMBER = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request below `/dashboard/api/`. `path` has the values of the route's `{names}`, decoded."""

    call: Call
    session: Session
    path: Mapping[str, str]

    def query(self, name: str) -> str:
        """Return the first value of a query parameter, empty if it is missing."""
        return self.call.parameter(name) or ""

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number from the query, `default` if it is missing. Raises RequestError if out of range."""
        text = self.query(name)
        if not text:
            return default
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise RequestError(f"{name} must be a whole number from {least} to {most}", field=name)
        return int(text)

    def fields(self) -> dict[str, Any]:
        """Return the JSON object in the body. Raises RequestError."""
        return parse_object(self.call.body)

    def text(self, name: str) -> str:
        """Return a field of the body that must be a text and not empty. Raises RequestError."""
        value = self.fields().get(name)
        if not isinstance(value, str) or not value:
            raise RequestError(f"{name} must be a text", field=name)
        return value


PageHandler = Callable[[PageRequest], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A route below `/dashboard/api/`: its declaration, and its handler.

    A `{name}` in its path stands for one part of a path. POST routes need the operator's login, unless the operation
    says that the `viewer`'s is enough.
    """

    operation: Operation
    handler: PageHandler

    @property
    def pattern(self) -> str:
        """Its path below `/dashboard/api/`, such as `trainings/{job}/log`."""
        return self.operation.path.removeprefix(API)


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that the page follows, such as the state of one training.

    `read` returns its present value as JSON values; its argument is the topic's subject, such as a job's id, empty if
    the topic has none. It is called every `interval` seconds while at least one page follows the topic, once for all
    pages.
    """

    name: str
    read: Callable[[str], Awaitable[Any]]
    interval: float = 1.0


class Part(Protocol):
    """A part of the dashboard, with the routes and topics of one view."""

    @property
    def routes(self) -> Sequence[Route]:
        """The part's routes."""

    @property
    def topics(self) -> Sequence[Topic]:
        """The part's topics."""

"""State that all connections of a server share, and the interface of the endpoints that answer their requests."""

from dataclasses import dataclass, field
from typing import Protocol

from label_studio_ml.errors import BackendError
from label_studio_ml.http_server.body_budget import BodyBudget, UntrustedBodies
from label_studio_ml.http_server.connection_registry import ConnectionRegistry
from label_studio_ml.http_server.messages import Admission, Call, Response
from label_studio_ml.http_server.root_path import RootPath


class RequestHandler(Protocol):
    """Interface of the endpoints, as connections use it."""

    def admit(self, call: Call) -> Admission:
        """Return what a request may do, decided from its head before its body is read. Raises BackendError."""

    async def handle(self, call: Call) -> Response:
        """Return the response to a request; never raises. Calls `admit` first if the request has no admission."""

    def refuse(self, error: BackendError, call: Call) -> Response:
        """Return the response to a request that was not admitted, or could not be read."""


@dataclass(eq=False)
class ServerState:
    """State shared by all connections. `date` is the Date header line; while `draining`, connections close.

    `root_path` is None if there is none.
    """

    endpoints: RequestHandler
    max_body: int
    budget: BodyBudget = field(default_factory=BodyBudget)
    connections: ConnectionRegistry = field(default_factory=ConnectionRegistry)
    draining: bool = False
    date: bytes = b""
    root_path: RootPath | None = None
    untrusted: UntrustedBodies = field(init=False)

    def __post_init__(self) -> None:
        """Create the registry of untrusted bodies over the budget."""
        self.untrusted = UntrustedBodies(self.budget)

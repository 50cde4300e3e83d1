"""One request in a queue: what the queue may do with it."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from label_studio_ml.errors import BackendError

Payload = TypeVar("Payload")
Result = TypeVar("Result")


class RunnerClosed(BackendError):
    """The runner ended before the item was started, so it can be retried as new."""

    code = "LSML-E411"


class Superseded(BackendError):
    """A newer item makes the result of this one useless, so it was dropped before it started."""

    code = "LSML-E412"


class Place(Protocol):
    """A place to run one item, such as one of several processes, which the queue asks for when a slot is free."""

    #: Seconds after which `take` gives up waiting for the best place; None if it never does.
    patience: float | None

    def take(self) -> bool:
        """Reserve the place, and return whether that was possible. If not, the item stays in the queue."""


class Supersedable(Protocol):
    """What an item says about the items that it makes useless."""

    def supersedes(self, older: Any, /) -> bool:
        """Tell whether this item makes another one useless that was sent before it."""


@dataclass(slots=True, eq=False)
class Item(Generic[Payload, Result]):
    """A request in the queue; `future` gets its result.

    `alone`: it shares its batch with no other. `exclusive`: it runs while no other batch does. `gone` returns whether
    the caller has left. `place`: where it runs; None for any slot. `click` is compared with those of other items;
    `order` is the order in which they were sent, which is not that of the queue after a retry.
    """

    key: Hashable
    payload: Payload
    size: int
    weight: int
    alone: bool
    exclusive: bool
    gone: Callable[[], bool] | None
    place: Place | None
    click: Supersedable | None
    order: int
    future: "asyncio.Future[Result]" = field(repr=False)

    @property
    def abandoned(self) -> bool:
        """Whether no caller waits for this item any more."""
        if self.future.done():
            return True
        if self.gone is not None and self.gone():
            self.future.cancel()
            return True
        return False

    def fail(self, error: Exception) -> None:
        """Raise `error` in the caller, unless it has a result."""
        if not self.future.done():
            self.future.set_exception(error)

    def supersedes(self, other: "Item[Payload, Result]") -> bool:
        """Tell whether this item was sent after another one and makes it useless."""
        if self.click is None or other.click is None or self.order <= other.order:
            return False
        return self.click.supersedes(other.click)

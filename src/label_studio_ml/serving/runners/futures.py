"""Settle futures that may be settled already."""

import asyncio
from typing import Any


def settle(future: "asyncio.Future[Any] | None", value: Any) -> None:
    """Set the result of `future`, unless it is done or None."""
    if future is not None and not future.done():
        future.set_result(value)


def fail(future: "asyncio.Future[Any] | None", error: Exception) -> None:
    """Set the exception of `future`, unless it is done or None."""
    if future is not None and not future.done():
        future.set_exception(error)

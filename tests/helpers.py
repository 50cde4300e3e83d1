"""What several test modules use: captured requests, strict JSON, coroutines with a time limit."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

#: Requests that a real Label Studio sent, as they came.
CAPTURED = Path(__file__).parent / "data" / "captured"

#: This package's plugin of pytest, for environments in which pip has installed an earlier release.
PLUGIN = "label_studio_ml.pytest_plugin"

#: A coroutine of a test that is not done after this many seconds hangs.
LIMIT = 240.0


@dataclass(frozen=True)
class Captured:
    """One request of a real Label Studio."""

    name: str
    method: str
    path: str
    agent: str
    json: Any

    @property
    def body(self) -> bytes:
        """The request's body."""
        return b"" if self.json is None else json.dumps(self.json).encode()

    def with_fields(self, **fields: Any) -> "Captured":
        """Return the request with some fields of its body replaced."""
        return replace(self, json={**self.json, **fields})


def captured(name: str) -> Captured:
    """Return the captured request in the file `name` (without `.json`)."""
    request = json.loads((CAPTURED / f"{name}.json").read_text())["request"]
    return Captured(
        name, request["method"], request["path"], request["headers"]["User-Agent"], request["body"]
    )


def all_captured(prefix: str = "") -> list[Captured]:
    """Return the captured requests whose file name starts with `prefix`."""
    return [captured(path.stem) for path in sorted(CAPTURED.glob(f"{prefix}*.json"))]


def strict(text: bytes | str) -> Any:
    """Parse JSON that holds neither NaN nor infinity, as every parser but Python's would."""

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def run(work: Coroutine[Any, Any, T], limit: float = LIMIT) -> T:
    """Run a coroutine to its end on a loop of its own; fail if it hangs."""
    return asyncio.run(asyncio.wait_for(work, limit))


async def until(condition: Callable[[], object], what: str, limit: float = LIMIT) -> None:
    """Return as soon as `condition()` is true; fail if that takes more than `limit` seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limit
    while not condition():
        assert loop.time() < end, f"not within {limit:.0f} s: {what}"
        await asyncio.sleep(0.005)


def name_of(value: object) -> str:
    """Return `repr(value)` without addresses: processes that share a run's tests have to agree on their names."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))

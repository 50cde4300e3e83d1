"""The cases of `conformance`: sent to the server itself, and through HAProxy and nginx.

With `-s`, the test of the documentation prints the table that docs/http.md contains.
"""

import asyncio
import json
import re
from pathlib import Path

import pytest

from helpers import run
from wire import PATIENCE, Site, site

from .conformance import CASES, NEXT, Case
from .proxies import PROXIES, program, proxy

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "http.md"
_STATUS = re.compile(rb"HTTP/1\.1 (\d+) ")


def _id(case: Case) -> str:
    return f"{case.section}: {case.name}"


async def _statuses(port: int, sent: bytes) -> tuple[int, ...]:
    """Send bytes, end the sending side, and return the statuses of the responses, without 100."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    writer.write_eof()
    try:
        received = await asyncio.wait_for(reader.read(), PATIENCE)
    finally:
        writer.close()
    return tuple(int(status) for status in _STATUS.findall(received) if status != b"100")


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_the_server_itself(case: Case) -> None:
    async def test() -> None:
        async with site() as it:
            assert await _statuses(it.port, case.sent) == case.statuses
            assert _handled(it) == case.requests
            assert it.server.state.budget.in_use == 0

    run(test())


def _handled(it: Site) -> tuple[tuple[str, str, bytes], ...]:
    return tuple((method, path, body) for method, path, _, body in it.endpoints.asked)


@pytest.mark.parametrize("name", PROXIES)
def test_behind_a_proxy(name: str, tmp_path: Path) -> None:
    """No request gets through that was not sent as one, and responses still belong to their requests."""
    program(name)

    async def test() -> None:
        async with site() as it, proxy(name, it.port, tmp_path) as port:
            for case in CASES:
                it.endpoints.asked.clear()
                await _statuses(port, case.sent)
                smuggled = [request for request in it.endpoints.asked if request[1] == "/smuggled"]
                assert smuggled == [], _id(case)
                it.endpoints.asked.clear()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(NEXT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                body = (await asyncio.wait_for(reader.read(), PATIENCE)).partition(b"\r\n\r\n")[2]
                writer.close()
                assert json.loads(body[body.index(b"[") : body.rindex(b"]") + 1])[1] == "/next", _id(case)
                assert _handled(it) == (("GET", "/next", b""),), _id(case)

    run(test())


def _table() -> str:
    """Return the table of the cases for the documentation."""
    rows = ["| RFC, section | request | responses |", "| --- | --- | --- |"]
    rows += [f"| {case.section} | {case.name} | {', '.join(map(str, case.statuses))} |" for case in CASES]
    return "\n".join(rows)


def test_the_documentation_lists_them() -> None:
    print(_table())
    assert _table() in DOCUMENT.read_text()

"""One file as a response: ranges of it, and files that are sent piece by piece."""

import asyncio
import os
from pathlib import Path

import pytest

from label_studio_ml.http_server.messages import Call, Response
from label_studio_ml.http_server.responses import file_ranges
from label_studio_ml.http_server.responses.file_ranges import file_response

CONTENT = bytes(range(256)) * 4


def _sent(response: Response) -> bytes:
    async def read() -> bytes:
        assert response.stream is not None
        return b"".join([piece async for piece in response.stream])

    return response.body if response.stream is None else asyncio.run(read())


def _asked(path: Path, streams: bool = True, **headers: str) -> tuple[Response, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = asyncio.run(file_response(path, Call("GET", "/", headers=named), "video/mp4", streams=streams))
    return response, _sent(response)


def _shorten(path: Path) -> None:
    path.write_bytes(CONTENT[:150])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.mp4"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize(
    ("range_", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=1000-", 1000, 1024),
        ("bytes=1000-5000", 1000, 1024),
        ("bytes=-5", 1019, 1024),
        ("bytes=-5000", 0, 1024),
        ("bytes = 1 - 2", 1, 3),
    ],
)
def test_a_range_is_sent(file: Path, range_: str, start: int, end: int) -> None:
    response, body = _asked(file, range=range_)
    assert (response.status, body) == (206, CONTENT[start:end])
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/1024"


@pytest.mark.parametrize(
    "range_", ["", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=x-", "bytes=٣-"]
)
def test_what_is_no_single_range_gets_the_whole_file(file: Path, range_: str) -> None:
    response, body = _asked(file, range=range_)
    assert (response.status, body) == (200, CONTENT)
    assert response.headers["Accept-Ranges"] == "bytes"
    assert "Content-Range" not in response.headers


@pytest.mark.parametrize("range_", ["bytes=1024-", "bytes=5000-6000", "bytes=-0", f"bytes={'9' * 18}-"])
def test_a_range_that_the_file_lacks_is_a_416(file: Path, range_: str) -> None:
    response, _ = _asked(file, range=range_)
    assert response.status == 416
    assert response.headers["Content-Range"] == "bytes */1024"


def test_a_range_of_a_file_that_has_changed_is_the_whole_file(file: Path) -> None:
    etag = _asked(file)[0].headers["ETag"]
    assert _asked(file, range="bytes=1-2", if_range=etag)[0].status == 206
    file.write_bytes(CONTENT + b"x")
    response, body = _asked(file, range="bytes=1-2", if_range=etag)
    assert (response.status, len(body)) == (200, 1025)


def test_a_file_with_other_content_of_the_same_size_has_changed(file: Path) -> None:
    etag = _asked(file)[0].headers["ETag"]
    file.write_bytes(CONTENT[::-1])
    os.utime(file, ns=(1, 1))
    assert _asked(file, range="bytes=1-2", if_range=etag)[0].status == 200


def test_a_large_file_is_sent_in_pieces(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_ranges, "PIECE", 100)
    response, body = _asked(file)
    assert (response.body, body) == (b"", CONTENT)
    response, body = _asked(file, range="bytes=50-949")
    assert (response.status, response.body, body) == (206, b"", CONTENT[50:950])


def test_a_file_that_becomes_shorter_does_not_end_like_a_whole_one(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_ranges, "PIECE", 100)

    async def play() -> None:
        response = await file_response(file, Call("GET", "/"), "video/mp4")
        assert response.stream is not None
        assert await anext(response.stream)
        _shorten(file)
        with pytest.raises(OSError, match="shorter"):
            async for _ in response.stream:
                pass

    asyncio.run(play())


def test_a_server_without_streams_sends_a_part(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_ranges, "WHOLE", 100)
    response, body = _asked(file, streams=False, range="bytes=10-")
    assert (response.status, body) == (206, CONTENT[10:110])
    assert response.headers["Content-Range"] == "bytes 10-109/1024"
    assert _asked(file, streams=False)[0].status == 413
    monkeypatch.setattr(file_ranges, "WHOLE", 2000)
    assert _asked(file, streams=False)[1] == CONTENT

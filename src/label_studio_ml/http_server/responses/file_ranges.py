"""Responses with one file of any size, or with the range of it that a request asks for (RFC 9110, 14).

Files are read piece by piece while they are sent, so that memory does not depend on their size. Players of audio and
video ask for ranges to jump in a file.
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from io import FileIO
from pathlib import Path

from label_studio_ml.http_server.messages import Call, Response, json_response

#: Bytes of a file that are in memory at once, per response.
PIECE = 256 << 10
#: Most bytes of a response by a server that cannot send it piece by piece.
WHOLE = 8 << 20

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


async def file_response(
    path: Path, call: Call, content_type: str, headers: dict[str, str] | None = None, *, streams: bool = True
) -> Response:
    """Return the response with the file at `path`: 200, 206 for one range, or 416 if the file has no such bytes.

    Without `streams`, the server needs the body as a whole: then a range is cut to `WHOLE` bytes, and a larger file
    without a range is refused with 413. Several ranges in one request are answered with the whole file, as the
    standard allows. Raises OSError if the file cannot be read.
    """
    file = await asyncio.to_thread(path.open, "rb", buffering=0)
    sent_by_stream = False
    try:
        status = os.fstat(file.fileno())
        size, etag = status.st_size, f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'
        fields = {**(headers or {}), "Accept-Ranges": "bytes", "ETag": etag}
        wanted = _range(call, size, etag)
        if wanted is not None and wanted[0] >= wanted[1]:
            return json_response(
                416,
                {"status": 416, "detail": f"The file has {size} bytes, and none of the range"},
                {**fields, "Content-Range": f"bytes */{size}"},
            )
        start, end = wanted or (0, size)
        if not streams and end - start > WHOLE:
            if wanted is None:
                return json_response(413, {"status": 413, "detail": _too_large(size)}, fields)
            end = start + WHOLE
        if wanted is not None:
            fields["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        code = 200 if wanted is None else 206
        if not streams or end - start <= PIECE:
            body = await asyncio.to_thread(_read, file, start, end - start)
            return Response(code, body, fields, content_type)
        sent_by_stream = True
        return Response(code, b"", fields, content_type, _pieces(file, start, end))
    finally:
        if not sent_by_stream:
            file.close()


def _range(call: Call, size: int, etag: str) -> tuple[int, int] | None:
    """Return first byte and end of the range that a request asks for; None if it asks for the whole file.

    A range that cannot be satisfied is empty: its end is not above its first byte.
    """
    match = _RANGE.fullmatch(call.headers.get("range", "").replace(" ", ""))
    if match is None or match[0] == "bytes=-" or call.headers.get("if-range", etag) != etag:
        return None
    first, last = match[1], match[2]
    if not first:
        return (max(0, size - int(last)), size) if int(last) else (size, size)
    start, end = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None  # not a range at all
    return (start, end) if start < size else (size, size)


def _too_large(size: int) -> str:
    return (
        f"The file has {size} bytes, more than the {WHOLE} that this server sends at once. "
        "Serve the backend with label-studio-ml, which sends files in pieces"
    )


def _read(file: FileIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


async def _pieces(file: FileIO, start: int, end: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes from `start` to `end` of a file, and close it."""
    try:
        while start < end:
            piece = await asyncio.to_thread(_read, file, start, min(PIECE, end - start))
            if not piece:
                raise OSError("the file has become shorter while it was sent")
            start += len(piece)
            yield piece
    finally:
        file.close()

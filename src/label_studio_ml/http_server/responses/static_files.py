"""Responses with the files of a folder, which clients cache and revalidate by their ETag (RFC 9110, 13.1.2)."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.http_server.messages import Call, Response

#: File name extensions that are served, and their content types.
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class _Loaded:
    stamp: tuple[int, int]
    body: bytes
    etag: str


class StaticFiles:
    """The files of a folder, read at the first request, and again after they have changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._loaded: dict[Path, _Loaded] = {}

    async def response(self, name: str, call: Call) -> Response | None:
        """Return the response with the file at the relative path `name`, None if no such file is served.

        It is 304 without a body if the client has the file already. GET and HEAD are answered alike: the server leaves
        out the body for HEAD. Files outside of the folder, also by links, are not served.
        """
        content_type = CONTENT_TYPES.get(Path(name).suffix)
        if content_type is None or "\0" in name:
            return None
        loaded = await asyncio.to_thread(self._load, name)
        if loaded is None:
            return None
        headers = {"ETag": loaded.etag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        if _matches(call.headers.get("if-none-match", ""), loaded.etag):
            return Response(304, b"", headers, content_type)
        return Response(200, loaded.body, headers, content_type)

    def _load(self, name: str) -> _Loaded | None:
        """Return the content of a file, None if it cannot be read or is not in the folder."""
        try:
            path = (self._folder / name).resolve()
            if not path.is_relative_to(self._folder) or not path.is_file():
                return None
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            cached = self._loaded.get(path)
            if cached is not None and cached.stamp == stamp:
                return cached
            body = path.read_bytes()
        except (OSError, RuntimeError):  # RuntimeError: links in a circle
            return None
        loaded = self._loaded[path] = _Loaded(stamp, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        return loaded


def _matches(if_none_match: str, etag: str) -> bool:
    """Return whether an If-None-Match header names the ETag; weak ones are compared like strong ones."""
    if if_none_match.strip() == "*":
        return True
    return etag in (entry.strip().removeprefix("W/") for entry in if_none_match.split(","))

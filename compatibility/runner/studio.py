"""A stand-in for Label Studio: one project with its tasks, as far as the examples' code asks for them, and files.

It is no Label Studio: it answers what the SDK's calls in the examples need, and 404 to everything else.
"""

import io
import json
import math
import re
import struct
import threading
import wave
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from runner.cases import Case, filled

#: The token that backends are given. Requests with another one are answered as Label Studio does.
TOKEN = "stand-in-token"

CREATED_AT = "2026-01-01T00:00:00.000000Z"


def png(width: int = 320, height: int = 240) -> bytes:
    """Return a PNG image: a dark rectangle on a light gradient."""

    def row(y: int) -> bytes:
        inside = height // 4 <= y < height * 3 // 4
        dark = bytes((30, 30, 60))
        light = bytes((255 - y * 100 // height, 220, 200))
        left = width // 4
        middle = dark if inside else light
        return b"\0" + light * left + middle * (width // 2) + light * (width - left - width // 2)

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(row(y) for y in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def sound(seconds: float = 1.0, rate: int = 16000) -> bytes:
    """Return a WAV file: a tone of 440 Hz."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        samples = (math.sin(2 * math.pi * 440 * n / rate) for n in range(int(seconds * rate)))
        file.writeframes(b"".join(struct.pack("<h", int(8000 * sample)) for sample in samples))
    return content.getvalue()


def series(rows: int = 40) -> bytes:
    """Return a table in CSV: column `value` is low in the first half and high in the second."""
    lines = [f"{number},{0.1 if number < rows // 2 else 0.9},{number % 5}" for number in range(rows)]
    return "\n".join(["time,value,other", *lines, ""]).encode()


def video(frames: int = 20, width: int = 64, height: int = 48) -> bytes:
    """Return a video in the YUV4MPEG2 format, which has no compression: each frame a little brighter."""
    content = [f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode()]
    colour = bytes([128]) * (width * height // 2)
    for number in range(frames):
        content += [b"FRAME\n", bytes([60 + number]) * (width * height), colour]
    return b"".join(content)


#: Where Label Studio has uploaded files: it gives them to those who are logged in.
UPLOADED = "/data/upload/1/"

#: Files below /files/ and UPLOADED -> content type, content.
FILES: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "image.png": ("image/png", png),
    "sound.wav": ("audio/wav", sound),
    "series.csv": ("text/csv", series),
    "text.txt": ("text/plain", lambda: b"Ada Lovelace was born in London."),
    "page.pdf": ("application/pdf", lambda: b"%PDF-1.4\n%%EOF\n"),
    "video.y4m": ("video/x-yuv4mpeg", video),
}


@dataclass
class StudioStandIn:
    """The server, with the project of one example; `unknown` are the requests that were answered with 404."""

    case: Case
    project_id: int = 1
    annotated: int = 0
    unknown: list[str] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> "StudioStandIn":
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer()

            def do_HEAD(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def do_PATCH(self) -> None:
                self._answer()

            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                allowed = TOKEN in (self.headers.get("Authorization") or "")
                status, kind, body = stand_in._answer(self.command, self.path, allowed=allowed)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Say nothing: `asked` has it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The server's address."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def project(self) -> dict[str, Any]:
        """Return the project as webhooks and the API have it."""
        return {
            "id": self.project_id,
            "title": "compatibility",
            "label_config": self.case.label_config,
            "created_at": CREATED_AT,
            "task_number": len(self.case.tasks),
            "num_tasks_with_annotations": self.annotated,
        }

    def task(self, index: int) -> dict[str, Any]:
        """Return task number `index` + 1, with its annotation once that was sent."""
        fields = {
            "id": index + 1,
            "data": filled(self.case.tasks[index], {"studio": self.url}),
            "meta": {},
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            "is_labeled": index < self.annotated,
            "inner_id": index + 1,
            "project": self.project_id,
            "predictions": [],
        }
        return {**fields, "annotations": [self.annotation(index)] if index < self.annotated else []}

    def annotation(self, index: int) -> dict[str, Any]:
        """Return the annotation of task number `index` + 1."""
        result = [
            {"id": f"r{number}", **region} for number, region in enumerate(self.case.annotations[index])
        ]
        return {
            "id": 100 + index,
            "result": filled(result, {"studio": self.url}),
            "was_cancelled": False,
            "ground_truth": False,
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            "lead_time": 1.5,
            "task": index + 1,
            "project": self.project_id,
            "completed_by": 1,
        }

    def _answer(self, method: str, target: str, *, allowed: bool) -> tuple[int, str, bytes]:
        parts = urlsplit(target)
        if method != "POST" and parts.path.startswith(("/files/", UPLOADED)):
            if parts.path.startswith(UPLOADED) and not allowed:
                return 401, "application/json", b'{"detail": "Authentication credentials were not provided."}'
            found = FILES.get(unquote(parts.path.rpartition("/")[2]))
            if found is not None:
                return 200, found[0], found[1]()
        value = self._api(method, parts.path.rstrip("/"), dict(parse_qsl(parts.query)))
        if value is None:
            self.unknown.append(f"{method} {target}")
            return 404, "application/json", b'{"detail": "Not found."}'
        return 200, "application/json", json.dumps(value).encode()

    def _api(self, method: str, path: str, query: Mapping[str, str]) -> Any:
        """Return what the API has at `path`, or None."""
        labelled = [self.task(index) for index in range(self.annotated)]
        match method, path.split("/")[1:]:
            case "GET", ["health"]:
                return {"status": "UP"}
            case "GET", ["api", "version"]:
                return {"release": "1.23.2", "edition": "Community"}
            case "GET", ["api", "projects", _]:
                return self.project()
            case "GET", ["api", "projects", _, "export"]:
                return labelled
            case "GET", ["api", "tasks"]:
                return self._page(query)
            case "GET" | "PATCH", ["api", "tasks", number] if self._is_task(number):
                return self.task(int(number) - 1)
        return None

    def _is_task(self, number: str) -> bool:
        return bool(re.fullmatch(r"\d+", number)) and 0 < int(number) <= len(self.case.tasks)

    def _page(self, query: Mapping[str, str]) -> dict[str, Any] | None:
        """Return a page of the tasks that the query's filters let through: labelled ones, ids above one.

        None (404) where the pages have ended: the SDK asks for pages until then.
        """
        asked = json.loads(query.get("query") or "{}")
        items = (asked.get("filters") or {}).get("items", [])
        above = max((int(item["value"]) for item in items if item["filter"].endswith(":id")), default=0)
        all_labelled = any(item["filter"].endswith(("completed_at", "total_annotations")) for item in items)
        numbers = range(self.annotated if all_labelled else len(self.case.tasks))
        tasks = [self.task(index) for index in numbers if index + 1 > above]
        size, page = int(query.get("page_size", 100)), int(query.get("page", 1))
        some = tasks[(page - 1) * size : page * size]
        if page > 1 and not some:
            return None
        return {"tasks": some, "total": len(tasks), "total_annotations": self.annotated}

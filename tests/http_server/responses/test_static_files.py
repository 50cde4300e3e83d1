"""Files of a folder: ETag and 304, HEAD, and what is not served."""

import os
from pathlib import Path

import pytest

from helpers import run
from label_studio_ml.http_server.messages import Call, Response
from label_studio_ml.http_server.responses.static_files import StaticFiles
from wire import site

PAGE = b"<!doctype html><title>A</title>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "page"
    (made / "js").mkdir(parents=True)
    (made / "index.html").write_bytes(PAGE)
    (made / "js" / "app.js").write_bytes(b"1")
    (made / "notes.py").write_bytes(b"secret")
    (tmp_path / "outside.txt").write_bytes(b"secret")
    (made / "link.txt").symlink_to(tmp_path / "outside.txt")
    (made / "circle.txt").symlink_to(made / "circle.txt")
    return made


def get(files: StaticFiles, name: str, **headers: str) -> Response | None:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return run(files.response(name, Call("GET", f"/{name}", headers=named)))


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("index.html", "text/html; charset=utf-8"), ("js/app.js", "text/javascript; charset=utf-8")],
)
def test_a_file(folder: Path, name: str, content_type: str) -> None:
    response = get(StaticFiles(folder), name)
    assert response is not None
    assert (response.status, response.content_type) == (200, content_type)
    assert response.body == (folder / name).read_bytes()
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "name",
    [
        "none.html",
        "js",
        "notes.py",
        "../outside.txt",
        "/etc/hosts.txt",
        "link.txt",
        "circle.txt",
        "a\0.txt",
        "",
        "js/../../outside.txt",
        f"{'x' * 5000}.txt",
    ],
)
def test_what_is_not_served(folder: Path, name: str) -> None:
    assert get(StaticFiles(folder), name) is None


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("{}", 304),
        ("W/{}", 304),
        ('"a", {} ', 304),
        ("*", 304),
        ('"a"', 200),
        ("", 200),
        ("{}x", 200),
    ],
)
def test_who_has_it_already_gets_304(folder: Path, sent: str, status: int) -> None:
    files = StaticFiles(folder)
    first = get(files, "index.html")
    assert first is not None
    again = get(files, "index.html", if_none_match=sent.replace("{}", first.headers["ETag"]))
    assert again is not None
    assert (again.status, again.headers["ETag"]) == (status, first.headers["ETag"])
    assert again.body == (b"" if status == 304 else PAGE)


def test_a_changed_file_has_another_etag(folder: Path) -> None:
    files = StaticFiles(folder)
    first = get(files, "index.html")
    (folder / "index.html").write_bytes(b"other")
    os.utime(folder / "index.html", (1, 1))
    second = get(files, "index.html")
    assert first is not None
    assert second is not None
    assert second.body == b"other"
    assert second.headers["ETag"] != first.headers["ETag"]


def test_over_a_connection(folder: Path) -> None:
    """A 304 and the answer to HEAD have no body, so that the next response follows at once."""

    async def test() -> None:
        async with site() as it:
            files = StaticFiles(folder)

            async def handle(call: Call) -> Response:
                response = await files.response(call.path[1:], call)
                return response or Response(404, b"{}")

            it.endpoints.handle = handle  # type: ignore[method-assign]
            wire = await it.connect(b"HEAD /index.html HTTP/1.1\r\nHost: x\r\n\r\n")
            status, headers = await wire.head()
            assert (status, headers["content-length"]) == (200, str(len(PAGE)))
            asking = (
                b"GET /index.html HTTP/1.1\r\nHost: x\r\nIf-None-Match: %b\r\n\r\n" % headers["etag"].encode()
            )
            wire.send(asking)
            status, again = await wire.head()
            assert (status, again["etag"]) == (304, headers["etag"])
            assert "content-length" not in again
            wire.send(b"GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await wire.answer())[2] == PAGE

    run(test())

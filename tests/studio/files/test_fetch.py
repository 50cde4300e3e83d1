"""Task files: from Label Studio, from elsewhere, from this machine; and what must not be reached."""

import base64
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.addresses import allowed_addresses
from label_studio_ml.studio.files import cloud
from label_studio_ml.studio.files.fetch import FileAccess
from label_studio_ml.studio.files.parallel import fetch_all
from label_studio_ml.training.process.run_request import refusal
from studio.fake import Asked, FakeServer, Reply, jwt

LEGACY = "0123456789abcdef0123456789abcdef01234567"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture
def files(studio: FakeServer, tmp_path: Path) -> FileAccess:
    rules = FileSettings(private=("127.0.0.1",))
    return FileAccess(studio_url=studio.url, token=LEGACY, cache_dir=tmp_path / "cache", rules=rules)


def _with(files: FileAccess, **rules: Any) -> FileAccess:
    return replace(files, rules=replace(files.rules, **rules))


def _guarded(reply: Reply, token: str = f"Token {LEGACY}") -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        return reply if asked.authorization == token else Reply.of({"detail": "Invalid token."}, 401)

    return answer


def _cached(files: FileAccess) -> list[str]:
    return sorted(set(os.listdir(files.cache_dir)) - {".usage"}) if files.cache_dir.exists() else []


@pytest.mark.parametrize(
    "form", ["/data/upload/1/ab-x.png", "upload/1/ab-x.png", "{}/data/upload/1/ab-x.png"]
)
def test_upload(studio: FakeServer, files: FileAccess, form: str) -> None:
    studio.on("/data/upload/1/ab-x.png", _guarded(Reply(200, PNG)))
    path = Path(files.local_path(form.format(studio.url)))
    assert path.read_bytes() == PNG
    assert path.parent == files.cache_dir
    assert path.suffix == ".png"


def test_second_time_comes_from_the_cache(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/data/upload/1/ab-x.png", Reply(200, PNG))
    first = files.local_path("/data/upload/1/ab-x.png")
    assert files.local_path(f"{studio.url}/data/upload/1/ab-x.png") == first
    assert files.cached_path("upload/1/ab-x.png") == Path(first)
    assert len(studio.asked) == 1


def test_upload_below_a_sub_path(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/label/data/upload/1/x.png", _guarded(Reply(200, PNG)))
    files = replace(files, studio_url=f"{studio.url}/label/")
    for form in (
        "/label/data/upload/1/x.png",
        "/data/upload/1/x.png",
        f"{studio.url}/label/data/upload/1/x.png",
    ):
        assert Path(files.local_path(form)).read_bytes() == PNG
    assert len(studio.asked) == 1


def test_upload_in_cloud_backed_label_studio(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/storage-data/uploaded/", _guarded(Reply(200, PNG)))
    assert Path(files.local_path("/data/upload/1/ab-ü.png")).read_bytes() == PNG
    assert studio.asked[-1].query == {"filepath": "upload/1/ab-ü.png"}


def test_upload_that_is_gone(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/data/upload/1/x.png", Reply.of({"detail": "'NoneType' object"}, 500))
    studio.on("/storage-data/uploaded/", Reply(403))
    with pytest.raises(FileFetchError, match=r"500 at .*/data/upload/1/x\.png.*deleted") as caught:
        files.local_path("/data/upload/1/x.png")
    assert type(caught.value) is FileFetchError
    assert _cached(files) == []


def test_upload_found_in_the_project_folder(studio: FakeServer, files: FileAccess, tmp_path: Path) -> None:
    folder = tmp_path / "project" / "upload"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "a.png").write_bytes(b"a")
    (folder / "b.png").write_bytes(b"b")
    for name in ("a", "b"):
        path = files.local_path(f"/data/upload/1/{name}.png", project_dir=str(tmp_path / "project"))
        assert Path(path).read_text() == name
    assert studio.asked == []


def test_personal_access_token(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/api/token/refresh/", Reply.of({"access": jwt("access")}))
    studio.on("/data/upload/1/x.png", _guarded(Reply(200, PNG), f"Bearer {jwt('access')}"))
    studio.on("/data/upload/1/y.png", _guarded(Reply(200, PNG), f"Bearer {jwt('access')}"))
    files = replace(files, token=jwt("refresh"))
    files.local_path("/data/upload/1/x.png")
    replace(files).local_path("/data/upload/1/y.png")
    assert studio.paths().count("/api/token/refresh/") == 1


def test_refused_personal_access_token_is_a_fetch_error(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/api/token/refresh/", Reply.of({"detail": "Token is invalid"}, 401))
    with pytest.raises(FileFetchError, match="make a new one"):
        replace(files, token=jwt("refresh")).local_path("/data/upload/1/x.png")


def test_refused_token_is_not_shown(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/data/upload/1/x.png", Reply.of({"detail": f"bad {LEGACY}"}, 401))
    with pytest.raises(FileFetchError, match="personal access token") as caught:
        files.local_path("/data/upload/1/x.png")
    assert LEGACY not in str(caught.value)
    assert LEGACY not in repr(files)
    assert caught.value.field == "LABEL_STUDIO_API_KEY"


def test_page_for_the_login_is_not_the_file(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/data/upload/1/x.png", Reply.to("/user/login/?next=/data/upload/1/x.png"))
    studio.on("/user/login/", Reply(200, b"<html>log in</html>"))
    with pytest.raises(FileFetchError, match="refused the token"):
        files.local_path("/data/upload/1/x.png")
    assert studio.asked[1].authorization is None
    assert _cached(files) == []


@pytest.mark.parametrize(
    ("missing", "setting"), [("studio_url", "LABEL_STUDIO_URL"), ("token", "LABEL_STUDIO_API_KEY")]
)
def test_setting_that_is_missing(files: FileAccess, missing: str, setting: str) -> None:
    changes: dict[str, Any] = {missing: ""}
    with pytest.raises(FileFetchError, match=f"Set {setting}") as caught:
        replace(files, **changes).local_path("/data/upload/1/x.png")
    assert caught.value.field == setting


# Cloud storage


@pytest.mark.parametrize("uri", ["s3://bucket/a b.png", "gs://bucket/k.png", "azure-blob://c/ü.png"])
def test_cloud_through_label_studio(
    studio: FakeServer, elsewhere: FakeServer, files: FileAccess, uri: str
) -> None:
    studio.on("/tasks/5/resolve/", _guarded(Reply.to(f"{elsewhere.url}/signed?X-Amz-Signature=s", 303)))
    elsewhere.on("/signed", Reply(200, PNG))
    path = Path(files.local_path(uri, task_id=5))
    assert path.read_bytes() == PNG
    assert path.suffix == ".png"
    assert base64.urlsafe_b64decode(studio.asked[0].query["fileuri"]).decode() == uri
    assert elsewhere.asked[0].authorization is None


@pytest.mark.parametrize("rules", [{}, {"cloud": frozenset({"s3"})}])
def test_the_refused_token_is_the_cause(
    studio: FakeServer, files: FileAccess, monkeypatch: pytest.MonkeyPatch, rules: dict[str, Any]
) -> None:
    """Read through Label Studio only, or directly first, the personal access token is refused."""
    monkeypatch.setattr(cloud, "missing_package", lambda uri: "boto3")
    studio.on("/api/token/refresh/", Reply.of({"detail": "Token is blacklisted"}, 401))
    personal = replace(_with(files, **rules), token=jwt("refresh"))
    with pytest.raises(FileFetchError, match="Token is blacklisted") as caught:
        personal.local_path("s3://bucket/k.png", task_id=5)
    assert ("; and through Label Studio" in caught.value.message) == bool(rules)
    assert "Token is blacklisted" in refusal(caught.value)
    (file,) = fetch_all(personal, [{"id": 5, "data": {"image": "s3://bucket/k.png"}}], "image")
    assert "Token is blacklisted" in refusal(file.error)


def test_cloud_through_an_older_label_studio(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/tasks/5/presign/", _guarded(Reply(200, PNG)))
    assert Path(files.local_path("s3://bucket/k.png", task_id="5")).read_bytes() == PNG


def test_causes_of_both_addresses(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/tasks/5/resolve/", Reply(403, b"no"))
    studio.on("/tasks/5/presign/", Reply(410, b"gone"))
    with pytest.raises(
        FileFetchError, match=r"403 at .*/resolve/.*; and at its other address: .*410 at .*/presign/"
    ) as caught:
        files.local_path("s3://bucket/k.png", task_id=5)
    assert caught.value.field == "LABEL_STUDIO_API_KEY"


def test_cloud_file_without_storage(files: FileAccess) -> None:
    with pytest.raises(FileFetchError, match=r"404 at .*/tasks/5/resolve/.*Connect the bucket"):
        files.local_path("s3://bucket/k.png", task_id=5)


@pytest.mark.parametrize("task_id", [None, "x/../1"])
def test_cloud_needs_the_task(files: FileAccess, task_id: str | None) -> None:
    with pytest.raises(FileFetchError, match=r"Pass task_id=task\['id'\]") as caught:
        files.local_path("s3://bucket/k.png", task_id=task_id)
    assert caught.value.field == "task_id"


def test_cloud_file_as_label_studio_shows_it(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/tasks/5/resolve/", _guarded(Reply(200, PNG)))
    url = f"{studio.url}/tasks/5/resolve/?fileuri=czM6Ly9iL2s="
    assert Path(files.local_path(url, task_id=5)).read_bytes() == PNG
    with pytest.raises(FileFetchError, match="belongs to task 5, not to task 6"):
        files.local_path(url.replace("s=", "t="), task_id=6)


# Local files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a b.txt").write_text("inside")
    (tmp_path / "secret.txt").write_text("outside")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.mark.parametrize("name", ["sub/a%20b.txt", "/sub/a b.txt", "sub/../sub/a%20b.txt"])
def test_local_file_from_the_document_root(
    studio: FakeServer, files: FileAccess, root: Path, name: str
) -> None:
    path = replace(files, document_root=root).local_path(f"/data/local-files/?d={name}")
    assert Path(path).read_text() == "inside"
    assert studio.asked == []


@pytest.mark.parametrize(
    "name", ["../secret.txt", "sub/../../secret.txt", "link.txt", "%2e%2e/secret.txt", "none.txt", ""]
)
def test_local_file_outside_of_the_root_is_label_studios(
    studio: FakeServer, files: FileAccess, root: Path, name: str
) -> None:
    studio.on("/data/local-files/", _guarded(Reply(200, b"from Label Studio")))
    files = replace(files, document_root=root)
    if not name:
        with pytest.raises(FileFetchError):
            files.local_path(f"/data/local-files/?d={name}")
        return
    assert Path(files.local_path(f"/data/local-files/?d={name}")).read_bytes() == b"from Label Studio"


def test_whole_disk_is_no_root(studio: FakeServer, files: FileAccess, root: Path) -> None:
    studio.on("/data/local-files/", _guarded(Reply(200, b"from Label Studio")))
    inside = root / "sub" / "a b.txt"
    files = replace(files, document_root=Path("/"))
    assert Path(files.local_path(f"/data/local-files/?d={inside}")).read_bytes() == b"from Label Studio"
    with pytest.raises(FileFetchError, match="LOCAL_FILES_DOCUMENT_ROOT"):
        files.local_path(str(inside))


def test_local_files_that_label_studio_does_not_serve(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/data/local-files/", Reply(403, b"disabled"))
    with pytest.raises(FileFetchError, match="LOCAL_FILES_SERVING_ENABLED"):
        files.local_path("/data/local-files/?d=x.txt")


def test_paths_inside_named_folders(files: FileAccess, root: Path, tmp_path: Path) -> None:
    inside = str(root / "sub" / "a b.txt")
    assert replace(files, document_root=root).local_path(inside) == inside
    assert files.local_path(inside, project_dir=str(root)) == inside
    assert replace(files, cache_dir=root).local_path(inside) == inside


@pytest.mark.parametrize("name", ["secret.txt", "root/link.txt", "root/../secret.txt", "root\0x"])
def test_paths_elsewhere(files: FileAccess, root: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(FileFetchError, match="neither a URL nor a path inside"):
        replace(files, document_root=root).local_path(f"{tmp_path}/{name}")


def test_path_inside_without_file(files: FileAccess, root: Path) -> None:
    with pytest.raises(FileFetchError, match="There is no file"):
        replace(files, document_root=root).local_path(f"{root}/none.txt")


@pytest.mark.parametrize("value", ["hello", "relative.txt", "", None, 5])
def test_what_is_no_reference(files: FileAccess, value: Any) -> None:
    with pytest.raises(FileFetchError):
        files.local_path(value)


# The web


def test_web_file_gets_no_token(elsewhere: FakeServer, files: FileAccess) -> None:
    elsewhere.on("/a b.png", Reply(200, PNG))
    elsewhere.on("/a%20b.png", Reply(200, PNG))
    assert Path(files.local_path(f"{elsewhere.url}/a b.png")).read_bytes() == PNG
    assert elsewhere.asked[0].authorization is None


def test_label_studio_addresses_that_are_no_files_get_no_token(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/api/current-user/token", _guarded(Reply(200, b"the token")))
    for url in ("/api/current-user/token", "/data/upload/1/../../../api/current-user/token"):
        with pytest.raises(FileFetchError, match="401"):
            files.local_path(f"{studio.url}{url}")
    assert {asked.authorization for asked in studio.asked} == {None}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_elsewhere_takes_no_token_along(
    studio: FakeServer, elsewhere: FakeServer, files: FileAccess, status: int
) -> None:
    studio.on("/data/upload/1/x.png", Reply.to(f"{elsewhere.url}/x.png", status))
    elsewhere.on("/x.png", Reply(200, PNG))
    assert Path(files.local_path("/data/upload/1/x.png")).read_bytes() == PNG
    assert studio.asked[0].authorization == f"Token {LEGACY}"
    assert elsewhere.asked[0].authorization is None


def test_redirect_to_label_studio_takes_the_token_to_files_only(
    studio: FakeServer, elsewhere: FakeServer, files: FileAccess
) -> None:
    elsewhere.on("/bad", Reply.to(f"{studio.url}/api/current-user/token"))
    elsewhere.on("/good", Reply.to(f"{studio.url}/data/upload/1/x.png"))
    studio.on("/api/current-user/token", _guarded(Reply(200, b"the token")))
    studio.on("/data/upload/1/x.png", _guarded(Reply(200, PNG)))
    with pytest.raises(FileFetchError, match="401"):
        files.local_path(f"{elsewhere.url}/bad")
    assert Path(files.local_path(f"{elsewhere.url}/good")).read_bytes() == PNG


def test_redirect_to_another_scheme(elsewhere: FakeServer, files: FileAccess) -> None:
    elsewhere.on("/x", Reply.to("file:///etc/hostname"))
    with pytest.raises(FileFetchError, match="not an http"):
        files.local_path(f"{elsewhere.url}/x")


def test_login_in_the_url(elsewhere: FakeServer, files: FileAccess) -> None:
    elsewhere.on("/x", Reply(200, b"x"))
    files.local_path(f"http://me:pass@127.0.0.1:{elsewhere.port}/x")
    assert elsewhere.asked[0].authorization == f"Basic {base64.b64encode(b'me:pass').decode()}"


def test_netrc_is_not_read(
    elsewhere: FakeServer, files: FileAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    elsewhere.on("/x", Reply(200, b"x"))
    files.local_path(f"{elsewhere.url}/x")
    assert elsewhere.asked[0].authorization is None


def test_failure_names_the_url_without_its_secrets(elsewhere: FakeServer, files: FileAccess) -> None:
    elsewhere.on("/x.png", Reply(403))
    with pytest.raises(FileFetchError) as caught:
        files.local_path(f"{elsewhere.url}/x.png?X-Amz-Signature=secret")
    assert f"403 at {elsewhere.url}/x.png?X-Amz-Signature=…" in str(caught.value)
    assert "If this is Label Studio, set LABEL_STUDIO_URL" in str(caught.value)


@pytest.mark.parametrize("status", [204, 206, 404, 418])
def test_other_answers_are_no_files(elsewhere: FakeServer, files: FileAccess, status: int) -> None:
    elsewhere.on("/x", Reply(status))
    with pytest.raises(FileFetchError, match=f"{status} at"):
        files.local_path(f"{elsewhere.url}/x")


def test_unreachable_server(make_server: Callable[[], FakeServer], files: FileAccess) -> None:
    server = make_server()
    server.stop()
    with pytest.raises(FileFetchError, match="cannot be reached"):
        files.local_path(f"{server.url}/x?key=secret")


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
    ],
)
def test_refused_address_is_not_asked(
    files: FileAccess, elsewhere: FakeServer, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    elsewhere.on("/x", Reply.to(url))
    _lead(monkeypatch, elsewhere, {"169.254.169.254", "::ffff:169.254.169.254", "2852039166"})
    for start in (url, f"{elsewhere.url}/x"):
        with pytest.raises(FileFetchError, match="link-local address"):
            files.local_path(start)
    assert elsewhere.paths() == ["/x"]


def test_link_local_address_as_label_studios(
    files: FileAccess, elsewhere: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What /setup says of Label Studio's address is anybody's word."""
    _lead(monkeypatch, elsewhere, {"169.254.169.254"})
    with pytest.raises(FileFetchError, match="link-local address"):
        replace(files, studio_url="http://169.254.169.254").local_path("/data/upload/1/x.png")
    assert elsewhere.asked == []


def _lead(monkeypatch: pytest.MonkeyPatch, server: FakeServer, hosts: set[str]) -> None:
    """Make connections to `hosts` end at `server`, with the peer's name that a real one would have."""
    import socket

    from urllib3.util import connection

    class Peer(socket.socket):
        def getpeername(self) -> Any:
            return ("::ffff:169.254.169.254", 80)

    real = connection.create_connection

    def create(where: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        if where[0] not in hosts:
            return real(where, *args, **kwargs)
        found = real(("127.0.0.1", server.port))
        return Peer(found.family, found.type, found.proto, found.detach())

    monkeypatch.setattr(connection, "create_connection", create)


def test_private_addresses_can_be_refused(
    studio: FakeServer, elsewhere: FakeServer, files: FileAccess
) -> None:
    studio.on("/data/upload/1/x.png", _guarded(Reply(200, PNG)))
    elsewhere.on("/x", Reply(200, b"x"))
    strict = _with(files, private=())
    with pytest.raises(FileFetchError, match="private address"):
        strict.local_path(f"{elsewhere.url}/x")
    assert elsewhere.asked == []
    strict.local_path("/data/upload/1/x.png")
    files.local_path(f"{elsewhere.url}/x")


@pytest.mark.parametrize(
    ("text", "link_local"),
    [
        ("169.254.0.1", True),
        ("fe80::1", True),
        ("fe80::1%eth0", True),
        ("::ffff:169.254.169.254", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("2002:a9fe:a9fe::", True),
        ("::a9fe:a9fe", True),
        ("::100.100.100.200", True),
        ("64:ff9b:1::a9fe:a9fe", True),
        ("64:ff9b:1:a9fe:a9:fe00::", True),
        ("64:ff9b:1:a9:fe:a9fe::", True),
        ("64:ff9b:1:0:a9:fea9:fe00:0", True),
        ("64:ff9b:1::808:808", False),
        ("::7f00:1", False),
        ("fec0::1", False),
        ("fd00:ec2::254", True),
        ("100.100.100.200", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("fd00::1", False),
        ("8.8.8.8", False),
    ],
)
def test_addresses_never_allowed(text: str, link_local: bool) -> None:
    assert bool(allowed_addresses.refusal(text, allow_private=True)) is link_local


PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "::1", "fd00::1", "0.0.0.0", "224.0.0.1", "::"),
    *(
        "fec0::1",
        "feff::1",
        "::127.0.0.1",
        "::10.0.0.5",
        "64:ff9b::a00:5",
        "64:ff9b:1::a00:5",
        "64:ff9b:1::808:808",
    ),
]


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses(text: str) -> None:
    assert allowed_addresses.refusal(text, allow_private=False) == "a private address"


def test_public_addresses() -> None:
    assert allowed_addresses.refusal("8.8.8.8", allow_private=False) == ""
    assert allowed_addresses.refusal("2606:4700::1111", allow_private=False) == ""
    assert allowed_addresses.refusal("::8.8.8.8", allow_private=False) == ""
    assert allowed_addresses.refusal("64:ff9b::8.8.8.8", allow_private=False) == ""


# Size, and what breaks off


def test_announced_size_is_refused_at_once(elsewhere: FakeServer, files: FileAccess) -> None:
    elsewhere.on("/x", Reply(200, b"x" * 101))
    with pytest.raises(FileFetchError, match="larger than 100 bytes"):
        _with(files, max_bytes=100).local_path(f"{elsewhere.url}/x")
    elsewhere.on("/x", Reply(200, b"x" * 100))
    assert os.path.getsize(_with(files, max_bytes=100).local_path(f"{elsewhere.url}/x")) == 100


def test_packed_size_does_not_count(elsewhere: FakeServer, files: FileAccess) -> None:
    import gzip

    elsewhere.on("/x", Reply(200, gzip.compress(bytes(1_000_000)), {"Content-Encoding": "gzip"}))
    with pytest.raises(FileFetchError, match="larger than 10000 bytes"):
        _with(files, max_bytes=10_000).local_path(f"{elsewhere.url}/x")
    assert _cached(files) == []


def test_download_that_broke_off_is_tried_again(elsewhere: FakeServer, files: FileAccess) -> None:
    elsewhere.sequence("/x", Reply(200, b"half", cut=4), Reply(200, b"halfhalf"))
    assert Path(files.local_path(f"{elsewhere.url}/x")).read_bytes() == b"halfhalf"


def test_download_that_breaks_off_does_not_count(elsewhere: FakeServer, files: FileAccess) -> None:
    elsewhere.on("/x", Reply(200, b"half", cut=4))
    with pytest.raises(FileFetchError, match="broke off"):
        files.local_path(f"{elsewhere.url}/x")
    assert len(elsewhere.asked) == 4
    assert _cached(files) == []


def test_cache_that_cannot_be_written(elsewhere: FakeServer, files: FileAccess, tmp_path: Path) -> None:
    elsewhere.on("/x", Reply(200, b"x"))
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(FileFetchError, match="cannot be stored in"):
        replace(files, cache_dir=tmp_path / "file").local_path(f"{elsewhere.url}/x")


def test_cache_is_the_owners_only(elsewhere: FakeServer, files: FileAccess) -> None:
    elsewhere.on("/x", Reply(200, b"x"))
    path = Path(files.local_path(f"{elsewhere.url}/x"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert files.cache_dir.stat().st_mode & 0o777 == 0o700


def test_threads_fetch_at_once(elsewhere: FakeServer, files: FileAccess) -> None:
    elsewhere.on("/x", Reply(200, PNG))
    found: list[bytes] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(Path(files.local_path(f"{elsewhere.url}/x")).read_bytes())
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [PNG] * 8
    assert len(_cached(files)) == 1


def test_data_url(files: FileAccess) -> None:
    path = Path(files.local_path("data:text/plain;base64,aGVsbG8="))
    assert path.read_text() == "hello"
    assert path.suffix == ".txt"
    with pytest.raises(FileFetchError, match="larger than 4 bytes"):
        _with(files, max_bytes=4).local_path("data:text/plain,hello")


# Preloading


def test_preload(
    studio: FakeServer, files: FileAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("must not be read")
    studio.on("/data/upload/1/a.txt", _guarded(Reply(200, "\ufeffgrüß dich".encode())))
    studio.on("/data/upload/1/b.png", _guarded(Reply(200, PNG)))
    data = {
        "text": "notes.txt",
        "path": str(tmp_path / "notes.txt"),
        "talk": "see http://example.invalid/ for more",
        "number": 5,
        "nothing": None,
        "list": [{"text": "/data/upload/1/a.txt"}, "plain"],
        "picture": "/data/upload/1/b.png",
    }
    before = repr(data)
    loaded = files.preload(data)
    assert loaded == {
        **data,
        "list": [{"text": "grüß dich"}, "plain"],
        "picture": str(files.cached_path("/data/upload/1/b.png")),
    }
    assert repr(data) == before
    assert loaded["list"] is not data["list"]
    assert files.preload("/data/upload/1/a.txt", read_file=False) == str(
        files.cached_path("/data/upload/1/a.txt")
    )


def test_preload_passes_the_task_on(studio: FakeServer, files: FileAccess) -> None:
    studio.on("/tasks/5/resolve/", _guarded(Reply(200, b"from the bucket")))
    assert files.preload({"a": ["s3://bucket/k.txt"]}, task_id=5) == {"a": ["from the bucket"]}


def test_preload_fails_loudly(files: FileAccess) -> None:
    with pytest.raises(FileFetchError, match="404"):
        files.preload({"a": "/data/upload/1/none.txt"})


@pytest.mark.parametrize("route", ["data/upload/1/a.png", "data/local-files/?d=a.png"])
def test_a_file_of_a_label_studio_below_a_path(tmp_path: Path, route: str) -> None:
    """Its address without the path is the fault, not the folders that may be read."""
    for studio_url, known, advice in (
        ("http://host:8080", "http://host:8080", "Set LABEL_STUDIO_URL to http://host:8080/ls"),
        ("", "not set", "Set LABEL_STUDIO_URL to Label Studio's address with /ls"),
    ):
        with pytest.raises(FileFetchError) as caught:
            FileAccess(studio_url=studio_url, cache_dir=tmp_path).local_path(f"/ls/{route}")
        assert f"below /ls, and LABEL_STUDIO_URL is {known}" in caught.value.message
        assert (caught.value.fix, caught.value.field) == (advice, "LABEL_STUDIO_URL")
    with pytest.raises(FileFetchError, match="LOCAL_FILES_DOCUMENT_ROOT"):
        FileAccess(studio_url="http://host", cache_dir=tmp_path).local_path("/ls/a.png")

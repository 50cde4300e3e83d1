"""What counts as a reference to a file, and what messages show of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.addresses.references import (
    Kind,
    below,
    data_content,
    find_reference,
    origin,
    task_of,
)
from label_studio_ml.support.url_secrets import mask

STUDIO = "http://studio:8080"
SUB_PATH = "https://host/label/studio"


@pytest.mark.parametrize(
    ("text", "kind", "target", "name"),
    [
        ("/data/upload/1/ab-x.png", Kind.UPLOAD, "/data/upload/1/ab-x.png", "/data/upload/1/ab-x.png"),
        ("upload/1/ab-x.png", Kind.UPLOAD, "/data/upload/1/ab-x.png", "/data/upload/1/ab-x.png"),
        ("/upload/1/%C3%BC.png", Kind.UPLOAD, "/data/upload/1/%C3%BC.png", "/data/upload/1/ü.png"),
        (f"{STUDIO}/data/upload/1/x.png", Kind.UPLOAD, "/data/upload/1/x.png", "/data/upload/1/x.png"),
        ("/data/local-files/?d=a/b%20c.jpg", Kind.LOCAL, "/data/local-files/?d=a/b%20c.jpg", "a/b c.jpg"),
        ("/data/local-files/?d=a/b c.jpg", Kind.LOCAL, "/data/local-files/?d=a/b%20c.jpg", "a/b c.jpg"),
        (f"{STUDIO}/data/local-files?d=x", Kind.LOCAL, "/data/local-files?d=x", "x"),
        (
            "/storage-data/uploaded/?filepath=upload/1/x.png",
            Kind.STORED,
            "/storage-data/uploaded/?filepath=upload/1/x.png",
            "upload/1/x.png",
        ),
        (f"{STUDIO}/tasks/5/resolve/?fileuri=czM=", Kind.RESOLVE, "/tasks/5/resolve/?fileuri=czM=", "czM="),
        ("s3://bucket/some/key.png", Kind.CLOUD, "s3://bucket/some/key.png", "s3://bucket/some/key.png"),
        ("gs://bucket/a b.png", Kind.CLOUD, "gs://bucket/a b.png", "gs://bucket/a b.png"),
        ("azure-blob://c/k", Kind.CLOUD, "azure-blob://c/k", "azure-blob://c/k"),
        ("https://example.com/a%20b.png?x=1", Kind.WEB, "https://example.com/a%20b.png?x=1", "/a b.png"),
        ("HTTP://example.com", Kind.WEB, "HTTP://example.com", ""),
        (f"{STUDIO}/api/current-user/token", Kind.WEB, f"{STUDIO}/api/current-user/token", "/api/current-user/token"),
        ("data:image/png;base64,AAAA", Kind.DATA, "data:image/png;base64,AAAA", "image/png"),
    ],
)  # fmt: skip
def test_references(text: str, kind: Kind, target: str, name: str) -> None:
    found = find_reference(text, STUDIO)
    assert found is not None
    assert (found.kind, found.target, found.name) == (kind, target, name)


@pytest.mark.parametrize("studio", ["http://[x", "http://host:99999/ls", "//"])
def test_an_invalid_address_of_label_studio_counts_as_none(studio: str) -> None:
    upload = find_reference("/data/upload/1/x.png", studio)
    assert upload is not None
    assert upload.kind is Kind.UPLOAD
    web = find_reference("https://example.com/a.png", studio)
    assert web is not None
    assert web.kind is Kind.WEB
    assert find_reference("hello", studio) is None


@pytest.mark.parametrize("url", ["http://[x", "http://host:99999", "host:1", "ftp://host"])
def test_what_is_no_origin(url: str) -> None:
    with pytest.raises(ValueError, match="is not an http"):
        origin(url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "/etc/hostname",
        "model.py",
        "upload your file here",
        "upload/your/file",
        "see https://example.com",
        "https://example.com is down",
        "https://",
        "https://example.com/a\nb",
        " https://example.com",
        "ftp://example.com/x",
        "file:///etc/hostname",
        "s3://bucket",
        "s3: a service of a cloud",
        "s3://bucket/key is where it was",
        "data: that is what we need, always",
        "data:text",
        "/data/local-files/",
        "/data/local-files/?x=1",
        "/data/upload/../../api/current-user/token",
        "/data/upload/1/../../../api/current-user/token",
        "/data/upload/1/%2e%2e/%2e%2e/api/token",
        "/data/upload/1/%252e%252e/x",
        "/data/upload/1/..\\..\\x",
        "/tasks/5/resolve/",
        "http://[::1",
        "http://host:port/x",
        "https://example.com/" + "x" * 9000,
    ],
)
def test_text_stays_text(text: str) -> None:
    assert find_reference(text, STUDIO) is None


def test_way_out_of_the_uploads_is_no_file_of_label_studio() -> None:
    found = find_reference(f"{STUDIO}/data/upload/1/../../../api/current-user/token", STUDIO)
    assert found is not None
    assert found.kind is Kind.WEB


@given(st.text(alphabet=st.characters(), max_size=60))
def test_any_text_can_be_asked_about(text: str) -> None:
    for prefix in ("", "http://", "data:", "s3://", "/data/local-files/?d=", "/data/upload/1/"):
        find_reference(prefix + text, STUDIO)
        mask(prefix + text)


@pytest.mark.parametrize("text", ["/label/studio/data/upload/1/x.png", f"{SUB_PATH}/data/upload/1/x.png"])
def test_sub_path(text: str) -> None:
    found = find_reference(text, SUB_PATH)
    assert found is not None
    assert (found.kind, found.target) == (Kind.UPLOAD, "/data/upload/1/x.png")


@pytest.mark.parametrize(
    "url",
    [
        "http://studio:8081/data/upload/1/x",
        "https://studio:8080/data/upload/1/x",
        "http://studio.evil:8080/data/upload/1/x",
        "http://studio:8080@evil/data/upload/1/x",
        "http://evil#http://studio:8080/data/upload/1/x",
    ],
)
def test_other_places_are_not_label_studio(url: str) -> None:
    found = find_reference(url, STUDIO)
    assert found is None or found.kind is Kind.WEB
    assert below(STUDIO, url) is None


def test_below_a_sub_path() -> None:
    assert below(SUB_PATH, f"{SUB_PATH}/a?b=1") == "/a?b=1"
    assert below(SUB_PATH, "https://host/label/studios/a") is None
    assert below("", "https://host/") is None


def test_origin_knows_default_ports() -> None:
    assert origin("HTTPS://Host./x") == origin("https://host:443")
    assert origin("http://host") != origin("https://host")
    with pytest.raises(ValueError, match="not an http"):
        origin("ftp://host")


@pytest.mark.parametrize(
    ("text", "extension"),
    [
        ("https://h/a.PNG?x=.exe", ".PNG"),
        ("https://h/scan.nii.gz", ".nii.gz"),
        ("https://h/x.gz", ".gz"),
        ("https://h/noextension", ""),
        ("https://h/dir.d/file", ""),
        ("https://h/a.%2e%2e%2fx", ""),
        ("/data/local-files/?d=a/b.wav", ".wav"),
        ("s3://b/k.jpeg", ".jpeg"),
        ("data:image/png;base64,AA==", ".png"),
        ("data:made/up,x", ""),
    ],
)
def test_extension(text: str, extension: str) -> None:
    found = find_reference(text)
    assert found is not None
    assert found.extension == extension


def test_task_of() -> None:
    for text, task in (("/tasks/12/presign/?fileuri=x", "12"), ("/projects/1/resolve/?fileuri=x", "")):
        found = find_reference(text)
        assert found is not None
        assert task_of(found) == task


@pytest.mark.parametrize(
    ("url", "content"),
    [
        ("data:text/plain;base64,aGVsbG8=", b"hello"),
        ("data:text/plain;base64,aGVsbG8", b"hello"),
        ("data:text/plain;base64,aGVs%0AbG8%3D", b"hello"),
        ("data:text/plain;charset=utf-8,h%20i", b"h i"),
    ],
)
def test_data_content(url: str, content: bytes) -> None:
    assert data_content(url) == content


def test_data_content_that_is_none() -> None:
    with pytest.raises(FileFetchError, match="not valid base64"):
        data_content("data:image/png;base64,!!!!")

"""Cloud files read directly: S3 against moto's server, which speaks S3; and when they are not read directly."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.files import cloud
from label_studio_ml.studio.files.fetch import FileAccess
from studio.fake import FakeServer, Reply

CONTENT = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An S3 bucket with a file `in/a b.bin`, at an endpoint and with credentials that the environment names."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "CANARY")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client: Any = boto3.client("s3")
        client.create_bucket(Bucket="pictures")
        client.put_object(Bucket="pictures", Key="in/a b.bin", Body=CONTENT)
        client.close()
        yield "s3://pictures"
    server.stop()


@pytest.fixture
def files(studio: FakeServer, tmp_path: Path) -> FileAccess:
    rules = FileSettings(cloud=frozenset({"s3"}))
    return FileAccess(studio_url=studio.url, token="t" * 40, cache_dir=tmp_path / "cache", rules=rules)


def test_directly_with_the_credentials_here(studio: FakeServer, files: FileAccess, bucket: str) -> None:
    path = Path(files.local_path(f"{bucket}/in/a b.bin"))
    assert path.read_bytes() == CONTENT
    assert path.suffix == ".bin"
    assert files.local_path(f"{bucket}/in/a b.bin") == str(path)
    assert studio.asked == []


def test_without_label_studio(files: FileAccess, bucket: str) -> None:
    alone = replace(files, studio_url="", token="")
    assert Path(alone.local_path(f"{bucket}/in/a b.bin")).read_bytes() == CONTENT


def test_label_studio_is_asked_for_what_is_not_there(
    studio: FakeServer, files: FileAccess, bucket: str
) -> None:
    studio.on("/tasks/5/resolve/", Reply(200, b"from Label Studio"))
    assert Path(files.local_path(f"{bucket}/none.bin", task_id=5)).read_bytes() == b"from Label Studio"


def test_what_is_nowhere(files: FileAccess, bucket: str) -> None:
    with pytest.raises(FileFetchError, match=r"s3://pictures/none.bin is not in its bucket \(404\)"):
        files.local_path(f"{bucket}/none.bin")


def test_both_ways_fail(studio: FakeServer, files: FileAccess, bucket: str) -> None:
    """The message has the cause of each."""
    with pytest.raises(
        FileFetchError, match=r"is not in its bucket \(404\); and through Label Studio"
    ) as caught:
        files.local_path(f"{bucket}/none.bin", task_id=5)
    assert f"404 at {studio.url}/tasks/5/resolve/" in caught.value.message
    assert "Correct the URL in the task; or Connect the bucket" in caught.value.fix


def test_limits(files: FileAccess, bucket: str) -> None:
    small = replace(files, rules=replace(files.rules, max_bytes=100))
    with pytest.raises(FileFetchError, match=r"has 10240 bytes, more than 100") as caught:
        small.local_path(f"{bucket}/in/a b.bin", task_id=5)
    assert caught.value.field == "FILES_MAX_MB"


def test_other_buckets_than_those_named(studio: FakeServer, files: FileAccess, bucket: str) -> None:
    studio.on("/tasks/5/resolve/", Reply(200, b"from Label Studio"))
    for roots in (("s3://other",), ("s3://pictures/private",), ("none",)):
        strict = replace(
            files, rules=replace(files.rules, cloud_roots=roots), cache_dir=files.cache_dir / roots[0][-3:]
        )
        assert Path(strict.local_path(f"{bucket}/in/a b.bin", task_id=5)).read_bytes() == b"from Label Studio"
    named = replace(files, rules=FileSettings(cloud_roots=("s3://pictures/in",)))
    assert Path(named.local_path(f"{bucket}/in/a b.bin")).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("s3://b/in/x", True),
        ("S3://b/in/x", True),
        ("s3://b/inner/x", False),
        ("s3://b/in/../x", False),
        ("s3://b2/in/x", False),
        ("gs://b/in/x", False),
    ],
)
def test_below_a_root(url: str, allowed: bool) -> None:
    assert cloud.may_read(url, FileSettings(cloud_roots=("s3://b/in/",))) is allowed


def test_refused_credentials_show_no_secret(
    files: FileAccess, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    async def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError("Forbidden for CANARY")

    monkeypatch.setattr(s3fs.S3FileSystem, "_info", refuse)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(FileFetchError, match=r"403, PermissionError.*AWS_ACCESS_KEY_ID") as caught:
        files.local_path(f"{bucket}/in/a b.bin")
    assert "CANARY" not in str(caught.value)
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("s3://c/x", "s3fs", "s3"),
        ("gs://c/x", "gcsfs", "gcs"),
        ("azure-blob://c/x", "adlfs", "azure"),
    ],
)
def test_package_that_is_missing(
    files: FileAccess, monkeypatch: pytest.MonkeyPatch, url: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # so that importing it fails
    rules = FileSettings(cloud=frozenset({cloud.scheme_of(url)}))
    with pytest.raises(FileFetchError, match=rf"pip install 'label-studio-ml\[{extra}\]'"):
        replace(files, rules=rules).local_path(url)

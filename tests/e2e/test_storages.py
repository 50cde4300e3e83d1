"""Files of every storage that Label Studio has, with both kinds of token, below a sub-path too."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.files.fetch import FileAccess, _shared_http
from studio.fake import FakeServer, Reply

from .clouds import ACCOUNT, AZURE_HOST, GOOGLE_HOST, TOKEN_HOST, Certificate, Clouds, running_clouds
from .conftest import StartStudio
from .processes import free_port
from .studio import Json, Studio

CONFIG = '<View><Image name="image" value="$image"/></View>'
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10
PREFIX = "/label/studio"


class StrippingProxy(ThreadingHTTPServer):
    """A reverse proxy, such as nginx, that serves Label Studio at `PREFIX`."""

    def __init__(self, target: str, port: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not self.path.startswith(PREFIX + "/"):
                    self.send_error(404)
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = requests.request(
                    self.command,
                    target + self.path.removeprefix(PREFIX),
                    headers={name: value for name, value in self.headers.items() if name.lower() != "host"},
                    data=body,
                    allow_redirects=False,
                    timeout=60,
                )
                self.send_response(answer.status_code)
                for name in ("Content-Type", "Location"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http://localhost:{port}{PREFIX}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Label Studio's document root, with a picture in a folder of it."""
    root = tmp_path_factory.mktemp("root")
    (root / "pictures").mkdir()
    (root / "pictures" / "a b.png").write_bytes(PICTURE)
    return root


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    """Azure's and Google's clouds, with a picture in each."""
    for made in running_clouds(tmp_path_factory.mktemp("clouds")):
        made.azure.put("album", "in/a b.png", PICTURE)
        made.google.put("album", "in/a b.png", PICTURE)
        yield made


@pytest.fixture(scope="module")
def studio(start_studio: StartStudio, folder: Path, clouds: Clouds) -> Iterator[Studio]:
    """A Label Studio below a sub-path, behind a proxy; it reaches the clouds."""
    port = free_port()
    server = start_studio(
        env={
            "LABEL_STUDIO_HOST": f"http://localhost:{port}{PREFIX}",
            "LOCAL_FILES_SERVING_ENABLED": "true",
            "LOCAL_FILES_DOCUMENT_ROOT": str(folder),
            **clouds.env,
        }
    )
    direct = server.wait()
    proxy = StrippingProxy(direct.url, port)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield Studio(proxy.url)
    proxy.shutdown()
    proxy.server_close()


@pytest.fixture(scope="module")
def personal(studio: Studio) -> str:
    return str(studio.call("POST", "/api/token/")["token"])


@pytest.fixture(params=["legacy", "personal"])
def files(request: pytest.FixtureRequest, studio: Studio, tmp_path: Path) -> FileAccess:
    token = studio.token if request.param == "legacy" else str(request.getfixturevalue("personal"))
    return FileAccess(studio_url=studio.url, token=token, cache_dir=tmp_path / "cache")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The address of an S3 server with a bucket of one picture."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    login = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    client: Any = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **login)
    client.create_bucket(Bucket="pictures")
    client.put_object(Bucket="pictures", Key="in/a b.png", Body=PICTURE)
    client.close()
    yield f"http://{host}:{port}"
    server.stop()


def _synced(studio: Studio, kind: str, fields: Json) -> Json:
    """Connect a storage to a new project, let Label Studio make tasks of what is in it, and return the task."""
    project = studio.create_project(f"storage {kind}", CONFIG)
    made = studio.call(
        "POST", f"/api/storages/{kind}", json={"project": project, "use_blob_urls": True, **fields}
    )
    studio.call("POST", f"/api/storages/{kind}/{made['id']}/sync")
    (task,) = [
        {"id": one["id"], "data": studio.call("GET", f"/api/tasks/{one['id']}/?resolve_uri=false")["data"]}
        for one in studio.tasks(project)
    ]
    return task


def _path(files: FileAccess, task: Json) -> Path:
    return Path(files.local_path(task["data"]["image"], task_id=task["id"]))


def test_upload(studio: Studio, files: FileAccess) -> None:
    project = studio.create_project("uploads", CONFIG)
    part = {"file": ("ü b.png", PICTURE, "image/png")}
    studio.call("POST", f"/api/projects/{project}/import", files=part)
    (task,) = studio.tasks(project)
    assert _path(files, task).read_bytes() == PICTURE


@pytest.fixture(scope="module")
def local_task(studio: Studio, folder: Path) -> Json:
    return _synced(studio, "localfiles", {"path": str(folder / "pictures"), "regex_filter": ".*png"})


def test_local_files(local_task: Json, files: FileAccess) -> None:
    assert "/data/local-files/?d=" in local_task["data"]["image"]
    assert _path(files, local_task).read_bytes() == PICTURE


@pytest.fixture(scope="module", params=[True, False], ids=["presigned", "through"])
def s3_task(request: pytest.FixtureRequest, studio: Studio, bucket: str) -> Json:
    fields = {
        "bucket": "pictures",
        "prefix": "in",
        "regex_filter": ".*png",
        "aws_access_key_id": "key",
        "aws_secret_access_key": "secret",
        "region_name": "us-east-1",
        "s3_endpoint": bucket,
        "presign": request.param,
    }
    return {**_synced(studio, "s3", fields), "presigned": request.param}


def test_s3_through_label_studio(s3_task: Json, files: FileAccess) -> None:
    assert s3_task["data"]["image"] == "s3://pictures/in/a b.png"
    if s3_task["presigned"]:  # Label Studio redirects to the bucket's server, which is private here
        with pytest.raises(FileFetchError, match=r"Set FILES_ALLOW_PRIVATE=127\.0\.0\.1"):
            _path(files, s3_task)
        rules = FileSettings(private=("127.0.0.1",))
        files = FileAccess(
            studio_url=files.studio_url, token=files.token, cache_dir=files.cache_dir, rules=rules
        )
    assert _path(files, s3_task).read_bytes() == PICTURE
    shown = base64.urlsafe_b64encode(s3_task["data"]["image"].encode()).decode()
    resolved = f"{files.studio_url}/tasks/{s3_task['id']}/resolve/?fileuri={shown}"
    assert Path(files.local_path(resolved, task_id=s3_task["id"])).read_bytes() == PICTURE


def _cloud_storage(clouds: Clouds, kind: str) -> Json:
    """Return what is typed into Label Studio's form for a storage of this kind."""
    if kind == "azure":
        return {"container": "album", "account_name": ACCOUNT, "account_key": clouds.azure.key}
    return {"bucket": "album", "google_application_credentials": json.dumps(clouds.google.credentials)}


@pytest.fixture(
    scope="module",
    params=[("azure", True), ("azure", False), ("gcs", True), ("gcs", False)],
    ids=["azure-presigned", "azure-through", "gcs-presigned", "gcs-through"],
)
def cloud_task(request: pytest.FixtureRequest, studio: Studio, clouds: Clouds) -> Json:
    kind, presign = request.param
    fields = {"prefix": "in", "regex_filter": ".*png", "presign": presign, **_cloud_storage(clouds, kind)}
    return {**_synced(studio, kind, fields), "kind": kind, "presigned": presign}


def test_azure_and_google_through_label_studio(
    cloud_task: Json, files: FileAccess, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Label Studio's own storages, with its own links to Azure and Google; `clouds` says what answers them."""
    for name, value in clouds.env.items():
        monkeypatch.setenv(name, value)
    scheme, host = ("azure-blob", AZURE_HOST) if cloud_task["kind"] == "azure" else ("gs", GOOGLE_HOST)
    assert cloud_task["data"]["image"] == f"{scheme}://album/in/a b.png"
    _shared_http.cache_clear()
    clouds.proxy.asked.clear()
    assert _path(files, cloud_task).read_bytes() == PICTURE
    assert host in clouds.proxy.asked


def test_web_and_data_urls(studio: Studio, files: FileAccess, clouds: Clouds, tmp_path: Path) -> None:
    """Plain http and a URL that holds the picture; https with a certificate of an authority of one's own."""
    inline = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
    server = FakeServer()
    server.on("/a.png", Reply(body=PICTURE))
    project = studio.create_project("web", CONFIG)
    urls = [f"{server.url}/a.png", inline]
    tasks = studio.import_tasks(project, [{"image": url} for url in urls])
    files = replace(files, rules=FileSettings(private=("127.0.0.1",)))
    for task, url in zip(tasks, urls, strict=True):
        image = studio.call("GET", f"/api/tasks/{task}/?resolve_uri=false")["data"]["image"]
        assert image == url
        path = Path(files.local_path(image, task_id=task))
        assert path.read_bytes() == PICTURE
        assert path.suffix == ".png"
    server.stop()
    assert [one.authorization for one in server.asked] == [None]
    (there,) = _directly(clouds, tmp_path, {}, f"https://{GOOGLE_HOST}/album/in/a%20b.png")
    assert bytes.fromhex(there) == PICTURE


DIRECT = """
import sys
from label_studio_ml.errors import FileFetchError
from label_studio_ml.model import LabelStudioMLBase

for url in sys.argv[1:]:
    try:
        with open(LabelStudioMLBase().get_local_path(url), "rb") as file:
            print(file.read().hex())
    except FileFetchError as error:
        print(error)
"""


def _directly(clouds: Clouds, home: Path, env: dict[str, str], *urls: str) -> list[str]:
    """Let a model fetch files in a process that has these credentials and no Label Studio; return what came."""
    clean = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", DIRECT, *urls],
        env={**clean, "HOME": str(home), **clouds.env, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.splitlines()


def test_azure_directly(clouds: Clouds, tmp_path: Path) -> None:
    """Azurite checks the signature of each request."""
    env = {"AZURE_STORAGE_CONNECTION_STRING": clouds.azure.connection()}
    there, missing = _directly(
        clouds, tmp_path, env, "azure-blob://album/in/a b.png", "azure-blob://album/in/none.png"
    )
    assert bytes.fromhex(there) == PICTURE
    assert "azure-blob://album/in/none.png is not in its bucket (404)" in missing
    wrong = base64.b64encode(b"another key").decode()
    env = {"AZURE_STORAGE_CONNECTION_STRING": clouds.azure.connection(wrong)}
    (refused,) = _directly(clouds, tmp_path / "other", env, "azure-blob://album/in/a b.png")
    assert "cannot be read with this machine's credentials" in refused
    assert "AZURE_STORAGE_CONNECTION_STRING" in refused
    assert wrong not in refused


def test_google_directly(clouds: Clouds, tmp_path: Path) -> None:
    """With a service account, whose assertion the token endpoint checks; the emulator believes any token."""
    key = tmp_path / "key.json"
    key.write_text(json.dumps(clouds.google.credentials))
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(key)}
    clouds.proxy.asked.clear()
    there, missing = _directly(clouds, tmp_path, env, "gs://album/in/a b.png", "gs://album/in/none.png")
    assert bytes.fromhex(there) == PICTURE
    assert "gs://album/in/none.png is not in its bucket (404)" in missing
    assert set(clouds.proxy.asked) == {GOOGLE_HOST, TOKEN_HOST}
    other = Certificate(tmp_path, "other")
    key.write_text(json.dumps({**clouds.google.credentials, "private_key": other.key.read_text()}))
    (refused,) = _directly(clouds, tmp_path / "other", env, "gs://album/in/a b.png")
    assert "cannot be read with this machine's credentials" in refused
    assert "GOOGLE_APPLICATION_CREDENTIALS" in refused

"""The API client and the file access against a real Label Studio."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.errors import FileFetchError, StudioAuthError, StudioError
from label_studio_ml.studio.client import StudioClient
from label_studio_ml.studio.files.fetch import FileAccess

from .studio import Studio, choice

CONFIG = """<View><Text name="text" value="$text"/><Choices name="choice" toName="text"><Choice value="a"/>
<Choice value="b"/></Choices></View>"""


@pytest.fixture(params=["legacy", "personal"])
def token(request: pytest.FixtureRequest, label_studio: Studio) -> str:
    return label_studio.token if request.param == "legacy" else str(request.getfixturevalue("personal_token"))


@pytest.fixture
def client(label_studio: Studio, token: str) -> Iterator[StudioClient]:
    client = StudioClient(label_studio.url, token)
    yield client
    client.close()


@pytest.fixture
def project(label_studio: Studio) -> int:
    return label_studio.create_project("client", CONFIG)


def test_labelled_tasks(label_studio: Studio, client: StudioClient, project: int) -> None:
    ids = client.import_tasks(project, [{"data": {"text": f"n{number}"}} for number in range(7)])
    for labelled in ids[1:5]:
        label_studio.annotate(labelled, choice("a"))
    skip = {"result": [], "was_cancelled": True}
    label_studio.call("POST", f"/api/tasks/{ids[1]}/annotations/", json=skip)
    label_studio.call("POST", f"/api/tasks/{ids[5]}/annotations/", json=skip)
    label_studio.call("POST", f"/api/tasks/{ids[1]}/drafts", json={"result": choice("b")})
    prediction = {"task": ids[1], "result": choice("b"), "score": 0.5, "model_version": "v"}
    label_studio.call("POST", "/api/predictions/", json=prediction)

    tasks = list(client.labelled_tasks(project, page_size=2))

    assert [task["id"] for task in tasks] == ids[1:5]
    assert client.count_labelled(project) == 4
    exported = {
        task["id"]: task
        for task in label_studio.call("GET", f"/api/projects/{project}/export?exportType=JSON")
    }
    for task in tasks:
        expected = exported[task["id"]]
        for key in ("data", "meta", "created_at", "project", "inner_id", "total_annotations"):
            assert task[key] == expected[key], key
        (annotation,) = task["annotations"]
        (theirs,) = [one for one in expected["annotations"] if not one["was_cancelled"]]
        assert annotation.keys() - theirs.keys() == set()
        for key in ("id", "completed_by", "result", "ground_truth", "lead_time", "created_at"):
            assert annotation[key] == theirs[key], key
    assert [one["model_version"] for one in tasks[0]["predictions"]] == ["v"]
    assert client.task(ids[1]) == tasks[0]
    assert client.task(ids[0])["annotations"] == []


def test_project(client: StudioClient, project: int) -> None:
    assert client.project(f"{project}.1700000000")["title"] == "client"
    assert list(client.labelled_tasks(project)) == []
    with pytest.raises(StudioError, match="404 at"):
        client.project(999_999)


def test_cloud_references_stay_as_imported(label_studio: Studio, client: StudioClient, project: int) -> None:
    (task,) = client.import_tasks(project, [{"data": {"text": "s3://bucket/key.txt"}}])
    label_studio.annotate(task, choice("a"))
    (found,) = client.labelled_tasks(project)
    assert found["data"] == {"text": "s3://bucket/key.txt"}


@pytest.mark.parametrize("wrong", ["f" * 40, ""])
def test_wrong_token(label_studio: Studio, project: int, wrong: str) -> None:
    with pytest.raises(StudioAuthError, match="LABEL_STUDIO_API_KEY"):
        StudioClient(label_studio.url, wrong).project(project)


def test_a_command_ends_with_the_code_of_a_wrong_token(
    label_studio: Studio, project: int, tmp_path: Path
) -> None:
    words = ("init", "be", "--project", str(project), "--url", label_studio.url)
    done = subprocess.run(
        [sys.executable, "-m", "label_studio_ml", *words],
        cwd=tmp_path,
        env={**os.environ, "LABEL_STUDIO_API_KEY": "f" * 40},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 1
    line, more = done.stderr.splitlines()[-2:]
    assert line.startswith("label-studio-ml: Label Studio refused the token: 401 ")
    assert more == f"More: label-studio-ml explain {StudioAuthError.code}"


def test_wrong_personal_token(label_studio: Studio, personal_token: str, project: int) -> None:
    changed = personal_token[:-4] + ("AAAA" if personal_token[-4:] != "AAAA" else "BBBB")
    with pytest.raises(StudioAuthError, match="make a new one") as caught:
        StudioClient(label_studio.url, changed).project(project)
    assert changed not in str(caught.value)


class CountingBackend(ThreadingHTTPServer):
    """A named fake of an ML backend that counts what it is asked to predict."""

    def __init__(self) -> None:
        backend = self
        self.predicted = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer({"status": "UP"})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/predict":
                    backend.predicted += len(body["tasks"])
                    self.answer({"results": [{"result": choice("a"), "score": 1.0} for _ in body["tasks"]]})
                else:
                    self.answer({"model_version": "v"})

            def answer(self, value: Any) -> None:
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server_address[1]}"


def test_reading_for_a_training_asks_for_no_predictions(label_studio: Studio, client: StudioClient) -> None:
    project = label_studio.create_project("automatic", CONFIG, evaluate_predictions_automatically=True)
    tasks = client.import_tasks(project, [{"data": {"text": "x"}} for _ in range(3)])
    for task in tasks:
        label_studio.annotate(task, choice("a"))
    backend = CountingBackend()
    thread = threading.Thread(target=backend.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        label_studio.add_backend(project, backend.url)
        assert len(list(client.labelled_tasks(project))) == client.count_labelled(project) == 3
        assert backend.predicted == 0
        label_studio.tasks(project)
        assert backend.predicted == 3, "Label Studio does not predict on listing any more"
    finally:
        backend.shutdown()
        backend.server_close()


@pytest.fixture
def files(label_studio: Studio, token: str, tmp_path: Path) -> FileAccess:
    return FileAccess(studio_url=label_studio.url, token=token, cache_dir=tmp_path / "cache")


@pytest.fixture
def upload(label_studio: Studio, project: int, tmp_path: Path) -> Callable[[str, bytes], dict[str, Any]]:
    """Return a function that uploads a file and returns its task."""

    def make(name: str, content: bytes) -> dict[str, Any]:
        part = {"file": (name, content, "image/png")}
        label_studio.call("POST", f"/api/projects/{project}/import", files=part)
        return label_studio.tasks(project)[-1]

    return make


def test_upload(
    label_studio: Studio, files: FileAccess, upload: Callable[[str, bytes], dict[str, Any]], project: int
) -> None:
    content = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    task = upload("my picture ü.png", content)
    reference = task["data"]["text"]
    assert reference.startswith(f"/data/upload/{project}/")
    path = Path(files.local_path(reference, task_id=task["id"]))
    assert path.read_bytes() == content
    assert files.local_path(f"{label_studio.url}{reference}") == str(path)
    assert files.preload(task["data"], read_file=False) == {**task["data"], "text": str(path)}


def test_upload_that_is_not_there(files: FileAccess, project: int) -> None:
    with pytest.raises(FileFetchError, match="deleted"):
        files.local_path(f"/data/upload/{project}/none.png")


def test_cloud_file_without_a_storage(label_studio: Studio, files: FileAccess, project: int) -> None:
    (task,) = label_studio.import_tasks(project, [{"text": "s3://bucket/key.png"}])
    encoded = base64.urlsafe_b64encode(b"s3://bucket/key.png").decode()
    with pytest.raises(FileFetchError, match=rf"404 at .*/tasks/{task}/resolve/.fileuri={encoded}"):
        files.local_path("s3://bucket/key.png", task_id=task)


def test_local_files_that_are_not_served(files: FileAccess, tmp_path: Path) -> None:
    with pytest.raises(FileFetchError, match=r"403 at .*LOCAL_FILES_SERVING_ENABLED"):
        files.local_path("/data/local-files/?d=x.txt")


def test_users_token_is_out_of_a_tasks_reach(label_studio: Studio, files: FileAccess, project: int) -> None:
    for way in ("", f"/data/upload/{project}/../../.."):
        with pytest.raises(FileFetchError, match="401 at"):
            files.local_path(f"{label_studio.url}{way}/api/current-user/token")

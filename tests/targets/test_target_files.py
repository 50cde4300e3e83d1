"""Files of targets: fetched ahead of the iteration, a bounded number at once."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.controls import Controls
from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.files.fetch import FileAccess
from label_studio_ml.training.dataset import LabelledTasks
from studio.fake import Asked, FakeServer, Reply
from targets.test_target_collection import CONTROLS, a_box, collection, labelled


@pytest.fixture
def studio() -> Iterator[FakeServer]:
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture
def files(studio: FakeServer, tmp_path: Path) -> FileAccess:
    rules = FileSettings(private=("*",))
    return FileAccess(studio_url=studio.url, token="t" * 40, cache_dir=tmp_path / "cache", rules=rules)


def tasks_with(files: FileAccess, *numbers: int) -> LabelledTasks:
    tasks = collection(*(labelled(number, [a_box()]) for number in numbers))
    tasks.use_files(files)
    return tasks


class SlowFiles:
    """Files of which each is answered when as many are asked for at once as `workers`, or none more come."""

    def __init__(self, studio: FakeServer, workers: int) -> None:
        self.most = self._now = 0
        self._workers = workers
        self._condition = threading.Condition()
        studio.on("/data/upload/1/", self._answer)
        for number in range(1, 31):
            studio.on(f"/data/upload/1/{number}.png", self._answer)

    def _answer(self, asked: Asked) -> Reply:
        with self._condition:
            self._now += 1
            self.most = max(self.most, self._now)
            self._condition.notify_all()
            self._condition.wait_for(lambda: self.most >= self._workers, 10)
        time.sleep(0.01)  # a request too many would come in this time
        with self._condition:
            self._now -= 1
        return Reply(200, asked.path.encode())


def test_files_are_fetched_at_the_same_time_but_not_more_than_workers(
    studio: FakeServer, files: FileAccess
) -> None:
    slow = SlowFiles(studio, 3)
    examples = tasks_with(files, *range(1, 21)).targets(CONTROLS["box"], workers=3)
    fetched = {example.task_id: Path(str(example.path)).read_text() for example in examples}
    assert fetched == {number: f"/data/upload/1/{number}.png" for number in range(1, 21)}
    assert slow.most == 3


def test_files_are_fetched_ahead_but_not_far(studio: FakeServer, files: FileAccess) -> None:
    SlowFiles(studio, 1)
    read: list[int] = []

    def numbered() -> Iterator[dict[str, Any]]:
        for number in range(1, 31):
            read.append(number)
            yield labelled(number, [a_box()])

    tasks = LabelledTasks(numbered, "a test")
    tasks.use_files(files)
    examples = iter(tasks.targets(CONTROLS["box"], workers=2))
    assert next(examples).task_id == 1
    assert read == [1, 2, 3, 4], "twice as many as workers"
    deadline = time.monotonic() + 10
    while len(studio.asked) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(studio.asked) == 4, (
        "the files of tasks that were read are fetched although nobody asks for them yet"
    )


def test_a_file_that_cannot_be_fetched_is_an_error_that_says_what_to_do(
    studio: FakeServer, files: FileAccess
) -> None:
    studio.on("/data/upload/1/1.png", Reply(200, b"1"))
    seen = []
    with pytest.raises(FileFetchError, match=r"Task 2: .*404.*unfetched=\"drop\""):
        seen += [each.task_id for each in tasks_with(files, 1, 2).targets(CONTROLS["box"])]


def test_tasks_whose_file_cannot_be_fetched_can_be_left_out(
    studio: FakeServer, files: FileAccess, caplog: pytest.LogCaptureFixture
) -> None:
    studio.on("/data/upload/1/2.png", Reply(200, b"2"))
    targets = tasks_with(files, 1, 2, 3).targets(CONTROLS["box"], unfetched="drop")
    assert [each.task_id for each in targets] == [2]
    assert targets.left_out == {"tasks whose file cannot be fetched": 2}
    assert (
        sum("cannot be fetched" in record.message for record in caplog.records) == 2
    )  # the first, and the sum


@pytest.mark.parametrize("url", ["", None, 5])
def test_a_task_without_the_url_of_its_file_is_one_whose_file_cannot_be_fetched(
    files: FileAccess, url: Any
) -> None:
    tasks = collection(labelled(1, [a_box()], image=url))
    tasks.use_files(files)
    with pytest.raises(FileFetchError, match="Task 1: The URL is empty"):
        list(tasks.targets(CONTROLS["box"]))
    assert [each.path for each in tasks.targets(CONTROLS["box"], files=False)] == [None]


def test_files_false_fetches_nothing(studio: FakeServer, files: FileAccess) -> None:
    (example,) = tasks_with(files, 1).targets(CONTROLS["box"], files=False)
    assert (example.path, studio.asked) == (None, [])


def test_files_of_annotations_that_are_no_examples_are_not_fetched(
    studio: FakeServer, files: FileAccess
) -> None:
    tasks = collection(labelled(1, []), labelled(2, [a_box()], []), labelled(3, [], [a_box()]))
    tasks.use_files(files)
    studio.on("/data/upload/1/3.png", Reply(200, b"x"))
    assert [each.task_id for each in tasks.targets(CONTROLS["box"], empty=False)] == [3]
    assert studio.paths() == ["/data/upload/1/3.png"]
    assert list(tasks.targets(CONTROLS["box"], annotation="ground_truth")) == []
    assert len(studio.asked) == 1


def test_halves_and_changed_tasks_fetch_with_the_same_access(studio: FakeServer, files: FileAccess) -> None:
    for number in range(1, 31):
        studio.on(f"/data/upload/1/{number}.png", Reply(200, b"x"))
    tasks = tasks_with(files, *range(1, 11))
    for some in (*tasks.split(test=0.5), tasks.changed(dict)):
        assert all(Path(str(each.path)).read_bytes() == b"x" for each in some.targets(CONTROLS["box"]))


def test_the_text_of_a_file_is_read(studio: FakeServer, files: FileAccess) -> None:
    control = Controls(
        '<View><Text name="t" value="$u" valueType="url"/>'
        '<Labels name="l" toName="t"><Label value="PER"/></Labels></View>'
    )[0]
    studio.on("/data/upload/1/a.txt", Reply(200, "\ufeffHé\r\nAnn".encode()))
    region = {
        "id": "r",
        "type": "labels",
        "from_name": "l",
        "to_name": "t",
        "value": {"start": 4, "end": 7, "labels": ["PER"]},
    }
    tasks = collection({**labelled(1, [region]), "data": {"u": "/data/upload/1/a.txt"}})
    tasks.use_files(files)
    (example,) = tasks.targets(control)
    assert (example.text, example.spans[0].text) == ("Hé\r\nAnn", "Ann")
    with pytest.raises(ValueError, match="leave files=False out"):
        tasks.targets(control, files=False)


def test_paragraphs_in_a_file_are_read(studio: FakeServer, files: FileAccess) -> None:
    control = Controls(
        '<View><Paragraphs name="t" value="$u" valueType="url"/>'
        '<ParagraphLabels name="l" toName="t"><Label value="A"/></ParagraphLabels></View>'
    )[0]
    studio.on("/data/upload/1/a.json", Reply.of([{"author": "x", "text": "one"}, {"text": "two"}]))
    value = {"start": "1", "startOffset": 0, "end": "1", "endOffset": 3, "paragraphlabels": ["A"]}
    region = {"id": "r", "type": "paragraphlabels", "from_name": "l", "to_name": "t", "value": value}
    tasks = collection({**labelled(1, [region]), "data": {"u": "/data/upload/1/a.json"}})
    tasks.use_files(files)
    (example,) = tasks.targets(control)
    assert (example.text, example.spans[0].text) == ("one\ntwo", "two")


@pytest.mark.parametrize(
    ("tag", "labels", "content"),
    [
        ("Text", "Labels", b"\xff\xfe\x00"),
        ("Paragraphs", "ParagraphLabels", b"[{"),
        ("Paragraphs", "ParagraphLabels", b'{"text": "no list"}'),
    ],
)
def test_a_text_that_cannot_be_read_is_left_out(
    studio: FakeServer, files: FileAccess, tag: str, labels: str, content: bytes
) -> None:
    control = Controls(
        f'<View><{tag} name="t" value="$u" valueType="url"/>'
        f'<{labels} name="l" toName="t"><Label value="A"/></{labels}></View>'
    )[0]
    studio.on("/data/upload/1/a.txt", Reply(200, content))
    tasks = collection({**labelled(1, []), "data": {"u": "/data/upload/1/a.txt"}})
    tasks.use_files(files)
    targets = tasks.targets(control)
    assert list(targets) == []
    assert targets.left_out == {"tasks whose data cannot be read": 1}

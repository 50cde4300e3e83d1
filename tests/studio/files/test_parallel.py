"""Fetching for many tasks at once."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.errors import FileFetchError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.model_context import ModelContext, model_context
from label_studio_ml.studio.files.fetch import FileAccess
from studio.fake import Asked, FakeServer, Reply


@pytest.fixture
def model(studio: FakeServer, tmp_path: Path) -> LabelStudioMLBase:
    rules = FileSettings(private=("*",))
    files = FileAccess(studio_url=studio.url, token="t" * 40, cache_dir=tmp_path / "cache", rules=rules)
    with model_context(ModelContext(files=files)):
        return LabelStudioMLBase()


def test_order_and_failures(studio: FakeServer, model: LabelStudioMLBase) -> None:
    for number in (1, 2, 3):
        studio.on(f"/data/upload/1/{number}.txt", Reply(200, str(number).encode()))
    tasks: list[dict[str, Any]] = [
        {"id": 1, "data": {"image": "/data/upload/1/1.txt"}},
        {"id": 2, "data": {"image": "/data/upload/1/gone.txt"}},
        {"id": 3, "data": {"text": "x"}},
        {"id": 4, "data": {"image": "/etc/passwd"}},
        {"id": 5, "data": {"image": "/data/upload/1/3.txt"}},
        {"data": {"image": "/data/upload/1/2.txt"}},
    ]
    found = model.fetch(tasks, "image")
    assert [one.task_id for one in found] == [1, 2, 3, 4, 5, None]
    assert [one.ok for one in found] == [True, False, False, False, True, True]
    assert [Path(one).read_text() for one in found if one.ok] == ["1", "3", "2"]
    assert str(found[1].error).startswith("Task 2: The file cannot be fetched: 404 at")
    assert "Task 3: It has no URL in its data under 'image'" in str(found[2].error)
    with pytest.raises(FileFetchError, match="Task 4"):
        Path(found[3])
    assert [os.fspath(one) for one in model.fetch(tasks[:1], "$image")] == [found[0].path]
    assert model.fetch([], "image") == []


def test_several_at_once_and_no_more(studio: FakeServer, model: LabelStudioMLBase) -> None:
    together, lock = [0, 0], threading.Lock()
    full = threading.Event()

    def answer(_: Asked) -> Reply:
        with lock:
            together[0] += 1
            together[1] = max(together)
            if together[0] == 3:
                full.set()
        full.wait(30)
        with lock:
            together[0] -= 1
        return Reply(200, b"x")

    tasks = []
    for number in range(9):
        studio.on(f"/data/upload/1/{number}.txt", answer)
        tasks.append({"id": number, "data": {"image": f"/data/upload/1/{number}.txt"}})
    assert all(one.ok for one in model.fetch(tasks, "image", workers=3))
    assert full.is_set()
    assert together[1] == 3


def test_one_file_for_all_tasks_is_fetched_once(studio: FakeServer, model: LabelStudioMLBase) -> None:
    studio.on("/data/upload/1/1.txt", Reply(200, b"x"))
    found = model.fetch([{"id": n, "data": {"image": "/data/upload/1/1.txt"}} for n in range(20)], "image")
    assert len({one.path for one in found}) == 1
    assert len(studio.asked) == 1

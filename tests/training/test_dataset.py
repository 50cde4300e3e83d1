"""The labelled tasks that a fit iterates over."""

import gzip
import json
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.errors import FitError, SettingsError, StudioError, UnknownVersion, VersionError
from label_studio_ml.studio.client import StudioClient
from label_studio_ml.training.dataset import (
    HELD_OUT,
    LabelledTasks,
    from_delivered,
    from_studio,
    from_version,
    version_snapshot,
)
from label_studio_ml.training.snapshots import SNAPSHOT
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from live import CONFIG, TOKEN, FakeStudio, annotation, task
from studio.fake import Asked, FakeServer, Reply, jwt


def _tasks(*tasks: dict[str, Any], **options: Any) -> LabelledTasks:
    return LabelledTasks(lambda: iter(tasks), "a test", **options)


def _rows(*numbers: int) -> list[dict[str, Any]]:
    return [{**task(number), "annotations": [annotation(number)]} for number in numbers]


def _ids(tasks: LabelledTasks) -> list[int]:
    return [one["id"] for one in tasks]


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    folder = tmp_path / "version"
    folder.mkdir()
    return folder / SNAPSHOT


def test_it_can_be_iterated_as_often_as_you_like() -> None:
    tasks = _tasks(*_rows(0, 1, 2))
    assert _ids(tasks) == _ids(tasks) == [0, 1, 2]
    assert len(tasks) == len(list(tasks)) == 3
    assert tasks


def test_skipped_annotations_drafts_and_tasks_without_any_are_left_out() -> None:
    skipped = {**annotation(1), "was_cancelled": True}
    tasks = _tasks(
        {**task(1), "annotations": [skipped]},
        {**task(2), "annotations": [skipped, annotation(2)], "drafts": [{"id": 5, "result": []}]},
        {**task(3), "annotations": None},
        task(4),
    )
    (one,) = tasks
    assert (one["id"], [kept["id"] for kept in one["annotations"]]) == (2, [1002])
    assert "drafts" not in one
    assert len(tasks) == 1
    assert not _tasks()
    assert not _tasks({**task(1), "annotations": [skipped]})


def test_tasks_from_a_list() -> None:
    rows = _rows(1, 2)
    tasks = LabelledTasks.from_tasks(rows)
    assert _ids(tasks) == _ids(tasks) == [1, 2]
    rows += _rows(3)
    assert _ids(tasks) == [1, 2, 3]
    for wrong in (iter(rows), {"id": 1}, "tasks", 7):
        with pytest.raises(ValueError, match="tasks must be a list of tasks"):
            LabelledTasks.from_tasks(wrong)  # type: ignore[arg-type]


def test_tasks_from_a_file(tmp_path: Path) -> None:
    export = tmp_path / "export.json"
    export.write_text(json.dumps(_rows(1, 2)))
    assert _ids(LabelledTasks.from_file(str(export))) == [1, 2]
    with gzip.open(tmp_path / SNAPSHOT, "wt") as lines:
        lines.write("\n".join(map(json.dumps, _rows(3))))
    assert _ids(LabelledTasks.from_file(tmp_path / SNAPSHOT)) == [3]
    export.write_text('{"tasks": []}')
    with pytest.raises(SettingsError, match=r"is not a list of tasks with annotations\. Export the project"):
        LabelledTasks.from_file(export)
    with pytest.raises(SettingsError, match="cannot be read"):
        LabelledTasks.from_file(tmp_path / "gone.json")


def test_ground_truth_is_marked() -> None:
    truth = {**annotation(2), "ground_truth": True}
    first, second = _tasks(*_rows(1), {**task(2), "annotations": [annotation(1), truth]})
    assert [one["ground_truth"] for one in first["annotations"]] == [False]
    assert [one["ground_truth"] for one in second["annotations"]] == [False, True]
    assert (first["ground_truth"], second["ground_truth"]) == (False, True)


def test_the_oldest_name_of_annotations() -> None:
    (one,) = _tasks(*_rows(1))
    assert one["completions"] == one["annotations"]


def test_nothing_is_read_before_it_is_asked_for() -> None:
    def read() -> Iterator[dict[str, Any]]:
        raise AssertionError("read")
        yield {}

    tasks = LabelledTasks(read, "a test", 4)
    train, test = tasks.split()
    assert (tasks.expected, train.expected, test.expected) == (4, None, None)


def test_from_delivered(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in _rows(1, 2)))
    tasks = from_delivered(file)
    assert _ids(tasks) == [1, 2]
    assert len(tasks) == 2


# From Label Studio


def _pages(studio: FakeStudio) -> int:
    return studio.paths().count("/api/tasks/")


def test_from_studio_page_by_page(studio: FakeStudio) -> None:
    studio.add(9, *range(1, 251))
    tasks = from_studio(StudioClient(studio.url, TOKEN), "9.123")
    asked = _pages(studio)
    iterator = iter(tasks)
    assert next(iterator)["id"] == 1
    assert _pages(studio) == asked + 1
    assert _ids(tasks) == list(range(1, 251))
    assert len(tasks) == tasks.expected == 250


def test_a_label_studio_that_says_no(studio: FakeStudio) -> None:
    studio.add(10, 1)
    with pytest.raises(StudioError):
        from_studio(StudioClient(studio.url, "wrong"), "10")


class FakePages:
    """A fake of Label Studio's task list with a script of answers that go wrong: page number -> statuses."""

    def __init__(self, studio: FakeServer, count: int, authorization: Callable[[], str]) -> None:
        self.tasks = {row["id"]: row for row in _rows(*range(1, count + 1))}
        self.wrong: dict[int, list[int]] = {}
        self.authorization = authorization
        self.served = 0
        self.refused = 0
        studio.on("/api/projects/1/", Reply.of({"id": 1}))
        studio.on("/api/tasks/", self)

    def __call__(self, asked: Asked) -> Reply:
        if asked.authorization != self.authorization():
            self.refused += 1
            return Reply.of({"detail": "Given token not valid for any token type"}, 401)
        query = json.loads(asked.query["query"])
        (after,) = (item["value"] for item in query["filters"]["items"] if item["filter"].endswith(":id"))
        if waiting := self.wrong.get(self.served, []):
            status = waiting.pop(0)
            return Reply(status, b"", {"Retry-After": "0"} if status == 429 else {})
        self.served += 1
        rest = [self.tasks[number] for number in sorted(self.tasks) if number > after]
        return Reply.of({"tasks": rest[: int(asked.query["page_size"])], "total": len(rest)})


@pytest.fixture
def server() -> Iterator[FakeServer]:
    server = FakeServer()
    yield server
    server.stop()


def test_pages_that_fail_in_mid_iteration_are_asked_for_again(server: FakeServer, snapshot: Path) -> None:
    pages = FakePages(server, 350, lambda: f"Token {TOKEN}")
    pages.wrong = {2: [503, 429], 4: [500]}
    tasks = from_studio(StudioClient(server.url, TOKEN), "1.5", snapshot)
    assert _ids(tasks) == list(range(1, 351))
    assert not any(pages.wrong.values())
    assert len(tasks) == 350


def test_a_label_studio_that_goes_away_in_mid_iteration(server: FakeServer, snapshot: Path) -> None:
    pages = FakePages(server, 150, lambda: f"Token {TOKEN}")
    tasks = from_studio(StudioClient(server.url, TOKEN), "1.5", snapshot)
    pages.wrong = {2: [500] * 4}
    with pytest.raises(StudioError, match="500"):
        list(tasks)
    assert list(snapshot.parent.iterdir()) == []
    assert len(list(tasks)) == 150, "the next iteration starts anew"


def test_an_access_token_that_expires_in_mid_iteration_is_renewed(server: FakeServer) -> None:
    personal = jwt("refresh")
    given: list[str] = []

    def exchange(asked: Asked) -> Reply:
        assert json.loads(asked.body) == {"refresh": personal}
        given.append(jwt("access", number=len(given)))
        return Reply.of({"access": given[-1]})

    server.on("/api/token/refresh/", exchange)
    pages = FakePages(server, 250, lambda: f"Bearer {given[-1]}")
    tasks = from_studio(StudioClient(server.url, personal), "1.5")
    found = []
    for number, one in enumerate(tasks):
        found.append(one["id"])
        if number == 150:
            given.append("expired on the server")
    assert found == list(range(1, 251))
    assert (pages.refused, len(given)) == (1, 3)


def test_a_task_that_is_deleted_meanwhile_is_no_error(server: FakeServer, snapshot: Path) -> None:
    pages = FakePages(server, 300, lambda: f"Token {TOKEN}")
    tasks = from_studio(StudioClient(server.url, TOKEN), "1.5", snapshot)
    found = []
    for one in tasks:
        found.append(one["id"])
        if one["id"] == 50:
            for gone in (20, 101, 250):
                del pages.tasks[gone]
    assert found == [number for number in range(1, 301) if number not in (101, 250)]
    assert len(tasks) == len(found)
    assert tasks.expected == 300, "that was before"


# The snapshot


def test_the_first_iteration_writes_the_snapshot_and_later_ones_read_it(
    studio: FakeStudio, snapshot: Path
) -> None:
    studio.add(11, 1, 2, 3)
    tasks = from_studio(StudioClient(studio.url, TOKEN), "11.5", snapshot)
    first = list(tasks)
    asked = _pages(studio)
    studio.add(11, 4)
    assert list(tasks) == list(tasks) == first
    assert len(tasks) == 3
    assert _pages(studio) == asked
    assert [path.name for path in snapshot.parent.iterdir()] == [SNAPSHOT]
    with gzip.open(snapshot) as lines:
        assert [json.loads(line)["id"] for line in lines] == [1, 2, 3]
    again = LabelledTasks.from_snapshot(snapshot)
    assert list(again) == first
    assert len(again) == 3
    assert again


def test_the_length_agrees_with_what_is_iterated_whatever_happens_between(
    studio: FakeStudio, snapshot: Path
) -> None:
    studio.add(12, 1, 2)
    tasks = from_studio(StudioClient(studio.url, TOKEN), "12.5", snapshot)
    assert len(tasks) == 2
    studio.add(12, 3)
    assert _ids(tasks) == [1, 2]


def test_an_abandoned_iteration_leaves_no_half_file(snapshot: Path) -> None:
    tasks = _tasks(*_rows(1, 2, 3), snapshot=snapshot)
    for one in tasks:
        assert one["id"] == 1
        assert [path.name[:12] for path in snapshot.parent.iterdir()] == [".annotations"]
        break
    assert list(snapshot.parent.iterdir()) == []
    assert _ids(tasks) == [1, 2, 3]
    assert snapshot.exists()


def test_two_iterations_at_a_time(snapshot: Path) -> None:
    tasks = _tasks(*_rows(1, 2, 3), snapshot=snapshot)
    assert [(a["id"], b["id"]) for a, b in zip(tasks, tasks, strict=True)] == [(1, 1), (2, 2), (3, 3)]
    assert [path.name for path in snapshot.parent.iterdir()] == [SNAPSHOT]


def test_what_a_fit_does_to_a_task_is_not_in_the_snapshot(snapshot: Path) -> None:
    tasks = _tasks(*_rows(1), snapshot=snapshot)
    for one in tasks:
        one["data"]["text"] = "changed"
    (found,) = tasks
    assert found["data"]["text"] == "text 1"


def test_finish_completes_what_was_begun(snapshot: Path) -> None:
    tasks = _tasks(*_rows(1, 2, 3), snapshot=snapshot)
    next(iter(tasks))
    left = snapshot.with_name(f".{SNAPSHOT}.0a0a")
    left.touch()
    assert tasks.finish() == 3
    assert [path.name for path in snapshot.parent.iterdir()] == [SNAPSHOT]
    assert _ids(LabelledTasks.from_snapshot(snapshot)) == [1, 2, 3]


def test_finish_reads_nothing_that_fit_did_not(snapshot: Path) -> None:
    def read() -> Iterator[dict[str, Any]]:
        raise AssertionError("read")
        yield {}

    assert LabelledTasks(read, "a test", 7, snapshot=snapshot).finish() == 7
    assert LabelledTasks(read, "a test", snapshot=snapshot).finish() == -1
    assert list(snapshot.parent.iterdir()) == []


def test_a_label_studio_that_is_gone_after_fit_costs_only_the_snapshot(
    snapshot: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def read() -> Iterator[dict[str, Any]]:
        if broken:
            raise StudioError("gone")
        yield from _rows(1, 2)

    broken = False
    tasks = LabelledTasks(read, "a test", 2, snapshot=snapshot)
    next(iter(tasks))
    broken = True
    assert tasks.finish() == 2
    assert list(snapshot.parent.iterdir()) == []
    assert "no snapshot of its annotations: gone" in caplog.text


def test_a_snapshot_that_cannot_be_written(tmp_path: Path) -> None:
    tasks = _tasks(*_rows(1), snapshot=tmp_path / "nowhere" / SNAPSHOT)
    with pytest.raises(VersionError, match="cannot be written") as caught:
        list(tasks)
    assert "Check MODEL_DIR" in caught.value.fix


def test_a_disk_that_fills_up(snapshot: Path) -> None:
    words = random.Random(1)
    rows = [{**row, "data": {"text": words.randbytes(2000).hex()}} for row in _rows(*range(500))]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, before[1]))
    try:
        with pytest.raises(VersionError, match=r"cannot be written: .*Check MODEL_DIR"):
            list(_tasks(*rows, snapshot=snapshot))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(snapshot.parent.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "not gzip", "not JSON", "missing"])
def test_a_snapshot_that_cannot_be_read(snapshot: Path, damage: str) -> None:
    list(_tasks(*_rows(*range(100)), snapshot=snapshot))
    if damage == "cut":
        snapshot.write_bytes(snapshot.read_bytes()[:-100])
    elif damage == "not gzip":
        snapshot.write_bytes(b"[]")
    elif damage == "not JSON":
        snapshot.write_bytes(gzip.compress(b"{]\n"))
    else:
        snapshot.unlink()
    with pytest.raises(VersionError, match="cannot be read"):
        list(LabelledTasks.from_snapshot(snapshot))


def _publish(store: VersionStore, version: str, name: str, fence: int) -> Path:
    folder = store.begin("1.5", version)
    list(_tasks(*_rows(fence, fence + 1), snapshot=folder / SNAPSHOT))
    store.publish(Manifest(id=version, name=name, project="1.5", fence=fence, created=""))
    return folder / SNAPSHOT


def test_a_version_trains_on_what_an_older_one_did(tmp_path: Path, snapshot: Path) -> None:
    store = VersionStore(tmp_path)
    first, second = _publish(store, "20260101-000000-aaaa", "one", 1), _publish(store, "id2", "two", 2)
    assert version_snapshot(store, "1.5", "one") == first
    assert version_snapshot(store, "1.5", "id2") == second
    tasks = from_version(store, "1.5", "one", snapshot)
    assert _ids(tasks) == [1, 2]
    assert tasks.source == "the snapshot of version one"
    assert _ids(LabelledTasks.from_snapshot(snapshot)) == [1, 2]


def test_a_version_without_a_snapshot(tmp_path: Path) -> None:
    store = VersionStore(tmp_path)
    _publish(store, "id1", "one", 1).unlink()
    with pytest.raises(FitError, match="no snapshot"):
        version_snapshot(store, "1.5", "one")
    with pytest.raises(UnknownVersion, match=r"no version '../../x'.*one"):
        version_snapshot(store, "1.5", "../../x")


# Splits


def test_a_split_is_stable_as_the_set_grows() -> None:
    few = _tasks(*_rows(*range(1, 201)), project="1.5")
    many = _tasks(*_rows(*range(1, 2001)), project="1.5")
    train, test = few.split(test=0.2)
    more_train, more_test = many.split(test=0.2)
    assert _ids(train) == [number for number in _ids(more_train) if number <= 200]
    assert _ids(test) == [number for number in _ids(more_test) if number <= 200]
    assert sorted([*_ids(more_train), *_ids(more_test)]) == list(range(1, 2001))
    assert 0.17 < len(more_test) / 2000 < 0.23
    assert len(train) == len(list(train))
    # Written down once: a new release of this package must not move a task to the other half either.
    assert _ids(test)[:12] == [8, 10, 11, 21, 22, 28, 30, 35, 38, 40, 42, 45]


def test_a_larger_share_holds_the_smaller_one() -> None:
    tasks = _tasks(*_rows(*range(500)), project="1.5")
    assert set(_ids(tasks.split(0.1)[1])) < set(_ids(tasks.split(0.3)[1]))


def test_project_and_seed_make_other_splits() -> None:
    rows = _rows(*range(300))
    splits = [
        _ids(_tasks(*rows, project=project).split(seed=seed)[1])
        for project, seed in (("1.5", 0), ("2.5", 0), ("1.5", 1), ("1.5", "x"))
    ]
    assert len({tuple(split) for split in splits}) == 4


def test_a_half_can_be_split_again() -> None:
    rest, test = _tasks(*_rows(*range(1000)), project="1.5").split(0.2)
    train, validation = rest.split(0.25)
    assert sorted([*_ids(train), *_ids(validation), *_ids(test)]) == list(range(1000))
    assert 0.2 < len(validation) / len(rest) < 0.3


@pytest.mark.parametrize("by", ["speaker", lambda task: task["data"]["speaker"]])
def test_groups_stay_together(by: Any) -> None:
    rows = _rows(*range(400))
    for row in rows:
        row["data"]["speaker"] = row["id"] % 40
    train, test = _tasks(*rows, project="1.5").split(0.3, by=by)
    speakers = [{one["data"]["speaker"] for one in half} for half in (train, test)]
    assert not speakers[0] & speakers[1]
    assert len(speakers[0] | speakers[1]) == 40
    assert speakers[1]


def test_a_task_without_the_group_is_on_its_own() -> None:
    tasks = _tasks(*_rows(*range(200)), project="1.5")
    assert _ids(tasks.split(by="speaker")[1]) == _ids(tasks.split()[1])


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, True])
def test_a_share_that_is_none(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        _tasks().split(share)


def test_halves_read_from_the_same_snapshot(studio: FakeStudio, snapshot: Path) -> None:
    studio.add(13, *range(1, 301))
    tasks = from_studio(StudioClient(studio.url, TOKEN), "13.5", snapshot)
    train, test = tasks.split()
    assert list(train)
    asked = _pages(studio)
    assert sorted([*_ids(train), *_ids(test)]) == _ids(tasks)
    assert _pages(studio) == asked


def test_what_was_held_out_is_noted(snapshot: Path) -> None:
    tasks = _tasks(*_rows(*range(100)), project="1.5", snapshot=snapshot)
    train, test = tasks.split(0.3, seed=7)
    validation = train.split(0.5)[1]
    list(train)
    tasks.finish()
    note = json.loads(snapshot.with_name(HELD_OUT).read_text())
    assert note == {
        "test": 0.3,
        "seed": 7,
        "by": None,
        "held_out": sorted([*_ids(test), *_ids(validation)]),
    }


# Memory


class ManyTasks:
    """A fake of Label Studio's task list: `count` tasks of about a kilobyte, made as they are asked for."""

    def __init__(self, server: FakeServer, count: int) -> None:
        self.count = count
        words = random.Random(1)
        self.text = " ".join(f"{words.random():.12f}" for _ in range(40))
        server.on("/api/projects/1/", Reply.of({"id": 1, "label_config": CONFIG}))
        server.on("/api/tasks/", self)

    def __call__(self, asked: Asked) -> Reply:
        query = json.loads(asked.query["query"])
        (after,) = (item["value"] for item in query["filters"]["items"] if item["filter"].endswith(":id"))
        end = min(after + int(asked.query["page_size"]), self.count)
        tasks = [
            {"id": number, "data": {"text": f"{number} {self.text}"}, "annotations": [annotation(number)]}
            for number in range(after + 1, end + 1)
        ]
        return Reply.of({"tasks": tasks, "total": self.count - after})


MEASURE = r"""
import re, sys
from pathlib import Path
from label_studio_ml.studio.client import StudioClient
from label_studio_ml.training.dataset import from_studio

url, token, path, early = *sys.argv[1:4], int(sys.argv[4])
peak = lambda: int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) // 1024
tasks = from_studio(StudioClient(url, token), "1.5", Path(path))
for number, task in enumerate(tasks, 1):
    if number == early:
        first = peak()
total = number
train, test = tasks.split()
read = sum(1 for _ in train) + sum(1 for _ in test)
print(total, len(tasks), read, first, peak())
"""


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_memory_is_flat_with_many_tasks(server: FakeServer, snapshot: Path, count: int) -> None:
    ManyTasks(server, count)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, server.url, TOKEN, str(snapshot), "2000"],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    total, length, read, early, late = map(int, done.stdout.split())
    assert total == length == read == count
    assert late - early < 16, f"{early} MB after 2,000 tasks, {late} MB in the end"

"""A project in shards: each task in exactly one, and none twice though runs break off."""

from collections.abc import Callable
from pathlib import Path

import pytest

from label_studio_ml.projects.jobs.shards import Shard, ShardProgress, split
from label_studio_ml.projects.journal import Busy, Journal
from label_studio_ml.projects.pipeline import Progress
from label_studio_ml.studio.resources import task_filters
from projects.fake_project import FakeProject

MakeProject = Callable[[int], FakeProject]
WHOLE = Shard(0, 1, "1.1", "v", "", 0, None, 0)


@pytest.mark.parametrize(("tasks", "count", "sizes"), [(10, 3, [3, 3, 4]), (3, 8, [1, 1, 1]), (5, 1, [5])])
def test_each_task_is_in_one_shard(
    make_project: MakeProject, tasks: int, count: int, sizes: list[int]
) -> None:
    project = make_project(tasks)
    shards = split(project.api(), WHOLE, [], tasks, count)
    assert [shard.tasks for shard in shards] == sizes
    found = [[task["id"] for task in project.api().all(shard.span)] for shard in shards]
    assert [len(ids) for ids in found] == sizes
    assert [task for ids in found for task in ids] == list(range(1, tasks + 1))
    assert shards[-1].upto is None, "a task that comes later is in the last one"


def test_fewer_tasks_than_there_were_make_fewer_shards(make_project: MakeProject) -> None:
    project = make_project(4)
    shards = split(project.api(), WHOLE, [task_filters.above(1)], 40, 4)
    assert [shard.after for shard in shards] == [0]
    assert shards[-1].upto is None


def test_what_an_earlier_run_of_a_shard_stored_counts() -> None:
    told = ShardProgress(total=100)
    told.update(Progress(total=40, written=10, failed=1))
    assert (told.total, told.written, told.failed) == (100, 70, 1)


def test_shards_hold_their_journals_at_the_same_time_and_a_whole_run_none_of_them(tmp_path: Path) -> None:
    first, second = (Journal(tmp_path, "1.1", "v", part=part) for part in ("0", "1"))
    for part in ("", "1"):
        with pytest.raises(Busy):
            Journal(tmp_path, "1.1", "v", part=part)
    first.begin([1, 2])
    second.begin([7])
    second.doubt()
    first.close()
    second.close()
    again = Journal(tmp_path, "1.1", "v", part="0")
    assert again.sending == [1, 2]
    again.close()
    whole = Journal(tmp_path, "1.1", "v")
    assert (sorted(whole.sending), whole.doubtful) == ([1, 2, 7], {7})
    with pytest.raises(Busy):
        Journal(tmp_path, "1.1", "v", part="2", patience=0.2)
    whole.close()
    assert Journal(tmp_path, "1.1", "v", part="0").sending == [], "it was taken over"
    assert sorted(Journal(tmp_path, "1.1", "w").sending) == []

"""A whole project, from beginning to end."""

from collections.abc import Callable

from e2e.processes import wait_until
from label_studio_ml.projects.pipeline import Progress
from label_studio_ml.projects.prediction_run import FIRST_PAGE, PAGE, UnpredictedTasks

from .fake_project import FakeProject


def test_the_next_page_is_read_while_one_is_used(make_project: Callable[[int], FakeProject]) -> None:
    project = make_project(FIRST_PAGE + PAGE + 50)
    for task in range(1, 11):
        project.add(task, "v")

    def pages() -> list[int]:
        return [int(one.query["page_size"]) for one in project.server.asked if one.path == "/api/tasks/"]

    tasks = iter(UnpredictedTasks(project.api(), "v"))
    first = next(tasks)
    assert first["id"] == 11
    wait_until(lambda: pages() == [FIRST_PAGE, PAGE], "the second page is asked for")
    assert [task["id"] for task in tasks] == list(range(12, FIRST_PAGE + PAGE + 51))


def test_the_time_of_calls_that_overlap_counts_once() -> None:
    now = iter([0.0, 10.0, 14.0, 20.0, 21.0])
    progress = Progress(clock=lambda: next(now))
    first, second = progress.measuring_call(), progress.measuring_call()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert progress.busy == 0, "one still runs"
    second.__exit__(None, None, None)
    assert progress.busy == 4
    with progress.measuring_call():
        pass
    assert progress.busy == 5

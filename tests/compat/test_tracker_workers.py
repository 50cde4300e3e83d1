"""The messages between the annotator's page and a tracker, with two model processes: state is found, nobody waits."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from e2e.processes import wait_until
from live import uid

from .served import Served, serving
from .test_tracker import VIDEO

workers = serving("tracker", VIDEO, ("start",), TRACKER_HELD="1", LABEL_STUDIO_ML_MODEL_WORKERS="2")

Say = Callable[..., dict[str, Any]]


@pytest.fixture
def say(workers: Served) -> Say:
    """Send the page's message about a task; return the value of the answer's region."""
    if workers.way != "start":
        pytest.skip("below gunicorn, each of its workers has one model process")
    workers.wait_for_version("0.0.1")

    def send(event: str, task: int, **context: Any) -> dict[str, Any]:
        answer = workers.post(
            "predict_interactive",
            tasks=[{"id": task, "data": {"video": workers.studio.url + "/video.mp4"}}],
            project=uid(1),
            label_config=VIDEO,
            params={"login": None, "password": None, "context": {"event": event, **context}},
        )
        assert answer.status_code == 200, answer.text
        [entry] = answer.json()["results"]
        [region] = entry["result"]
        return dict(region["value"])

    return send


def test_all_messages_of_a_task_reach_the_process_that_tracks_it(say: Say) -> None:
    homes = {task: say("track", task)["process"] for task in range(1, 5)}
    assert len(set(homes.values())) == 2, "both processes track"
    for task, home in homes.items():
        assert say("capabilities", task)["prompts"] == ["box"]
        assert say("prewarm", task, frame=0)["status"] == "ok"
        assert say("predict", task)["process"] == home
        assert say("track_progress", task) == {"frames": [0], "done": False, "process": home}
        assert say("track_cancel", task) == {"status": "cancelled"}
        assert say("track_progress", task)["error"] == "session not found"
        assert say("release", task)["process"] == home


def test_a_long_poll_delays_no_other_request_of_its_process(say: Say) -> None:
    """Both processes wait in more long polls than they run predictions at a time, yet each answers clicks."""
    tasks = range(11, 17)
    homes = {task: say("track", task)["process"] for task in tasks}
    for task in tasks:
        assert say("track_progress", task)["frames"] == [0]
    with ThreadPoolExecutor(len(tasks)) as threads:
        polls = {task: threads.submit(say, "track_progress", task) for task in tasks}
        for task in tasks:
            wait_until(lambda task=task: say("predict", task)["polls"] == 1, "the poll waits")  # type: ignore[misc]
        assert not any(poll.done() for poll in polls.values()), "clicks were answered while all polls waited"
        for task in {home: task for task, home in homes.items()}.values():
            assert say("predict", task, go_on=True)["polls"] == 1
        for task, poll in polls.items():
            frames, value = [0], poll.result(60)
            while not value["done"]:
                frames += value["frames"]
                value = say("track_progress", task)
            assert [*frames, *value["frames"]] == [0, 1, 2]
            assert value["process"] == homes[task]


def test_after_a_crash_another_process_answers_and_the_page_is_told_of_the_loss(say: Say) -> None:
    lost, kept = 21, 22
    homes = {task: say("track", task)["process"] for task in (lost, kept)}
    assert homes[lost] != homes[kept]
    os.kill(homes[lost], signal.SIGKILL)
    assert say("track_progress", lost) == {"error": "session not found", "done": True}
    new = say("track", lost)["process"]
    assert new != homes[lost]
    assert say("predict", lost)["process"] == new
    assert say("predict", kept)["process"] == homes[kept], "the other process keeps its sessions"
    assert say("track_progress", kept)["frames"][0] == 0

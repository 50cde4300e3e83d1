"""Sessions in threads, messages to the annotator's page, and an environment that `_wsgi.py` sets."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .served import Served, serving

VIDEO = (
    '<View><Video name="video" value="$video"/><VideoRectangle name="box" toName="video"/>'
    '<Labels name="label" toName="video"><Label value="Cat"/></Labels></View>'
)

tracker = serving("tracker", VIDEO)


def told(tracker: Served, event: str, task: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Send what the page sends; return the only region of the answer."""
    (entry,) = tracker.predict(task, context={"event": event, **context})
    (region,) = entry["result"]
    return dict(region)


def test_messages_between_the_page_and_the_model(tracker: Served) -> None:
    """As `segment_anything_video_interactive` does it: regions of types that no tag has, sessions in threads."""
    tracker.wait_for_version("0.0.1")
    task = {"video": tracker.studio.file("long.mp4", b"x" * 30)}
    capable = told(tracker, "capabilities", task)
    assert capable["value"] == {"prompts": ["box"], "model_info": {"window": 3}}, (
        "its _wsgi.py read tracker.env"
    )
    warm = told(tracker, "prewarm", task, frame=0)
    assert (warm["type"], warm["value"]) == ("prewarm_ack", {"status": "ok", "host": tracker.studio.url})
    assert told(tracker, "track", task)["value"]["total_frames"] == 3
    frames: list[int] = []
    while True:
        progress = told(tracker, "track_progress", task)
        assert progress["type"] == "track_progress"
        frames += progress["value"]["frames"]
        if progress["value"]["done"]:
            break
    assert frames == [0, 1, 2]
    assert told(tracker, "track_cancel", task)["value"] == {"status": "cancelled"}


def test_a_track_through_a_video(tracker: Served) -> None:
    """As `segment_anything_2_video` does it: frames in a temporary folder, state in the module."""
    tracker.setup()
    task = {"video": tracker.studio.file("short.mp4", b"x" * 40)}
    first = {"frame": 1, "x": 1, "y": 2, "width": 3, "height": 4, "enabled": True, "rotation": 0}
    value = {"framesCount": 4, "duration": 2, "sequence": [first]}
    box = {"id": "b", "type": "videorectangle", "from_name": "box", "to_name": "video", "value": value}
    assert tracker.predict(task) == []

    def ask(_: int) -> dict[str, Any]:
        (entry,) = tracker.predict(task, context={"result": [box]})
        return dict(entry)

    with ThreadPoolExecutor(2) as threads:
        for entry in [ask(0), *(threads.map(ask, range(2)) if tracker.way == "start" else ())]:
            (region,) = entry["result"]
            assert [item["frame"] for item in region["value"]["sequence"]] == [1, 2, 3, 4]
            assert (entry["score"], entry["model_version"]) == (0.0, "0.0.1")

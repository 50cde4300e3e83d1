"""A backend's folder that is moved and renamed while nothing runs."""

from collections.abc import Callable

from live import Live, start_training

Make = Callable[..., Live]


def test_a_version_is_served_after_its_backend_was_moved_and_renamed(make: Make) -> None:
    live = make()
    live.studio.add(1, 11, 12)
    live.backend.start()
    live.setup(1)
    version = live.wait(live.send(start_training(1)))["model_version"]
    before = live.wait_served(1, lambda entry: entry["model_version"] == version)
    assert live.backend.stop() == []

    old, new = live.folder, live.folder.parent / "deep" / "another name"
    new.parent.mkdir()
    live.backend.folder = old.rename(new)
    live.backend.start()
    assert live.setup(1) == version
    after = live.wait_served(1, lambda entry: entry["model_version"] == version)
    assert after["seen"]["weights"] == before["seen"]["weights"] == "2 tasks"
    moved = str(new / "data" / "versions")
    assert after["seen"]["output"]["weights"].startswith(moved)
    assert not old.exists()

    live.studio.add(1, 13)
    later = live.wait(live.send(start_training(1)))
    assert later["job_status"] == "finished", "the next training starts from it"
    entry = live.wait_served(1, lambda entry: entry["model_version"] == later["model_version"])
    assert entry["seen"]["weights"] == "3 tasks"

"""A model file that is edited while `label-studio-ml start` runs."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from e2e.processes import wait_until
from live import Live, start_training

Make = Callable[..., Live]


#: A line at the end of a model file.
_HANGS = "while True: pass"


def _edit(live: Live, code: str, text: str = "") -> None:
    """Let the model say `code` with each prediction; `text` is added to its file."""
    script = live.folder / "seed_model.py"
    lines = [
        line
        for line in script.read_text().splitlines()
        if not line.startswith(("        seen[", "raise ", _HANGS))
    ]
    at = next(number for number, line in enumerate(lines) if line.startswith("        seen = "))
    lines.insert(at + 1, f'        seen["code"] = "{code}"')
    script.write_text("\n".join([*lines, text, ""]))


def _log(live: Live) -> str:
    return (live.folder / "logs" / "server.log").read_text()


def test_a_version_that_edited_code_trained_is_served_by_that_code(make: Make) -> None:
    live = make()
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    first = live.wait(live.send(start_training(1)))["model_version"]
    seen = live.wait_served(1, lambda entry: entry["model_version"] == first)["seen"]
    assert "code" not in seen
    _edit(live, "second")
    second = live.wait(live.send(start_training(1)))["model_version"]
    seen = live.wait_served(1, lambda entry: entry["model_version"] == second)["seen"]
    assert seen["code"] == "second"
    assert f"version {second} was trained by other code than its model process has" in _log(live)
    codes = [
        json.loads(path.read_text())["code"]
        for path in sorted(
            live.model_dir.glob("versions/*/*/manifest.json"), key=lambda one: one.stat().st_mtime
        )
    ]
    assert [sorted(code["files"]) for code in codes] == [["behave.py", "seed_model.py"]] * 2
    assert codes[0]["files"]["behave.py"] == codes[1]["files"]["behave.py"]
    assert codes[0]["files"]["seed_model.py"] != codes[1]["files"]["seed_model.py"]
    wait_until(lambda: len(live.model_processes()) == 1, "the process before has ended")


def test_with_reload_an_edited_file_is_used_at_once_and_a_broken_one_is_said_once(make: Make) -> None:
    live = make()
    live.backend.arguments = [*live.backend.arguments, "--reload"]
    live.backend.start()
    live.setup(1)
    assert "code" not in live.predict(1)["seen"]
    _edit(live, "second")
    live.wait_served(1, lambda entry: entry["seen"].get("code") == "second")
    _edit(live, "third", "raise RuntimeError('not finished')")
    wait_until(lambda: "not finished" in _log(live), "the error is said")
    assert live.predict(1)["seen"]["code"] == "second"
    _edit(live, "fourth")
    live.wait_served(1, lambda entry: entry["seen"].get("code") == "fourth")
    assert _log(live).count("The edited code is not used") == 1


def test_with_reload_a_file_that_hangs_at_import_is_replaced_by_its_correction(make: Make) -> None:
    live = make()
    live.backend.arguments = [*live.backend.arguments, "--reload"]
    live.backend.start()
    live.setup(1)
    assert "code" not in live.predict(1)["seen"]
    _edit(live, "second", _HANGS)
    wait_until(lambda: len(live.model_processes()) == 2, "the edited file is imported")
    assert "code" not in live.predict(1)["seen"]
    _edit(live, "third")
    live.wait_served(1, lambda entry: entry["seen"].get("code") == "third")
    wait_until(lambda: len(live.model_processes()) == 1, "the process that hangs is ended")


def test_with_reload_a_server_that_started_with_such_a_file_gets_its_correction(make: Make) -> None:
    live = make()
    _edit(live, "first", _HANGS)
    live.backend.arguments = [*live.backend.arguments, "--reload"]
    live.backend.start()
    live.setup(1)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(live.predict, 1)
        _edit(live, "second")
        assert waiting.result(60)["seen"]["code"] == "second"
    wait_until(lambda: len(live.model_processes()) == 1, "the process that hangs is ended")

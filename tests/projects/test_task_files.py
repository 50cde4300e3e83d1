import json
import os
from pathlib import Path

import pytest

from label_studio_ml.errors import SettingsError
from label_studio_ml.projects.task_files import FileWriter, read_tasks
from label_studio_ml.serving.offline_model import Outcome


def test_read_json_and_jsonl(tmp_path: Path) -> None:
    array, lines = tmp_path / "a.json", tmp_path / "a.jsonl"
    array.write_text('[{"id": 1, "data": {"t": "x"}}, {"t": "y"}]')
    lines.write_text('{"id": 1, "data": {"t": "x"}}\n\n{"t": "y"}')
    expected = [{"id": 1, "data": {"t": "x"}}, {"data": {"t": "y"}}]
    assert list(read_tasks(array)) == list(read_tasks(lines)) == expected


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "{}", "array of tasks"),
        ("a.json", "[1]", "task 0 is not an object"),
        ("a.jsonl", '{"t": 1}\n{', "line 2 is not JSON"),
        ("none.json", None, "cannot be read"),
    ],
)
def test_what_holds_no_tasks(tmp_path: Path, name: str, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=says):
        list(read_tasks(tmp_path / name))


@pytest.mark.parametrize("name", ["out.json", "out.jsonl"])
def test_a_run_goes_on_where_a_killed_one_left_off(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    tasks = [{"data": {"t": str(number)}} for number in range(5)]
    done = [(task, Outcome([{"result": [], "score": 1.0}])) for task in tasks]
    killed = FileWriter(target, "v")
    killed.write(done[:2])
    with killed._part.open("ab") as file:
        file.write(b'{"data": {"t"')
    killed.close()
    assert not target.exists()

    writer = FileWriter(target, "v")
    assert list(writer.remaining(iter(tasks))) == tasks[2:]
    assert writer.write([*done[2:4], (tasks[4], Outcome(error="no luck"))]) == 2
    writer.finish()

    text = target.read_text()
    written = json.loads(text) if name == "out.json" else [json.loads(line) for line in text.splitlines()]
    assert [len(task["predictions"]) for task in written] == [1, 1, 1, 1, 0]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["out.json", "out.jsonl"])
def test_a_run_that_is_killed_while_it_finishes_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    target = tmp_path / name
    tasks = [{"data": {"t": str(number)}} for number in range(3)]
    replace = os.replace

    def dies(source: Path, place: Path) -> None:
        if place == target:
            raise KeyboardInterrupt
        replace(source, place)

    killed = FileWriter(target, "v")
    killed.write([(task, Outcome([{"result": [], "score": 1.0}])) for task in tasks])
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            killed.finish()
    writer = FileWriter(target, "v")
    assert list(writer.remaining(iter(tasks))) == []
    writer.finish()
    assert [task["data"] for task in read_tasks(target)] == [task["data"] for task in tasks]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_another_version_begins_anew(tmp_path: Path) -> None:
    first = FileWriter(tmp_path / "out.jsonl", "v1")
    first.write([({"data": {}}, Outcome([{"result": []}]))])
    first.close()
    assert FileWriter(tmp_path / "out.jsonl", "v2").done == 0

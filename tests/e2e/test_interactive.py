"""Clicks in a real Label Studio: a picture is encoded once for all processes, and the next ones ahead of time."""

import json
from pathlib import Path

from .conftest import MakeBackend
from .processes import wait_until
from .studio import Studio

CONFIG = """<View><Image name="image" value="$image"/>
<RectangleLabels name="box" toName="image"><Label value="A"/></RectangleLabels></View>"""
BOX = {
    "id": "b",
    "from_name": "box",
    "to_name": "image",
    "type": "rectanglelabels",
    "value": {"x": 1, "y": 1, "width": 5, "height": 5, "rotation": 0, "rectanglelabels": ["A"]},
}


def test_pictures_are_encoded_once_and_ahead_of_time(
    label_studio: Studio, make_backend: MakeBackend, tmp_path: Path
) -> None:
    studio = label_studio
    project = studio.create_project("Encoded pictures", CONFIG)
    pictures = []
    for name in "abcde":
        (tmp_path / f"{name}.png").write_text(f"picture {name}")  # a browser would not show it
        pictures.append(tmp_path / f"{name}.png")
    ids = studio.upload_files(project, pictures)
    picture = {task: path.read_text() for task, path in zip(ids, pictures, strict=True)}
    tasks = sorted(ids)
    login = {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": studio.token}
    made = make_backend("encoder_class.py", arguments=("--model-workers", "2"), env={**login, "PREWARM": "2"})
    backend = studio.add_backend(project, made.url, is_interactive=True)
    studio.annotate(tasks[1], [BOX])
    studio.call("POST", f"/api/tasks/{tasks[0]}/drafts", json={"result": [BOX], "lead_time": 1})

    def encoded() -> list[str]:
        log = made.folder / "encoded"
        return [line.partition(" ")[2] for line in log.read_text().splitlines()] if log.exists() else []

    first = studio.interactive(backend, tasks[0], {"result": [BOX]})["data"]
    assert first["score"] == 0.27
    assert "drafts" not in json.loads((made.folder / "keys").read_text())
    expected = [picture[tasks[0]], picture[tasks[2]], picture[tasks[3]]]  # one is annotated already
    wait_until(lambda: len(encoded()) >= len(expected), "the next tasks are prepared")
    assert encoded() == expected

    for task in (tasks[0], tasks[2], tasks[3]):
        for _ in range(3):  # of two processes
            assert studio.interactive(backend, task, {"result": [BOX]})["data"]["score"] == 0.27
    assert encoded()[:3] == expected
    assert encoded()[3:] in ([], [picture[tasks[4]]])

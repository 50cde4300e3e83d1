"""The view "Try it" in a browser, with tasks of a real Label Studio. Pictures of it stay in `artefacts/`."""

import json
import re
import struct
import zlib
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from ..backend import Backend
from ..browser import Browser
from ..conftest import MakeBackend
from ..processes import wait_until
from ..studio import Json, Studio
from .page_layout import wait_until_fits, wait_until_settled

PICTURES = """<View><Image name="photo" value="$image"/>
<RectangleLabels name="box" toName="photo"><Label value="cat"/><Label value="dog"/></RectangleLabels>
<KeyPointLabels name="click" toName="photo" smart="true"><Label value="cat"/></KeyPointLabels>
<RectangleLabels name="area" toName="photo" smart="true"><Label value="dog"/></RectangleLabels></View>"""
TEXTS = """<View><Text name="text" value="$text"/>
<Labels name="span" toName="text"><Label value="who"/><Label value="what"/></Labels></View>"""
HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[31m"
FITS = "Fits the label config"


def _picture(path: Path) -> Path:
    """Write a grey PNG of 640 by 480 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    rows = zlib.compress((b"\0" + b"\xc8" * 640) * 480)
    head = struct.pack(">IIBBBBB", 640, 480, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def _opened(browser: Browser, studio: Studio, made: Backend, view: str) -> tuple[Any, list[str]]:
    """Return a page on a view of a backend's dashboard, and what its console says as errors."""
    errors: list[str] = []
    page = browser.logged_in(studio)

    def listen(message: Any) -> None:
        if message.type == "error":
            errors.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{made.url}/#/{view}")
    return page, errors


def _project(studio: Studio, made: Backend, title: str, label_config: str) -> tuple[int, str, int]:
    """Make a project with a backend; return its id, its uid, and the backend's id in Label Studio."""
    project = studio.create_project(title, label_config)
    backend = studio.add_backend(project, made.url, is_interactive=True)
    created = studio.project(project)["created_at"]
    return project, f"{project}.{int(datetime.fromisoformat(created).timestamp())}", backend


def _has_trained(studio: Studio, backend: int, count: int) -> bool:
    return len([version for version in studio.versions(backend) if version != "INITIAL"]) >= count


def _column(page: Any, name: str) -> Any:
    return page.get_by_role("region", name=name, exact=True)


def _two_versions(studio: Studio, backend: int, tasks: list[int]) -> tuple[str, str]:
    """Train two versions, with an annotation of the first and of the last task; return the newer and the older one."""
    value: Json = {
        "x": 50,
        "y": 50,
        "width": 25,
        "height": 25,
        "rotation": 0,
        "rectanglelabels": ["dog"],
    }
    box = {"id": "a", "from_name": "box", "to_name": "photo", "type": "rectanglelabels", "value": value}
    for task, count in ((tasks[0], 1), (tasks[-1], 2)):  # each annotation is one training
        studio.annotate(task, [{**box, "original_width": 640, "original_height": 480}])
        wait_until(partial(_has_trained, studio, backend, count), "a version is trained")
    newest, older = studio.versions(backend)[:2]
    return newest, older


def _answers_a_click(page: Any) -> None:
    """Click into the picture of the first prediction, which is then at that point, and take the click back."""
    first = _column(page, "Prediction 1")
    wait_until_settled(page)
    area = first.locator(".picture-media").bounding_box()
    first.locator(".picture-media").click(
        position={"x": area["width"] * 0.25, "y": area["height"] * 0.5}, force=True
    )
    expect(first).to_contain_text("Predict without prompts")
    expect(first).to_contain_text("at 160, 240")
    first.get_by_role("button", name="Predict without prompts").click()
    expect(first).to_contain_text("at 256, 96")


def _answers_a_box(page: Any, browser: Browser) -> None:
    """Draw a box as a prompt in the picture of the first prediction, which is then there, and take it back."""
    first = _column(page, "Prediction 1")
    first.get_by_label("Tool").select_option("area")
    wait_until_settled(page)
    area = first.locator(".picture-shapes").bounding_box()
    for x, y, act in ((0.2, 0.4, page.mouse.down), (0.6, 0.8, page.mouse.up)):
        page.mouse.move(area["x"] + x * area["width"], area["y"] + y * area["height"], steps=4)
        act()
    expect(first).to_contain_text(re.compile("at (127|128|129), (191|192|193)"))
    browser.keep(page, "dashboard-try-box-prompt")
    first.get_by_role("button", name="Predict without prompts").click()
    expect(first).to_contain_text("at 256, 96")


def test_versions_are_compared_beside_the_annotation_and_answer_clicks(
    label_studio: Studio, make_backend: MakeBackend, browser: Browser, tmp_path: Path
) -> None:
    studio = label_studio
    made = make_backend(
        "shown.py", env={"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": studio.token}
    )
    project, uid, backend = _project(studio, made, "Pictures to try", PICTURES)
    tasks = studio.upload_files(project, [_picture(tmp_path / f"{name}.png") for name in "abc"])
    newest, older = _two_versions(studio, backend, tasks)

    page, errors = _opened(browser, studio, made, f"try?project={uid}")
    page.get_by_role("button", name="First task").click()
    expect(_column(page, "Prediction")).to_contain_text("at 256, 96")  # 40 % of 640, 20 % of 480
    expect(_column(page, "Prediction")).to_contain_text(f"{newest} (served now)")
    expect(_column(page, "Annotation")).to_contain_text("at 320, 240")
    expect(_column(page, "Prediction")).to_contain_text(FITS)
    page.get_by_label("Compare with").select_option(label=older)
    expect(_column(page, "Prediction 2")).to_contain_text("at 160, 96")
    expect(_column(page, "Prediction 2")).to_contain_text(f"{older} (not served)")
    expect(_column(page, "Prediction 2")).to_contain_text(FITS)
    expect(page.get_by_text("of memory")).to_be_visible()
    assert f"task={tasks[0]}" in page.url
    assert f"other={older}" in page.url
    browser.keep(page, "dashboard-try-versions")

    _answers_a_click(page)
    _answers_a_box(page, browser)

    page.get_by_role("button", name="Next task").click()
    expect(page.get_by_role("heading", name=f"Task {tasks[1]}")).to_be_visible()
    expect(_column(page, "Annotation")).to_contain_text("The task has no annotation.")
    page.reload()  # the address has all that was chosen
    expect(_column(page, "Prediction 2")).to_contain_text("at 160, 96")
    page.set_viewport_size({"width": 320, "height": 640})
    page.emulate_media(color_scheme="dark")
    wait_until_fits(page)
    browser.keep(page, "dashboard-try-narrow")
    assert errors == []
    page.context.close()


def test_tasks_of_ones_own_and_generated_ones(
    label_studio: Studio, make_backend: MakeBackend, browser: Browser
) -> None:
    studio = label_studio
    made = make_backend("shown.py")  # without a token of Label Studio but that of its /setup
    project, uid, _ = _project(studio, made, "Texts to try", TEXTS)
    studio.import_tasks(project, [{"text": "unreadable"}])

    page, errors = _opened(browser, studio, made, f"try?project={uid}")
    page.get_by_role("button", name="First task").click()
    column = _column(page, "Prediction")
    expect(column).to_contain_text("ValueError: this text cannot be read")
    expect(column.get_by_role("group", name="Log")).to_contain_text("Traceback")

    page.get_by_label("A task of your own").check()
    field = page.get_by_label("Task as JSON")
    field.fill('{\n"text": oops}')
    page.get_by_role("button", name="Try this task").click()
    expect(page.get_by_role("alert").first).to_contain_text("at line 2, column 9")
    field.fill('{"other": "x"}')
    page.get_by_role("button", name="Try this task").click()
    expect(column).to_contain_text("KeyError: 'text'")
    field.fill(json.dumps({"text": f"Alice {HOSTILE}"}))
    page.get_by_role("button", name="Try this task").click()
    expect(column).to_contain_text("characters 0 to 5")
    expect(column).to_contain_text(FITS)
    assert page.locator("main img").count() == 0
    column.get_by_text("JSON of the prediction").click()
    expect(column.get_by_label("JSON of the prediction")).to_contain_text('"labels"')
    browser.keep(page, "dashboard-try-own-task")

    page.get_by_label("A generated task").check()
    page.get_by_role("button", name="Generate a task").click()
    expect(page.get_by_text("Generated task 1 of")).to_be_visible()
    expect(column).to_contain_text(FITS)

    page.goto(f"{made.url}/#/try")
    expect(page.get_by_role("heading", name="Choose a project")).to_be_visible()
    page.get_by_text("Try the model without a project").click()
    page.get_by_label("Label config").fill(TEXTS)
    page.get_by_role("button", name="Use this label config").click()
    page.get_by_role("button", name="Generate a task").click()
    expect(column).to_contain_text("INITIAL (not served)")
    expect(column).to_contain_text(FITS)
    assert errors == []
    page.context.close()

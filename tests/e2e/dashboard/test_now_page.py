"""The view Now in a real browser: of one backend from its first start on, and of two servers on one Redis."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import expect

from redis_server import MakeRedis, make_redis

from ..backend import Backend
from ..browser import Browser
from ..conftest import MakeBackend
from ..processes import wait_until
from .page_layout import wait_until_fits

__all__ = ["make_redis"]

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="choice" toName="text">'
    '<Choice value="a"/><Choice value="b"/></Choices></View>'
)
#: A project's title that is markup, and text that would run if it were no text.
TITLE = "<img src=x onerror=alert(1)> \u202eتصنيف " + "x" * 80


def uid(project: int) -> str:
    """Return the uid of a project."""
    return f"{project}.1767225600"


def setup(backend: Backend, project: int) -> None:
    """Let the backend know a project, as Label Studio does."""
    fields = {"project": uid(project), "schema": CONFIG, "hostname": "", "access_token": ""}
    answer = requests.post(f"{backend.url}/setup", json=fields, timeout=60)
    assert answer.status_code == 200, answer.text


def predict(backend: Backend, project: int, times: int) -> None:
    """Send prediction requests of one task."""
    body = {"project": uid(project), "label_config": CONFIG, "tasks": [{"id": 1, "data": {"text": "a"}}]}
    for _ in range(times):
        answer = requests.post(f"{backend.url}/predict", json=body, timeout=60)
        assert answer.status_code == 200, answer.text


def annotate(backend: Backend, project: int, number: int = 1) -> str:
    """Send the event of an annotation, and return the id of its training job, which a busy Redis may take later."""
    result = [{"from_name": "choice", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}]
    event = {
        "action": "ANNOTATION_CREATED",
        "project": {
            "id": project,
            "created_at": "2026-01-01T00:00:00Z",
            "title": TITLE,
            "label_config": CONFIG,
        },
        "task": {"id": number, "data": {"text": "a"}, "project": project},
        "annotation": {"id": number, "task": number, "project": project, "result": result},
    }
    before = jobs(backend, project)
    answer = requests.post(f"{backend.url}/webhook", json=event, timeout=60)
    assert answer.status_code == 201, answer.text
    wait_until(lambda: jobs(backend, project) != before, "the event is stored")
    return jobs(backend, project)[0]


def jobs(backend: Backend, project: int) -> list[str]:
    """Return the ids of a project's training jobs, the newest first."""
    answer = requests.get(f"{backend.url}/jobs", params={"project": uid(project)}, timeout=60)
    return [job["job"] for job in answer.json().get("jobs", [])]


def record(backend: Backend, job: str) -> dict[str, Any]:
    """Return a training job's record."""
    answer = requests.post(f"{backend.url}/job_status", json={"job": job}, timeout=60)
    assert answer.status_code == 200, answer.text
    fields: dict[str, Any] = answer.json()
    return fields


@contextlib.contextmanager
def opened(browser: Browser, backend: Backend, **options: Any) -> Iterator[Any]:
    """Yield a page of the dashboard; fail if the browser complains of it."""
    page = browser.new_page(**options)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
    try:
        page.goto(f"{backend.url}/")
        yield page
        assert complaints == []
    finally:
        page.context.close()


def figure(page: Any, name: str) -> Any:
    """Return the value of a figure of the last minute."""
    return page.locator("dl.now-numbers > div").filter(has=page.get_by_text(name, exact=True)).locator("dd")


def wait_for_text(page: Any, heading: str, text: str) -> None:
    """Wait until the section with this heading has a text."""
    section = page.locator("section", has=page.get_by_role("heading", name=heading, exact=True))
    section.filter(has_text=text).wait_for()


def test_from_nothing_to_a_trained_version_and_one_that_does_not_load(
    make_backend: MakeBackend, browser: Browser
) -> None:
    backend = make_backend("stepwise.py")
    with opened(browser, backend) as page:
        page.get_by_text("No project is connected yet").wait_for()
        command = page.locator("pre code").inner_text()
        assert command.startswith(f"label-studio-ml connect {backend.folder.resolve()} --url http"), command
        wait_for_text(page, "Checks", "nothing to complain of")
        browser.keep(page, "now-empty")

        setup(backend, 1)
        predict(backend, 1, 40)
        wait_for_text(page, "Served projects", "1 project has a loaded model")
        wait_for_text(page, "Served projects", "INITIAL")
        # Not all on a slow machine: the first ones may leave the last minute before the last ones are counted.
        expect(figure(page, "Tasks in the last minute")).to_have_text(re.compile(r"^([1-9]|[123]\d|40)$"))
        expect(figure(page, "Median latency")).to_contain_text("ms")

        job = annotate(backend, 1)
        wait_for_text(page, "Trainings", "step 0 of 4")
        for step in range(2):
            (backend.folder / f"step-{step}").touch()
        wait_for_text(page, "Trainings", "50 %")
        bar = page.get_by_role("progressbar", name=f"Progress of training {job}")
        expect(bar).to_have_attribute("value", "0.5")
        wait_for_text(page, "Training workers", "1 of them busy")
        wait_for_text(page, "Trainings", TITLE[:20])
        browser.keep(page, "now-training")

        (backend.folder / "all-steps").touch()
        wait_for_text(page, "Trainings", "No training runs or waits.")
        version = record(backend, job)["model_version"]
        wait_for_text(page, "Served projects", version)

        (backend.folder / "broken").write_text("there is no memory for it")
        second = annotate(backend, 1, number=2)
        wait_until(
            lambda: record(backend, second)["job_status"] == "finished",
            "the second training has ended",
        )
        page.get_by_text("there is no memory for it").first.wait_for()
        banner = page.get_by_role("status", name="What needs a person")
        banner.get_by_text("does not load").wait_for()
        expect(banner).to_contain_text(f"{version} is served meanwhile")
        browser.keep(page, "now-attention")
        page.goto(f"{backend.url}/#/errors")
        page.get_by_role("heading", name="Errors", exact=True).wait_for()
        banner.get_by_text("does not load").wait_for()  # on every page

    with opened(browser, backend, viewport={"width": 320, "height": 900}, color_scheme="dark") as page:
        wait_for_text(page, "Served projects", version)
        wait_until_fits(page)
        browser.keep(page, "now-narrow-dark")


def test_two_servers_on_one_redis_show_the_same(
    make_redis: MakeRedis,
    make_backend: MakeBackend,
    browser: Browser,
    tmp_path: Path,
) -> None:
    redis_server = make_redis()
    env = {"REDIS_URL": f"redis://{redis_server.address}"}
    one = make_backend("stepwise.py", env=env)
    other = Backend(one.folder, tmp_path / "other.log", env=env)
    other.command = "serve"
    other.start()
    try:
        setup(one, 1)
        predict(one, 1, 5)
        with opened(browser, one) as page:
            with opened(browser, other) as other_page:
                for shown in (page, other_page):
                    for backend in (one, other):
                        wait_for_text(shown, "Servers", f":{backend.port}")
                    wait_for_text(shown, "Served projects", "INITIAL")
                    # Those of both servers. On a slow machine, they may have left the last minute.
                    expect(figure(shown, "Tasks in the last minute")).to_have_text(re.compile(r"^[0-5]$"))
                job = annotate(other, 1)
                (one.folder / "step-0").touch()
                for shown in (page, other_page):
                    wait_for_text(shown, "Trainings", "step 1 of 4")
                    wait_for_text(shown, "Trainings", job)
                browser.keep(other_page, "now-two-servers")
            assert other.stop() == []
            page.get_by_role("rowheader").filter(has_text=f":{other.port}").wait_for(state="detached")
            (one.folder / "all-steps").touch()
    finally:
        other.stop()

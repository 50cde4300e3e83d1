"""The view Errors in a real browser: the tasks of a Label Studio project that a model fails for, and the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from playwright.sync_api import expect

from ..backend import Backend
from ..browser import Browser
from ..conftest import MakeBackend
from ..studio import Studio
from .page_layout import wait_until_fits

CONFIG = """<View><Text name="text" value="$text"/><Choices name="choice" toName="text"><Choice value="Airbus"/>
<Choice value="Boeing"/></Choices></View>"""
MARKUP = "<img src=x onerror=alert(1)>"
HOSTILE = f"{MARKUP} \x1b[31mred\x1b[0m \0 \u202eright to left"


@contextmanager
def errors_page(browser: Browser, studio: Studio, backend: Backend) -> Iterator[Any]:
    """Open the view in a page that is logged in to Label Studio; check that it logs no error and opens no dialog."""
    page = browser.logged_in(studio)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.goto(f"{backend.url}/#/errors")
    expect(page.get_by_role("heading", name="Log of this server")).to_be_visible()
    yield page
    assert page.locator("img[src=x]").count() == 0
    page.context.close()
    assert problems == []


def test_errors_name_their_tasks_and_the_fix(
    label_studio: Studio, make_backend: MakeBackend, browser: Browser
) -> None:
    backend = make_backend("sometimes_raises.py")
    project = label_studio.create_project("fragile", CONFIG)
    texts = ["fine", "poison one", "fine too", "poison two"]
    tasks = label_studio.import_tasks(project, [{"text": text} for text in texts])
    label_studio.add_backend(project, backend.url)
    with errors_page(browser, label_studio, backend) as page:
        expect(page.get_by_role("heading", name="No errors")).to_be_visible()
        browser.keep(page, "errors-empty")
        label_studio.retrieve_predictions(project)

        card = page.locator(".error-card", has_text="this text is poison")
        expect(card.get_by_role("heading", name="Prediction failed")).to_be_visible()
        expect(card).to_contain_text("2 times")
        expect(card).to_contain_text("What to do: Correct predict in the model's file")
        expect(card).to_contain_text("LSML-E330, explained by label-studio-ml explain LSML-E330")
        expect(card).to_contain_text(f"Project {project}")
        links = [
            card.get_by_role("link", name=f"Task {task} in Label Studio") for task in (tasks[1], tasks[3])
        ]
        for link, task in zip(links, (tasks[1], tasks[3]), strict=True):
            expect(link).to_have_attribute("href", f"{label_studio.url}/projects/{project}/data?task={task}")
        expect(card.locator(".error-tasks a")).to_have_count(2)
        browser.keep(page, "errors-of-tasks")
        label_studio.retrieve_predictions(project, [tasks[3]])
        expect(card).to_contain_text("3 times")
        with page.expect_popup() as opened:
            links[0].click()
        expect(opened.value.get_by_text("poison one").first).to_be_visible()
        browser.keep(opened.value, "errors-task-in-label-studio")
        opened.value.close()

        page.get_by_label("Search the errors").fill("venom")
        expect(page.get_by_text("0 errors, which happened 0 times (of 1 in all)")).to_be_visible()
        page.get_by_label("Search the errors").fill("poison")
        expect(card).to_be_visible()

        page.get_by_label("Search the log").fill("poison")
        expect(page.locator(".log-record mark").first).to_have_text("poison")
        browser.keep(page, "errors-log-search")

        card.get_by_role("button", name="Remove this error").click()
        expect(page.get_by_role("heading", name="No errors")).to_be_visible()


def test_hostile_texts_are_text_and_the_log_is_followed(
    label_studio: Studio, make_backend: MakeBackend, browser: Browser
) -> None:
    backend = make_backend("sometimes_raises.py")
    body = {"project_src": f"9.9{MARKUP}", "project_dst": "1.1"}
    assert requests.post(f"{backend.url}/duplicate_model", json=body, timeout=60).status_code == 404
    log = backend.folder / "logs" / "server.log"
    with errors_page(browser, label_studio, backend) as page:
        card = page.locator(".error-card", has_text=MARKUP)
        expect(card.get_by_role("heading", name="Request failed")).to_be_visible()
        expect(card).to_contain_text("Call /setup first")

        record = "[2026-11-30 10:00:00,000] [ERROR] [test::f::1] "
        with log.open("a") as file:
            file.write(f"{record}{HOSTILE}\n{record}{'x' * 1_000_000}\n")
        hostile = page.locator(".log-error", has_text=MARKUP)
        expect(hostile).to_contain_text("␛[31mred␛[0m ␀")
        long = page.locator(".log-error", has_text="show all 1,000,0")
        expect(long).to_be_visible()
        browser.keep(page, "errors-hostile")
        page.set_viewport_size({"width": 320, "height": 700})
        wait_until_fits(page)
        browser.keep(page, "errors-narrow")
        page.set_viewport_size({"width": 1400, "height": 900})
        long.get_by_role("button").click()
        expect(long.get_by_role("button")).to_have_count(0)

        page.get_by_role("button", name="Pause").click()
        with log.open("a") as file:
            file.write(f"{record}later\n")
        page.get_by_label("Level").select_option("WARNING")
        expect(page.locator(".log-record", has_text="later")).to_be_visible()
        expect(page.locator(".log-info")).to_have_count(0)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        assert MARKUP in download.value.path().read_text()
        page.get_by_role("button", name="Clear all").click()
        page.get_by_role("dialog").get_by_role("button", name="Clear all").click()
        expect(page.get_by_role("heading", name="No errors")).to_be_visible()

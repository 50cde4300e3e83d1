"""Trainings on the dashboard, beside a real Label Studio: from the click to the version, cancel, retry, failures."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from ..browser import Browser
from ..conftest import MakeBackend
from ..processes import wait_until
from ..studio import Studio, choice
from .page_layout import wait_until_fits

CONFIG = """<View><Text name="text" value="$text"/><Choices name="choice" toName="text"><Choice value="a"/>
<Choice value="b"/></Choices></View>"""

OPERATOR, VIEWER = ("operator", "operator-pass"), ("viewer", "viewer-pass-1")
#: The code of a training whose process ended, as pages explain it.
_CRASH = "LSML-E650, explained by label-studio-ml explain LSML-E650"
TITLE = "Boats <b>of</b> \u202eall kinds"


class Pages:
    """A backend with two logins, connected to a project with annotations, and pages of its dashboard."""

    def __init__(self, studio: Studio, browser: Browser, make: MakeBackend) -> None:
        self.browser = browser
        env = {
            **dict(zip(("BASIC_AUTH_USER", "BASIC_AUTH_PASS"), OPERATOR, strict=True)),
            **dict(zip(("VIEWER_USER", "VIEWER_PASS"), VIEWER, strict=True)),
            "LABEL_STUDIO_URL": studio.url,
            "LABEL_STUDIO_API_KEY": studio.token,
        }
        self.backend = make("watched.py", env=env)
        self.steps = Path(self.backend.folder) / "steps"
        self.project = studio.create_project(TITLE, CONFIG)
        tasks = studio.import_tasks(self.project, [{"text": f"text {number}"} for number in range(4)])
        studio.add_backend(self.project, self.backend.url, basic_auth=OPERATOR)
        for task in tasks[:3]:
            studio.annotate(task, choice("a"))
        self.errors: list[str] = []
        self.opened: list[Any] = []

    def open(self, user: tuple[str, str], view: str = "trainings", **options: Any) -> Any:
        """Return a page on a view, logged in as `user`; what its console says as an error is kept."""
        page = self.browser.new_page(**options)
        self.opened.append(page)
        page.on(
            "console", lambda message: self.errors.extend([message.text] if message.type == "error" else [])
        )
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{self.backend.url}/#/{view}")
        page.fill("input[name=user]", user[0])
        page.fill("input[name=password]", user[1])
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("button", name="Log out")).to_be_visible()
        return page

    def train_now(self, page: Any, steps: str) -> str:
        """Begin a training with a click, and return its id once its page is shown."""
        self.steps.write_text(steps)
        page.goto(f"{self.backend.url}/#/trainings")
        page.get_by_text("Train now", exact=True).click()
        page.get_by_label("Find a project by title or number").fill(str(self.project))
        page.get_by_role("radio", name=f"number {self.project}").check()
        page.get_by_role("button", name="Train the chosen project now").click()
        page.wait_for_url("**/#/trainings/*")
        job = page.url.rpartition("/")[2]
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Training {job}")
        return str(job)

    def picture(self, page: Any, name: str) -> None:
        page.screenshot(path=str(self.browser.artefacts / f"trainings-{name}.png"), full_page=True)


@pytest.fixture
def pages(label_studio: Studio, browser: Browser, make_backend: MakeBackend) -> Iterator[Pages]:
    made = Pages(label_studio, browser, make_backend)
    yield made
    for page in made.opened:
        page.context.close()


def _state(page: Any, words: str) -> None:
    expect(page.locator(".state")).to_contain_text(words)


def _lines(page: Any) -> Any:
    return page.get_by_role("group", name="Lines of the log", exact=True)


def test_a_training_from_the_click_to_its_version(pages: Pages, label_studio: Studio) -> None:
    page = pages.open(OPERATOR)
    # On a slow machine, the first events had a run of their own, which says so, too.
    expect(page.get_by_role("row", name=re.compile("waits for the training button")).first).to_be_visible()
    pages.picture(page, "waiting")
    pages.train_now(page, "4")
    _state(page, "running")
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "0.4")
    expect(page.locator(".running")).to_contain_text("epoch 4 of 10")
    expect(page.get_by_role("img", name=re.compile(r"^loss\. train_loss: last value 0.25"))).to_be_visible()
    expect(_lines(page)).to_contain_text("epoch 4: loss 0.250")
    page.get_by_label("Plotted over").select_option("time")
    pages.picture(page, "running")

    viewer = pages.open(
        VIEWER, f"trainings/{page.url.rpartition('/')[2]}", viewport={"width": 320, "height": 700}
    )
    _state(viewer, "running")
    expect(viewer.get_by_role("button", name=re.compile("^Cancel"))).to_be_disabled()
    expect(_lines(viewer)).to_contain_text("epoch 4: loss 0.250")
    wait_until_fits(viewer)
    pages.picture(viewer, "viewer-320")

    pages.steps.write_text("10")
    _state(page, "finished")
    expect(page.get_by_role("status").filter(has_text="was made")).to_contain_text("Version")
    expect(page.locator(".facts")).to_contain_text("3 labelled tasks")
    expect(page.locator(".facts")).to_contain_text("user operator on the dashboard")
    version = page.get_by_role("link", name=re.compile(r"^\d{8}-\d{6}-")).inner_text()
    assert version in label_studio.versions(label_studio.backend(pages.project)["id"])
    _state(viewer, "finished")
    _look_at_the_log(pages, page)
    assert pages.errors == []


def _look_at_the_log(pages: Pages, page: Any) -> None:
    """Search, text that is only text, and the download."""
    lines = _lines(page)
    expect(lines).to_contain_text("begins <img src=x onerror=alert(1)> \u2400 end")
    page.get_by_label("Search the log").fill("LOSS 0.1")
    expect(lines.locator("mark")).to_have_count(5)
    expect(page.get_by_text("In the whole log: 5 lines")).to_be_visible()
    pages.picture(page, "finished")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").click()
    text = Path(waiting.value.path()).read_text()
    assert "\n\x1b[32mbegins\x1b[0m <img" in text
    assert text.count("W") == 100_000
    assert "epoch 10: loss 0.100\n" in text


def test_cancel_fail_and_retry(pages: Pages) -> None:
    page = pages.open(OPERATOR)
    pages.train_now(page, "2")
    expect(_lines(page)).to_contain_text("epoch 2")
    page.get_by_role("button", name=re.compile("^Cancel")).click()
    page.get_by_role("dialog").get_by_role("button", name="Keep as it is").click()
    _state(page, "running")
    page.get_by_role("button", name=re.compile("^Cancel training")).click()
    pages.picture(page, "cancel")
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Cancel training")).click()
    _state(page, "cancelled")
    expect(page.get_by_role("status").filter(has_text="It was cancelled")).to_be_visible()

    failed = pages.train_now(page, "fail")
    _state(page, "failed")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("A Python package is missing where the worker runs")
    expect(alert).to_contain_text("No module named 'missing_package'")
    expect(alert).to_contain_text("LSML-E340, explained by label-studio-ml explain LSML-E340")
    expect(alert).to_contain_text("Add it to requirements.txt")
    expect(_lines(page)).to_contain_text("Traceback (most recent call last)")
    pages.picture(page, "failed")
    viewer = pages.open(VIEWER, f"trainings/{failed}")
    expect(_lines(viewer)).to_contain_text(f"(traceback: see logs/jobs/{failed}.log)")
    expect(_lines(viewer)).not_to_contain_text("in fit")
    expect(viewer.get_by_role("button", name=re.compile("^Retry"))).to_be_disabled()

    pages.steps.write_text("10")
    page.get_by_role("button", name=re.compile("^Retry")).click()
    page.wait_for_url(lambda url: "/trainings/" in url and failed not in url)
    _state(page, "finished")
    _lists_and_refusals(pages, page, viewer, failed)
    assert pages.errors == []


def _lists_what_it_counts(page: Any, words: str, least: int) -> bool:
    """Return whether a list is shown that has as many rows as its link says, and enough."""
    number = int(page.get_by_role("link", name=re.compile(rf"^{words} \d+$")).inner_text().split()[-1])
    is_chosen = page.locator("nav.lists [aria-current=page]").filter(has_text=words).count() == 1
    rows: int = page.locator("table.trainings tbody tr").count()
    return is_chosen and least <= number == rows


def _lists_and_refusals(pages: Pages, page: Any, viewer: Any, failed: str) -> None:
    page.get_by_role("link", name="All trainings").click()
    # Events may have had a run before the first click, which waits for the button and trains nothing.
    for words, least in (("Failed", 1), ("Cancelled", 1), ("Finished", 1), ("All", 3)):
        page.get_by_role("link", name=re.compile(rf"^{words} \d+$")).click()
        wait_until(partial(_lists_what_it_counts, page, words, least), f"the list {words} has what it counts")
    pages.picture(page, "list")
    viewer.goto(f"{pages.backend.url}/#/trainings")
    wait_until(partial(_lists_what_it_counts, viewer, "All", 3), "a viewer sees them all")
    api = f"{pages.backend.url}/dashboard/api/trainings"
    for path in ("train", "retry-parked", f"{failed}/retry", f"{failed}/cancel"):
        answer = viewer.evaluate(
            """async ([url, project]) => (await fetch(url, {method: "POST", body: JSON.stringify({project}), headers: {
              "Content-Type": "application/json",
              "X-CSRF-Token": (await (await fetch("dashboard/api/session")).json()).csrf}})).status""",
            [f"{api}/{path}", str(pages.project)],
        )
        assert answer == 403, path
    pages.errors.clear()  # the browser reports the refusals


def _follow_the_repeats(pages: Pages, page: Any, first: str) -> None:
    """Go from a training that crashed to the two that repeated it and back, on their pages and in the list."""
    page.goto(f"{pages.backend.url}/#/trainings/{first}")
    second = _go_to_successor(page, first)
    third = _go_to_successor(page, second)
    _state(page, "failed")
    expect(page.get_by_role("alert").filter(has_text="3 runs crashed")).to_contain_text(_CRASH)
    pages.picture(page, "third-crash")
    for job in (second, first):
        page.locator(".facts").get_by_role("link", name=job).click()
        _is_training(page, job)
    page.get_by_role("link", name="All trainings").click()
    row = page.locator(f"tr[data-job='{second}']")
    expect(row).to_contain_text(_CRASH)
    expect(row).to_contain_text(f"training {third} has its events")
    pages.picture(page, "repeats")
    row.get_by_role("link", name=third).click()
    _is_training(page, third)
    page.set_viewport_size({"width": 320, "height": 700})
    wait_until_fits(page)
    page.set_viewport_size({"width": 1400, "height": 900})
    page.get_by_role("link", name="All trainings").click()
    row.get_by_text("repeats").get_by_role("link", name=first).click()
    _is_training(page, first)


def _go_to_successor(page: Any, job: str) -> str:
    """Follow the link of an interrupted training to the one that has its events, and return that one's id."""
    _is_training(page, job)
    _state(page, "interrupted")
    alert = page.get_by_role("alert").filter(has_text="has its events")
    expect(alert).to_contain_text(_CRASH)
    link = alert.get_by_role("link")
    successor = str(link.inner_text())
    link.click()
    _is_training(page, successor)
    expect(page.locator(".facts")).to_contain_text(f"{job}, which was interrupted")
    return successor


def _is_training(page: Any, job: str) -> None:
    page.wait_for_url(f"**/#/trainings/{job}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Training {job}")


def test_events_that_were_set_aside_are_tried_again(pages: Pages) -> None:
    page = pages.open(OPERATOR)
    first = pages.train_now(page, "crash")
    _state(page, "interrupted")

    def parked() -> bool:
        answer = requests.get(
            f"{pages.backend.url}/dashboard/api/trainings/counts", auth=OPERATOR, timeout=10
        )
        return bool(answer.json()["parked"])

    wait_until(parked, "the events are set aside after three crashes", every=0.5)
    page.goto(f"{pages.backend.url}/#/trainings?state=parked")
    parked_list = page.locator(".parked")
    expect(parked_list).to_contain_text("The training process crashed")
    expect(parked_list).to_contain_text("3 runs crashed")
    pages.picture(page, "set-aside")
    _follow_the_repeats(pages, page, first)
    page.get_by_role("link", name="See trainings").click()
    page.wait_for_url("**/#/trainings?state=parked")
    pages.steps.write_text("10")
    page.get_by_role("button", name=re.compile("^Retry the events")).click()
    page.wait_for_url("**/#/trainings/*")
    _state(page, "finished")
    page.goto(f"{pages.backend.url}/#/trainings?state=parked")
    expect(page.get_by_role("heading", name="No events are set aside")).to_be_visible()
    assert pages.errors == []

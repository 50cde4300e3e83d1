"""Every view, empty and full: nothing in the console, nothing that axe-core finds, nothing overlaps when narrow.

Pictures of them stay in `artefacts/` as `dashboard-*.png`.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from ..browser import Browser
from ..conftest import MakeBackend
from ..processes import wait_until
from . import filled_backend
from .filled_backend import FULL, Filled
from .page_layout import OVERLAPS, WIDE, wait_until_settled

VIEWS = {
    "now": "#/now",
    "trainings": "#/trainings",
    "versions": "#/versions",
    "try": "#/try",
    "projects": "#/projects",
    "value": "#/value",
    "errors": "#/errors",
}

Opening = Callable[[Any], None]


def _open_details(page: Any) -> None:
    """Open all that can be opened on the page, also what is built when it is opened."""
    page.locator("main details:not([open]) > summary").first.wait_for()
    page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")


def _ask(page: Any, button: str) -> None:
    page.get_by_role("button", name=re.compile(button)).and_(page.locator(":enabled")).first.click()
    page.locator("dialog[open]").wait_for()


def _try_own_task(page: Any) -> None:
    """Paste a task, and wait for its prediction."""
    page.get_by_label("A task of your own").check()
    page.get_by_label("Task as JSON").fill('{"text": "شكرا <b>bold</b> ' + "word " * 300 + '"}')
    page.get_by_role("button", name="Try this task").click()
    expect(page.get_by_role("region", name="Prediction", exact=True)).to_contain_text("0.987")


def _filter_nothing(page: Any) -> None:
    page.get_by_label("Search the errors").fill("no error has this text")
    page.get_by_text("0 errors").wait_for()


#: Views of the full backend: their addresses, and what is done there before a person would look.
FULL_VIEWS: dict[str, tuple[str, Opening | None]] = {
    **{name: (address, None) for name, address in VIEWS.items()},
    "trainings-failed": ("#/trainings?state=failed", None),
    "trainings-waiting": ("#/trainings?state=queued", None),
    "train-now": ("#/trainings?state=started", _open_details),
    "training-running": ("#/trainings/RUNNING", None),
    "training-failed": ("#/trainings/FAILED", None),
    "training-cancel": ("#/trainings/RUNNING", partial(_ask, button="^Cancel training")),
    "versions-of-project": (f"#/versions/{FULL}", None),
    "versions-compared": (f"#/versions/{FULL}?compare=id-196,id-197,id-198,id-199", None),
    "versions-promote": (f"#/versions/{FULL}", partial(_ask, button="^Promote v196")),
    "version": (f"#/versions/{FULL}/id-199", None),
    "version-failed": (f"#/versions/{FULL}/id-197", None),
    "version-evaluation": (f"#/versions/{FULL}/id-198?part=evaluation", _open_details),
    "try-project": (f"#/try?project={FULL}", None),
    "try-own-task": (f"#/try?project={FULL}", _try_own_task),
    "project": (f"#/projects/{FULL}", None),
    "project-opened": (f"#/projects/{FULL}", _open_details),
    "value-opened": (f"#/value?project={FULL}", _open_details),
    "errors-filtered": ("#/errors", _filter_nothing),
    "nothing-there": ("#/nothing", None),
}

#: Views whose parts other ones have, too.
SIBLINGS = {
    "trainings-failed",
    "trainings-waiting",
    "training-failed",
    "training-cancel",
    "version-failed",
    "project",
    "errors-filtered",
}

#: Bytes of script that a page may load.
MOST_SCRIPT = 200_000

#: Rules of axe-core: WCAG 2.0 to 2.2, levels A and AA, and its best practices.
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}

#: What of these a dark colour scheme can change.
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"], "resultTypes": ["violations"]}


class Watched:
    """A page whose errors, requests and scripts are recorded; what `check` finds is in `faults`."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.url = url
        self.browser = browser
        self.faults: list[str] = []
        self.scripts: dict[str, int] = {}
        # Colours that still change would have another contrast.
        self.page = browser.new_page(reduced_motion="reduce")
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.faults.append(f"console: {text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.faults.append(f"request elsewhere: {request.url}")

    def _response(self, response: Any) -> None:
        if response.request.resource_type == "script":
            self.scripts[response.url] = int(response.headers.get("content-length", "0"))

    def open(self, address: str, opening: Opening | None = None) -> None:
        """Load a view afresh, and wait until it has been read."""
        self.scripts.clear()
        self.page.goto("about:blank")
        self.page.emulate_media(color_scheme="light", reduced_motion="reduce")
        self.page.set_viewport_size({"width": 1400, "height": 900})
        self.page.goto(f"{self.url}/{address}")
        self.page.wait_for_selector("main h1, main .notice-error")
        self.settle()
        if opening is not None:
            opening(self.page)
            self.settle()

    def settle(self) -> None:
        """Wait until nothing is read any more, and all styles are there."""
        wait_until_settled(self.page)

    def check(self, name: str) -> None:
        """Look at the view in both colour schemes and in narrow pages; note what is wrong, and keep pictures."""
        self._axe("light", RULES)
        self.browser.keep(self.page, f"dashboard-{name}-light")
        self.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        self._axe("dark", COLOURS)
        self.browser.keep(self.page, f"dashboard-{name}-dark")
        self.page.emulate_media(color_scheme="light", reduced_motion="reduce")
        # A zoom of 200 % of a page of 1280 pixels shows it as a page of 640.
        for width in (640, 320):
            self.page.set_viewport_size({"width": width, "height": 800})
            self._narrow(width)
            self.browser.keep(self.page, f"dashboard-{name}-{width}")
        if (size := sum(self.scripts.values())) > MOST_SCRIPT:
            self.faults.append(f"{size} bytes of script: {self.scripts}")
        if "owned" in self.page.title():
            self.faults.append("a text became code")

    def _axe(self, scheme: str, rules: dict[str, list[str]]) -> None:
        violations = Axe().run(self.page, options=rules).response["violations"]
        for violation in violations:
            nodes = [node["html"][:300] for node in violation["nodes"][:3]]
            self.faults.append(f"{scheme}: {violation['id']}: {violation['help']}: {nodes}")

    def _narrow(self, width: int) -> None:
        """Note what overlaps, or reaches out of a narrow page, and does so for good: charts follow the window later."""
        faults: list[str] = []

        def is_right() -> bool:
            faults[:] = [f"{width} px: too wide: {element}" for element in self.page.evaluate(WIDE)[:5]]
            faults.extend(f"{width} px: overlap: {pair}" for pair in self.page.evaluate(OVERLAPS)[:5])
            if not self.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"):
                faults.append(f"{width} px: the page scrolls sideways")
            return not faults

        with contextlib.suppress(AssertionError):
            wait_until(is_right, "the page is right", 30.0)
        self.faults += faults


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("filled")
    filled = filled_backend.make(folder / "backend", folder / "backend.log")
    yield filled
    filled_backend.end(filled)


@pytest.fixture(scope="module")
def full_page(filled: Filled, browser: Browser) -> Iterator[Watched]:
    watched = Watched(browser, filled.backend.url)
    yield watched
    watched.page.context.close()


def test_empty_views(make_backend: MakeBackend, browser: Browser) -> None:
    watched = Watched(browser, make_backend("dummy.py").url)
    for name, address in VIEWS.items():
        watched.open(address)
        watched.check(f"empty-{name}")
    assert watched.faults == []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.soak] * (name in SIBLINGS)) for name in FULL_VIEWS]
)
def test_full_view(filled: Filled, full_page: Watched, name: str) -> None:
    address, opening = FULL_VIEWS[name]
    full_page.faults.clear()
    full_page.open(address.replace("RUNNING", filled.running).replace("FAILED", filled.failed), opening)
    full_page.check(f"full-{name}")
    assert full_page.faults == []


def test_each_view_is_reached_with_the_keyboard(full_page: Watched) -> None:
    full_page.faults.clear()
    full_page.open("#/now")
    page = full_page.page
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    for name in ("Trainings", "Versions", "Try it", "Projects", "Value", "Errors"):
        page.evaluate("() => document.querySelector('nav a').focus()")
        for _ in range(12):
            if page.evaluate("() => document.activeElement.textContent.trim()") == name:
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_function(
            f"() => document.querySelector('nav [aria-current=page]')?.textContent.trim() === '{name}'"
        )
        wait_until(
            lambda: page.evaluate("() => document.activeElement.id") == "main", "the view has the focus"
        )
    assert full_page.faults == []


def test_a_dialog_is_answered_with_the_keyboard(full_page: Watched) -> None:
    full_page.faults.clear()
    full_page.open(f"#/versions/{FULL}", partial(_ask, button="^Promote v196"))
    page = full_page.page
    assert page.evaluate("() => document.activeElement.closest('dialog') !== null")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    assert page.evaluate("() => document.activeElement.textContent").strip().startswith("Promote")
    assert full_page.faults == []


def test_hostile_texts_are_shown_as_texts(full_page: Watched) -> None:
    full_page.faults.clear()
    full_page.open("#/projects")
    expect(full_page.page.get_by_text("onerror").first).to_be_visible()
    expect(full_page.page.locator("main img")).to_have_count(0)
    assert full_page.faults == []


def test_a_search_goes_on_where_it_was_typed(full_page: Watched) -> None:
    """A blank at the end, which is no part of the search, stays in the field for the next word."""
    full_page.faults.clear()
    full_page.open("#/projects")
    page = full_page.page
    field = page.get_by_label("Search by title, id or address")
    field.press_sequentially("Project 4 ")
    page.wait_for_url(re.compile(r"search="))
    expect(page.get_by_role("status").filter(has_text="with")).to_be_visible()
    field.press_sequentially("of")
    expect(field).to_have_value("Project 4 of")
    assert full_page.faults == []

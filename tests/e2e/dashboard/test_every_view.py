"""Every view, empty and full: nothing in the console, nothing that axe-core finds, nothing overlaps when narrow."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from ..backend import Backend
from ..browser import Browser
from ..conftest import MakeBackend
from ..processes import wait_until
from . import filled_backend
from .filled_backend import FULL

VIEWS = {
    "now": "#/now",
    "trainings": "#/trainings",
    "versions": "#/versions",
    "try": "#/try",
    "projects": "#/projects",
    "value": "#/value",
    "errors": "#/errors",
}

FULL_VIEWS = {
    **VIEWS,
    "versions-of-project": f"#/versions/{FULL}",
    "version": f"#/versions/{FULL}/id-199",
    "try-project": f"#/try?project={FULL}",
    "project": f"#/projects/{FULL}",
    "value-of-project": f"#/value?project={FULL}",
}

#: Bytes of script that a page may load.
MOST_SCRIPT = 200_000

#: Rules of axe-core: WCAG 2.0 to 2.2, levels A and AA, and its best practices.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

#: Elements that reach beyond the page's right edge, other than those in regions that scroll by themselves.
WIDE = """() => {
    const scrolls = (element) => {
        for (let one = element; one && one !== document.body; one = one.parentElement) {
            const style = getComputedStyle(one);
            if (['auto', 'scroll', 'hidden', 'clip'].includes(style.overflowX)) return true;
            if (style.position === 'absolute' && style.clipPath !== 'none') return true;
        }
        return false };
    return [...document.querySelectorAll('body *')]
        .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !scrolls(one))
        .map((one) => `${one.tagName}.${one.className}: ${one.textContent.trim().slice(0, 60)}`) }"""

#: Buttons, links and fields that cover each other.
OVERLAPS = """() => {
    const boxes = [...document.querySelectorAll('button, a[href], input, select, textarea, summary, h1, h2')]
        .filter((one) => one.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}) && !one.matches('.skip'))
        .map((one) => [one, one.getBoundingClientRect()])
        .filter(([one, box]) => box.width > 1 && box.height > 1);
    const found = [];
    for (const [one, a] of boxes) for (const [other, b] of boxes) {
        if (one === other || one.contains(other) || other.contains(one)) continue;
        if (one.closest('svg') || other.closest('svg')) continue;
        const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (width > 2 && height > 2) found.push(`${one.outerHTML.slice(0, 90)} and ${other.outerHTML.slice(0, 90)}`);
    }
    return found }"""


class Watched:
    """A page whose errors, requests and scripts are recorded."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.scripts: dict[str, int] = {}
        self.faults: list[str] = []
        self.page = browser.new_page(**options)
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.foreign.append(request.url)

    def _response(self, response: Any) -> None:
        if response.request.resource_type == "script":
            self.scripts[response.url] = int(response.headers.get("content-length", "0"))

    def open(self, address: str) -> None:
        """Load a view afresh, and wait until it has been read."""
        self.scripts.clear()
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/{address}")
        self.page.wait_for_selector("main h1")
        self.page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")

    def check(self, name: str) -> None:
        """Note what is wrong with the view as it is now."""
        violations = Axe().run(self.page, options=RULES).response["violations"]
        self.faults += [
            f"{name}: {violation['id']}: {violation['help']}: {[node['html'][:300] for node in violation['nodes'][:3]]}"
            for violation in violations
        ]
        if (size := sum(self.scripts.values())) > MOST_SCRIPT:
            self.faults.append(f"{name}: {size} bytes of script: {self.scripts}")

    def check_narrow(self, name: str) -> None:
        """Note what overlaps, or reaches out of a narrow page."""
        self.faults += [f"{name}: too wide: {element}" for element in self.page.evaluate(WIDE)[:5]]
        self.faults += [f"{name}: overlap: {pair}" for pair in self.page.evaluate(OVERLAPS)[:5]]
        if not self.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"):
            self.faults.append(f"{name}: the page scrolls sideways")

    def nothing_happened(self) -> None:
        """Assert that no fault was noted, no error logged, nothing requested elsewhere, and no text became code."""
        assert self.faults == []
        assert self.errors == []
        assert self.foreign == []
        assert "owned" not in self.page.title()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    folder = tmp_path_factory.mktemp("filled")
    backend = filled_backend.make(folder / "backend", folder / "backend.log")
    yield backend
    filled_backend.end(backend)


def _job(backend: Backend) -> str:
    """Return the address of the training whose log and metrics are hostile."""
    import requests

    page = requests.get(f"{backend.url}/jobs?project=1", timeout=20).json()
    return f"#/trainings/{page['jobs'][-1]['job']}"


def test_empty_views(make_backend: MakeBackend, browser: Browser) -> None:
    backend = make_backend("dummy.py")
    for scheme in ("light", "dark"):
        watched = Watched(browser, backend.url, color_scheme=scheme)
        for name, address in VIEWS.items():
            watched.open(address)
            watched.check(f"{name}, {scheme}")
            browser.keep(watched.page, f"dashboard-empty-{name}-{scheme}")
        watched.nothing_happened()
    narrow = Watched(browser, backend.url, viewport={"width": 320, "height": 640})
    for name, address in VIEWS.items():
        narrow.open(address)
        narrow.check_narrow(name)
    narrow.nothing_happened()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_full_views(filled: Backend, browser: Browser, scheme: str) -> None:
    watched = Watched(browser, filled.url, color_scheme=scheme)
    for name, address in {**FULL_VIEWS, "training": _job(filled)}.items():
        watched.open(address)
        watched.check(f"{name}, {scheme}")
        browser.keep(watched.page, f"dashboard-full-{name}-{scheme}")
    watched.nothing_happened()


@pytest.mark.parametrize(
    ("width", "zoom"), [(320, 1), (640, 2)], ids=["320 px wide", "200 % zoom of 1280 px"]
)
def test_full_views_when_narrow(filled: Backend, browser: Browser, width: int, zoom: int) -> None:
    """A zoom of 200 % halves the width of a page in CSS pixels and doubles the pixels of the screen for each."""
    watched = Watched(browser, filled.url, viewport={"width": width, "height": 800}, device_scale_factor=zoom)
    for name, address in {**FULL_VIEWS, "training": _job(filled)}.items():
        watched.open(address)
        watched.check_narrow(f"{name}, {width} px")
        browser.keep(watched.page, f"dashboard-narrow-{name}-{width}")
    watched.nothing_happened()


def test_each_view_is_reached_with_the_keyboard(filled: Backend, browser: Browser) -> None:
    watched = Watched(browser, filled.url)
    watched.open("#/now")
    page = watched.page
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
    watched.nothing_happened()


def test_a_page_of_hostile_texts_keeps_its_title(filled: Backend, browser: Browser) -> None:
    watched = Watched(browser, filled.url)
    watched.open("#/projects")
    assert re.search("onerror", watched.page.inner_text("main"))  # it is there, as text
    watched.nothing_happened()


def test_the_artefacts_are_there(browser: Browser) -> None:
    """The pictures of all views are kept for people to look at."""
    kept = {path.name for path in Path(browser.artefacts).glob("dashboard-*.png")}
    assert {f"dashboard-full-{name}-light.png" for name in FULL_VIEWS} <= kept

"""The documentation site is built without a warning, has no broken link, and works from the file system."""

import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import expect

from .browser import Browser
from .conftest import missing

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def site() -> Path:
    """The folder of the site, built by the command that a person uses."""
    if not (ROOT / ".venvs" / "site" / "bin" / "mkdocs").exists():
        missing("The documentation site's tools are not there")
    done = subprocess.run([ROOT / "scripts" / "site"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return ROOT / "artefacts" / "site"


class Page(HTMLParser):
    """What a page refers to, and the places in it that others can refer to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.references: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the references and anchors of a tag."""
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.references.append(value)
            if (name == "id" or (tag == "a" and name == "name")) and value is not None:
                self.anchors.add(value)


def test_each_reference_leads_somewhere_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 60
    broken = []
    for path, page in pages.items():
        for reference in page.references:
            parts = urlsplit(reference)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages else set()
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                broken.append((str(path.relative_to(site)), reference))
    assert not broken


def test_it_works_from_the_file_system(site: Path, browser: Browser) -> None:
    """The pages open, load nothing from elsewhere, and the search finds a word of a generated page."""
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.get_by_role("link", name="Reference").first.click()
    expect(page.get_by_role("heading", name="Commands")).to_be_visible()
    page.locator(".md-search__input").fill("parked_sets")
    found = page.locator(".md-search-result__link", has_text="Keys in Redis").first
    expect(found).to_be_visible(timeout=30_000)
    found.click()
    expect(page.get_by_role("heading", name="Keys in Redis")).to_be_visible()
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]

"""Pictures of real pages with known boxes: documentation in HTML that Debian packages ship, shown by the browser."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .box_scores import Labelled
from .real_data import debian_folder

#: Pixels of each side of a picture.
SIDE = 800
#: How many pages of each package are taken.
PACKAGES = {
    "python-flask-doc": 14,
    "python-click-doc": 4,
    "python-werkzeug-doc": 6,
    "python-h5py-doc": 10,
    "python-pil-doc": 12,
    "python-pytest-doc": 10,
}
#: Scroll to the first note; return the boxes of notes and of code outside of them, as far as they are in sight.
_BOXES = """(side) => {
    document.querySelector('div.admonition').scrollIntoView({block: 'center', behavior: 'instant'});
    const kinds = {Code: 'div.highlight', Note: 'div.admonition'};
    return Object.entries(kinds).flatMap(([label, selector]) =>
        [...document.querySelectorAll(selector)]
            .filter((element) => label === 'Note' || !element.closest('div.admonition'))
            .map((element) => element.getBoundingClientRect())
            .map((box) => [label, [Math.max(box.left, 0), Math.max(box.top, 0),
                                   Math.min(box.right, side), Math.min(box.bottom, side)]])
            .filter(([, [left, top, right, bottom]]) => right - left >= 16 && bottom - top >= 12)) }"""


@dataclass(frozen=True)
class ElementPage:
    """A picture, and what is on it: `Note` (an admonition) and `Code`, with their boxes in pixels."""

    path: Path
    boxes: list[Labelled]


def element_pages(browser_page: Any, folder: Path) -> list[ElementPage]:
    """Write pictures of pages that have a note into `folder`; return them, those of each package in succession."""
    browser_page.set_viewport_size({"width": SIDE, "height": SIDE})
    pages: list[ElementPage] = []
    for package, count in PACKAGES.items():
        chosen = [path for path in sorted(debian_folder(package).rglob("*.html")) if _has_note(path)]
        assert len(chosen) >= count, f"{package} has {len(chosen)} pages with a note"
        for number, path in enumerate(chosen[:count]):
            browser_page.goto(path.as_uri())
            found = browser_page.evaluate(_BOXES, SIDE)
            picture = folder / f"{package}-{number:02}.png"
            browser_page.screenshot(path=str(picture))
            pages.append(ElementPage(picture, [(label, tuple(box)) for label, box in found]))
    return pages


def _has_note(path: Path) -> bool:
    """Return whether a page has a note. That of the search page is for browsers without JavaScript."""
    return path.name != "search.html" and '<div class="admonition' in path.read_text(errors="replace")

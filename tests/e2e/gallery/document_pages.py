"""Pages of real documents with a known truth: descriptions of installed Python packages, set by the browser.

The browser knows where it has put each line of text and each heading, paragraph, list and table.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

#: Pixels of a page: the width, and the most that its height may be (the sides of A4).
WIDTH, HEIGHT = 800, 1130
#: Characters that a description must have to fill most of a page.
_LONG = 2500

_FONTS = ("'Liberation Serif', serif", "'Liberation Sans', sans-serif", "'DejaVu Sans', sans-serif")
_SIZES = (15, 14, 16)

_STYLE = """
body { margin: 56px 64px; font: SIZEpx/1.5 FONT; color: #111; background: white }
h1 { font-size: 1.7em } h2 { font-size: 1.35em } h3 { font-size: 1.15em }
p { text-align: justify } a { color: inherit; text-decoration: none }
pre, code { font-family: 'DejaVu Sans Mono', monospace; font-size: .86em }
pre { background: #f3f3f3; padding: 8px 12px; white-space: pre-wrap }
table { border-collapse: collapse } th, td { border: 1px solid #888; padding: 4px 8px }
"""

#: Words in a row, on the same line of the same block, with less than about two blanks between them.
_LINES = """() => {
    const lines = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const blockOf = (node) => node.parentElement.closest('p,li,h1,h2,h3,h4,h5,h6,pre,td,th,dt,dd,blockquote,div,body');
    while (walker.nextNode()) {
        const node = walker.currentNode;
        for (const word of node.data.matchAll(/\\S+/g)) {
            const range = document.createRange();
            range.setStart(node, word.index);
            range.setEnd(node, word.index + word[0].length);
            const rects = range.getClientRects();
            if (rects.length === 0) continue;
            const box = range.getBoundingClientRect();
            const size = parseFloat(getComputedStyle(node.parentElement).fontSize);
            const last = lines.at(-1);
            const middle = (box.top + box.bottom) / 2;
            if (last && last.block === blockOf(node) && middle > last.box[1] && middle < last.box[3]
                && box.left - last.box[2] < 1.5 * size && box.left > last.box[0]) {
                last.text += (box.left - last.box[2] > 0.1 * size ? ' ' : '') + word[0];
                last.box = [last.box[0], Math.min(last.box[1], box.top), box.right, Math.max(last.box[3], box.bottom)];
            } else {
                lines.push({block: blockOf(node), text: word[0], box: [box.left, box.top, box.right, box.bottom]});
            }
        }
    }
    return lines.map(({text, box}) => [text, box]) }"""

#: The outermost headings, paragraphs, lists and tables, each with the box around its text (a table: with its frame).
_BLOCKS = """() => [...document.body.children].map((element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const box = (element.tagName === 'TABLE' ? element : range).getBoundingClientRect();
    return [element.tagName.toLowerCase(), [box.left, box.top, box.right, box.bottom]] })"""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Page:
    """One page: the picture's file, its lines of text, and its blocks by their HTML tags, both with boxes in pixels."""

    name: str
    path: Path
    height: int
    lines: list[tuple[str, Box]] = field(repr=False)
    blocks: list[tuple[str, Box]] = field(repr=False)


def package_pages(browser_page: Any, folder: Path, count: int, height: int = HEIGHT) -> list[Page]:
    """Return the first page of each of `count` descriptions, by the packages' names; the PNGs are in `folder`.

    A page is at most `height` pixels high.
    """
    browser_page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    pages: list[Page] = []
    for name, text in _descriptions():
        if len(pages) == count:
            break
        pages.append(
            _page(browser_page, folder / f"{len(pages):02}-{name}.png", name, text, len(pages), height)
        )
    assert len(pages) == count, f"only {len(pages)} packages have a long description"
    return pages


def _descriptions() -> Iterator[tuple[str, str]]:
    """Yield names and descriptions of the installed packages that describe themselves at length in Markdown."""
    for package in sorted(distributions(), key=lambda item: item.name.lower()):
        about = package.metadata.json
        text = str(about.get("description", ""))
        kind = str(about.get("description_content_type", ""))
        if kind.startswith("text/markdown") and len(text) > _LONG:
            yield package.name, text


def _page(browser_page: Any, path: Path, name: str, text: str, number: int, most: int) -> Page:
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    style = _STYLE.replace("FONT", _FONTS[number % 3]).replace("SIZE", str(_SIZES[number % 3]))
    browser_page.set_content(f"<!DOCTYPE html><meta charset='utf-8'><style>{style}</style>{html}")
    # Pictures are addresses on other hosts; their badges would be broken icons.
    browser_page.evaluate("() => document.querySelectorAll('img').forEach((picture) => picture.remove())")
    lines = [(text, tuple(box)) for text, box in browser_page.evaluate(_LINES)]
    height = _cut([box for _, box in lines], most)
    browser_page.screenshot(path=str(path), clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
    blocks = [
        (tag, (left, top, right, min(bottom, height)))
        for tag, (left, top, right, bottom) in browser_page.evaluate(_BLOCKS)
        if right > left and bottom > top and top < height
    ]
    return Page(name, path, height, [(text, box) for text, box in lines if box[3] <= height], blocks)


def _cut(boxes: list[Box], most: int) -> int:
    """Return the greatest height of a page, up to `most`, that cuts through no line."""
    height = most
    while any(top < height < bottom for _, top, _, bottom in boxes):
        height -= 1
    return height

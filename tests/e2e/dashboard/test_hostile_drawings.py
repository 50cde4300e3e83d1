"""Tasks and results that would break a page, run code in it or load something: they change nothing but themselves."""

from typing import Any

import pytest

from ..browser import Browser
from ..regions_facts.labelling import region
from ..studio import Json
from .drawing_page import ORIGIN, DrawingPage
from .page_layout import wait_until_fits

WORD = "W" * 1_000_000
MARKUP = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>\0\x1b[31m\u202eabc"
LABELS = [
    {"value": MARKUP, "background": "url(http://evil.test/a.png)"},
    {"value": WORD},
    {"value": "\u05d0" * 80},
]
PAGE = f"""<meta http-equiv="refresh" content="0;url=http://evil.test/refresh"><base href="http://evil.test/">
<link rel=stylesheet href="http://evil.test/style.css"><style>@import url(http://evil.test/i.css);</style>
<style>p {{ background: url(http://evil.test/p.png) }} b {{ color: green }}</style>
<p style="background:url(//evil.test/s.png)" onclick="window.hacked=1">text <b>bold</b></p>
<p title="a > b" style='color: red' data-x=">">green?</p><img src="http://evil.test/i.png" onerror="parent.hacked=1">
<svg onload="parent.hacked=1"><script>parent.hacked=1</script><image href="http://evil.test/v.png"/></svg>
<iframe src="http://evil.test/frame"></iframe><object data="http://evil.test/o"></object><embed src="//evil.test/e">
<video src="http://evil.test/v" autoplay></video><input autofocus onfocus="parent.hacked=1">
<form action="http://evil.test/form"><button id=go>go</button></form>
<a id=out href="http://evil.test/" target=_top>out</a>
<script>parent.hacked=1</script><noscript><img src="http://evil.test/n"></noscript>
<details open ontoggle="parent.hacked=1">x
<textarea>{MARKUP}</textarea><style><p style="x:y"></style><math><mtext><style><img src onerror=parent.hacked=1>"""
PLACE: dict[str, Json] = {
    "labels": {"start": 0, "end": 5},
    "hypertextlabels": {
        "start": "",
        "startOffset": 0,
        "end": "",
        "endOffset": 0,
        "globalOffsets": {"start": 0, "end": 9},
    },
    "paragraphlabels": {"start": "0", "startOffset": 0, "end": "0", "endOffset": 5},
    "timeserieslabels": {"start": 0, "end": 5},
}
#: Module, component, tag, kind of region, data of the task.
CASES: dict[str, tuple[str, str, str, str, Any]] = {
    "text": ("text.js", "TextDrawing", "Text", "labels", MARKUP + WORD),
    "page": ("hypertext.js", "HyperTextDrawing", "HyperText", "hypertextlabels", PAGE),
    "long-page": ("hypertext.js", "HyperTextDrawing", "HyperText", "hypertextlabels", f"<p>{WORD}"),
    "deep-page": (
        "hypertext.js",
        "HyperTextDrawing",
        "HyperText",
        "hypertextlabels",
        "<div><i>" * 2_000 + "x",
    ),
    "paragraphs": (
        "paragraphs.js",
        "ParagraphsDrawing",
        "Paragraphs",
        "paragraphlabels",
        [{"author": MARKUP + WORD, "text": MARKUP + WORD}],
    ),
    "series": (
        "timeseries.js",
        "TimeSeriesDrawing",
        "TimeSeries",
        "timeserieslabels",
        {MARKUP: list(range(10)), WORD[:2000]: list(range(10))},
    ),
    "audio": ("audio.js", "AudioDrawing", "Audio", "labels", ""),
}
BROKEN: list[Any] = [
    None,
    7,
    {},
    {"id": {}, "type": 3, "value": None},
    {"id": "x", "type": "labels", "value": {"start": {}, "end": [], "labels": {"a": 1}}},
    {
        "id": "y",
        "type": "labels",
        "value": {"start": 1e300, "end": -1e300, "labels": [None, 1]},
        "score": "high",
    },
    {"id": "z", "type": "choices", "value": {"choices": MARKUP}},
    {"type": "relation", "from_id": None, "labels": MARKUP},
]


def result_of(kind: str) -> list[Any]:
    """Return regions with every label, values of regions, and items that are no regions."""
    regions = [
        region(f"r{at}", kind, {**PLACE[kind], kind: [label["value"]]}, score=0.5)
        for at, label in enumerate(LABELS)
    ]
    said = region("r0", "textarea", {**PLACE[kind], "text": [MARKUP, WORD]}, from_name="said")
    return [*regions, said, *BROKEN]


def assert_unharmed(drawing: DrawingPage, requested: list[str]) -> None:
    """Assert that nothing of the task ran or was loaded, and that the page is not wider than the screen."""
    assert drawing.page.evaluate("() => window.hacked") is None
    assert [url for url in requested if not url.startswith((ORIGIN, "data:", "blob:", "about:"))] == []
    assert drawing.errors == []
    assert drawing.page.url == f"{ORIGIN}/"
    wait_until_fits(drawing.page)


def click_in_frame(drawing: DrawingPage, selectors: list[str]) -> None:
    """Click on elements of the frame as a person does: Playwright's own clicks run a script in the frame."""
    for selector in selectors:
        drawing.page.wait_for_function(
            "(selector) => document.querySelector('iframe')?.contentDocument?.querySelector(selector)",
            arg=selector,
        )
        x, y = drawing.page.evaluate(
            """(selector) => { const frame = document.querySelector('iframe');
                const element = frame.contentDocument.querySelector(selector);
                element.scrollIntoView({ block: 'center' });
                const [outer, inner] = [frame, element].map((one) => one.getBoundingClientRect());
                return [outer.left + frame.clientLeft + inner.left + 3,
                        outer.top + frame.clientTop + inner.top + 3] }""",
            selector,
        )
        drawing.page.mouse.click(x, y)


@pytest.fixture
def narrow(browser: Browser) -> DrawingPage:
    """A page as wide as a phone."""
    return DrawingPage(browser.new_page(viewport={"width": 320, "height": 800}))


@pytest.mark.parametrize("name", CASES)
def test_hostile_tasks(name: str, narrow: DrawingPage, browser: Browser) -> None:
    module, component, tag, kind, data = CASES[name]
    requested: list[str] = []
    narrow.page.on("request", lambda request: requested.append(request.url))
    narrow.draw(
        module,
        component,
        object={"name": "data", "tag": tag, "attributes": {}},
        controls=[
            {"name": "label", "tag": "Labels", "to_name": ["data"], "labels": LABELS, "attributes": {}}
        ],
        regions=result_of(kind),
        data=data,
        file="",
        title="prediction",
    )
    narrow.page.locator("summary", has_text=f"{len(LABELS) + len(BROKEN) - 2} regions").wait_for()
    click_in_frame(narrow, ["#go", "#out", "details", "mark"] if name == "page" else [])
    assert_unharmed(narrow, requested)
    browser.keep(narrow.page, f"drawing-hostile-{name}")
    narrow.page.context.close()


def test_hostile_values(narrow: DrawingPage, browser: Browser) -> None:
    requested: list[str] = []
    narrow.page.on("request", lambda request: requested.append(request.url))
    kinds = ("choices", "taxonomy", "rating", "number", "datetime", "textarea", "pairwise", "ranker", "other")
    contents: list[Any] = [MARKUP, WORD, None, 5, [MARKUP, WORD, None], {"a": [MARKUP]}, [[MARKUP, WORD]]]
    fields = {"textarea": "text", "pairwise": "selected"}
    regions = [
        {"id": f"{kind}{at}", "type": kind, "from_name": MARKUP, "value": {fields.get(kind, kind): content}}
        for kind in kinds
        for at, content in enumerate(contents)
    ]
    narrow.draw(
        "values.js",
        "ValuesDrawing",
        controls=[],
        regions=[*regions, *BROKEN],
        data={"a": [None, {"id": MARKUP}]},
        title="prediction",
    )
    narrow.page.locator("p.drawing-more button", has_text="values").click()
    narrow.page.locator("[data-type=other]").last.wait_for()
    assert_unharmed(narrow, requested)
    browser.keep(narrow.page, "drawing-hostile-values")
    narrow.page.context.close()

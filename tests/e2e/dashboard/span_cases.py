"""Spans in texts, pages and paragraphs, and scripts that read where the editor and the dashboard highlight them."""

from dataclasses import dataclass, field
from typing import Any

from ..regions_facts.labelling import Labelling, region
from ..regions_facts.round_trip import assert_drawn
from ..studio import Json
from .drawing_page import DrawingPage, tags_of

#: In the editor: id of a region to paragraph (0 in other objects), text before its first piece, and its own text.
IN_EDITOR = """() => Object.fromEntries(SELECTED.regionStore.regions.map((region) => {
    const pieces = (region._spans ?? []).filter((piece) => piece.isConnected);
    if (!pieces.map((piece) => piece.textContent).join('')) return [region.cleanId, null];
    const page = pieces[0].ownerDocument;
    const tag = SELECTED.objects[0];
    const said = tag.layoutClasses ? pieces[0].closest('.' + CSS.escape(tag.layoutClasses.text)) : null;
    const root = said ?? (page === document ? pieces[0].closest('.lsf-htx-richtext') : page.body);
    const phrase = said?.closest('[data-testid^="phrase:"]').dataset.testid.split(':')[1] ?? 0;
    const before = page.createRange();
    before.setStart(root, 0);
    before.setEnd(pieces[0], 0);
    const text = pieces.map((piece) => piece.textContent).join('');
    return [region.cleanId, [Number(phrase), before.toString(), text]] }))"""

#: The same in the dashboard: of each region in the order of the result.
IN_DASHBOARD = """(count) => Array.from({ length: count }, (_, key) => {
    const page = document.querySelector('iframe')?.contentDocument ?? document;
    const pieces = [...page.querySelectorAll('[data-regions]')].filter(
        (piece) => piece.dataset.regions.split(' ').includes(String(key)));
    if (!pieces.length) return null;
    const said = pieces[0].closest('.drawing-said');
    const item = said?.closest('li');
    const root = said ?? (page === document ? pieces[0].closest('.drawing-text') : page.body);
    const before = page.createRange();
    before.setStart(root, 0);
    before.setEnd(pieces[0], 0);
    const index = item ? [...item.parentElement.children].indexOf(item) : 0;
    return [index, before.toString(), pieces.map((piece) => piece.textContent).join('')] })"""


@dataclass
class Case:
    """A task with regions. `missing` has the ids of those that are highlighted in neither."""

    config: str
    data: Any
    places: dict[str, Json]
    kind: str
    module: str
    component: str
    missing: tuple[str, ...] = ()
    options: Json = field(default_factory=dict)

    @property
    def regions(self) -> list[Json]:
        """The items of the result."""
        return [
            region(name, self.kind, {**place, self.kind: ["A", "B"][: 1 + at % 2]})
            for at, (name, place) in enumerate(self.places.items())
        ]

    def draw(self, drawing: DrawingPage) -> None:
        """Show the regions in the dashboard."""
        tags = tags_of(self.config)
        drawing.draw(
            self.module,
            self.component,
            **tags,
            regions=self.regions,
            data=self.data,
            file="",
            title="prediction",
        )


def compare(case: Case, labelling: Labelling, drawing: DrawingPage) -> None:
    """Assert that the editor and the dashboard highlight the same."""
    labelling.open(case.config, {"data": case.data}, case.regions)
    drawn = len(case.places) - len(case.missing)
    labelling.shows(f"() => Object.values(({IN_EDITOR})()).filter(Boolean).length", drawn)
    case.draw(drawing)
    script = f"(count) => ({IN_DASHBOARD})(count).filter(Boolean).length"
    drawing.page.wait_for_function(
        f"([count, drawn]) => ({script})(count) === drawn", arg=[len(case.places), drawn]
    )
    in_dashboard = drawing.page.evaluate(IN_DASHBOARD, len(case.places))
    drawn_at = {name: _plain(found) for name, found in zip(case.places, in_dashboard, strict=True)}
    assert {name for name, found in drawn_at.items() if found is None} == set(case.missing)

    def in_editor() -> Any:
        found = labelling.evaluate(IN_EDITOR)
        return {name: _plain(found.get(name)) for name in case.places}

    assert_drawn(in_editor, drawn_at)
    assert drawing.errors == []


def _plain(found: Any) -> Any:
    """Return a place without line ends, which are characters in one page and elements in another."""
    return found and [
        part.replace("\r", "").replace("\n", "") if isinstance(part, str) else part for part in found
    ]


TEXT = """<View><Labels name="label" toName="data"><Label value="A" background="#ff0000"/><Label value="B"/></Labels>
    <Text name="data" value="$data"/></View>"""
PAGE = """<View><HyperTextLabels name="label" toName="data"><Label value="A"/><Label value="B"/></HyperTextLabels>
    <HyperText name="data" value="$data"/></View>"""
PARAGRAPHS = """<View><ParagraphLabels name="label" toName="data"><Label value="A"/><Label value="B"/></ParagraphLabels>
    <Paragraphs name="data" value="$data" layout="dialogue"/></View>"""


def _span(start: Any, end: Any) -> Json:
    return {"start": start, "end": end}


def _path(start: Any, start_offset: Any, end: Any, end_offset: Any, **more: Any) -> Json:
    return {"start": start, "startOffset": start_offset, "end": end, "endOffset": end_offset, **more}


def _globally(start: int, end: int) -> Json:
    return _path("", 0, "", 0, globalOffsets={"start": start, "end": end})


TEXTS = Case(
    TEXT,
    "a😀b e\u0301 👩‍👩‍👧 שָׁלוֹם\r\nAnn at Acme\nAnn met Ann <b>&amp; \t Ann</b>, مرحبا Ann",
    {
        "face": _span(1, 2),
        "next": _span(2, 3),
        "mark": _span(5, 6),
        "family": _span(7, 12),
        "hebrew": _span(13, 15),
        "lines": _span(18, 26),
        "outer": _span(22, 40),
        "inner": _span(26, 30),
        "same": _span(26, 30),
        "crossing": _span(28, 44),
        "words": _span("45", "48"),
        "whole": _span(50.0, 53.0),
        "minus": _span(-3, 2),
        "over": _span(60, 900),
        "over from a line": _span(22, 900),
        "from a line end": _span(21, 26),
        "from a carriage return": _span(20, 26),
        "to a line end": _span(22, 33),
        "to a line": _span(22, 34),
        "one line end": _span(33, 34),
        "empty": _span(5, 5),
        "backwards": _span(9, 8),
        "fraction": _span(1.5, 3),
        "null": _span(None, 3),
    },
    "labels",
    "text.js",
    "TextDrawing",
    missing=(
        "minus",
        "from a line end",
        "from a carriage return",
        "one line end",
        "empty",
        "backwards",
        "fraction",
        "null",
    ),
)

_LINE, _BOLD = "/p[2]/text()[2]", "/p[3]/b[1]/text()[1]"
PAGES = Case(
    PAGE,
    "<h1 style='color: green'>Ann &amp; Bo</h1>\n <p>a <!-- note -->b\r\n Ann</p><p onclick='x()'>c<br/>d😀ef</p>"
    "<script>var x=1;</script><style>p{color:red}</style><p>e <b>bo</b>ld</p>"
    "<table><tr><td>one<td>two</table><p>&eacute;t&eacute; שלום Ann</p>",
    {
        "amp": _path("/h1[1]/text()[1]", 4, "/h1[1]/text()[1]", 5),
        "face": _path(_LINE, 1, _LINE, 3),
        "after": _path(_LINE, 3, _LINE, 4),
        "bold": _path(_BOLD, 0, _BOLD, 2),
        "cross": _path("/h1[1]/text()[1]", 6, "/p[3]/text()[2]", 1),
        "comment": _path("/p[1]/text()[1]", 1, "/p[1]/text()[1]", 8),
        "cell": _path(
            "/table[1]/tbody[1]/tr[1]/td[2]/text()[1]", 0, "/table[1]/tbody[1]/tr[1]/td[2]/text()[1]", 3
        ),
        "element": _path("/p[4]", 0, "/p[4]", 3),
        "global": _globally(12, 19),
        "both": _path("/p[1]/text()[1]", 0, "/p[1]/text()[1]", 1, globalOffsets={"start": 0, "end": 3}),
        "lost": _path("/p[9]/text()[1]", 0, "/p[9]/text()[1]", 1, globalOffsets={"start": 0, "end": 3}),
        "plain": _span(4, 5),
        "neither": _path("/p[9]/text()[1]", 0, "/p[9]/text()[1]", 1),
        "break": _globally(21, 24),
        "beyond": _globally(50, 900),
        "only": {"globalOffsets": {"start": 4, "end": 5}},
        "fraction": _path("/h1[1]/text()[1]", 0.5, "/h1[1]/text()[1]", 2),
    },
    "hypertextlabels",
    "hypertext.js",
    "HyperTextDrawing",
    missing=("neither", "only", "fraction"),
)

TALKS = Case(
    PARAGRAPHS,
    [
        {"author": "Ann", "text": "Hi 😀 Bob, hi"},
        {"author": "Bob", "text": "Bob 😀 is\nBob, I am Bob", "start": 1.5, "end": 3},
        {"author": "<b>Ann</b>", "text": "Bye <i>Bob</i> שלום"},
    ],
    {
        "face": _path("0", 3, "0", 5),
        "lines": _path("1", 4, "1", 13),
        "across": _path("0", 6, "2", 3),
        "inside": _path("1", 0, "1", 3),
        "markup": _path("2", 4, "2", 14),
        "number": _path(0, 0, 0, 2),
        "far": _path("0", 0, "0", 99),
        "none": _path("7", 0, "7", 1),
    },
    "paragraphlabels",
    "paragraphs.js",
    "ParagraphsDrawing",
    missing=("number", "far", "none"),
)

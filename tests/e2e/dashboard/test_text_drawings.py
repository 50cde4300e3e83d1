"""Spans that the dashboard draws, compared with those that Label Studio's editor draws of the same prediction."""

import pytest

from ..browser import Browser
from ..regions_facts.labelling import Labelling
from .drawing_page import DrawingPage
from .span_cases import PAGES, TALKS, TEXTS, Case, compare


@pytest.mark.parametrize("case", [TEXTS, PAGES, TALKS], ids=["text", "page", "paragraphs"])
def test_spans_are_where_the_editor_draws_them(
    case: Case, labelling: Labelling, drawing: DrawingPage, browser: Browser, request: pytest.FixtureRequest
) -> None:
    compare(case, labelling, drawing)
    browser.keep(drawing.page, f"drawing-{request.node.callspec.id}")

"""Which requests the dashboard answers: those of browsers for a page, and those of the page itself."""

import pytest

from label_studio_ml.http_server.messages import Call
from label_studio_ml.web.security.page_paths import accepts_html, is_dashboard

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (CHROMIUM, True),
        ("text/html", True),
        ("application/json, TEXT/HTML;q=0.1", True),
        ("text/html;q=0, application/json", False),
        ("text/html;q=0.000", False),
        ("*/*", False),
        ("application/json", False),
        ("", False),
        ("text/html2", False),
        ("text/*", False),
    ],
)
def test_only_who_names_html_gets_the_page(accept: str, html: bool) -> None:
    assert accepts_html(accept) is html


@pytest.mark.parametrize(
    ("method", "path", "accept", "dashboard"),
    [
        ("GET", "/", CHROMIUM, True),
        ("HEAD", "/", CHROMIUM, True),
        ("POST", "/", CHROMIUM, False),
        ("GET", "/", "*/*", False),
        ("GET", "/health", CHROMIUM, False),
        ("GET", "/dashboard/static/app.js", "*/*", True),
        ("POST", "/dashboard/static/app.js", "*/*", False),
        ("POST", "/dashboard/api/login", "", True),
        ("GET", "/dashboard/api/now", "", True),
        ("GET", "/dashboards", CHROMIUM, False),
    ],
)
def test_requests_of_the_dashboard(method: str, path: str, accept: str, dashboard: bool) -> None:
    assert is_dashboard(Call(method, path, headers={"accept": accept})) is dashboard

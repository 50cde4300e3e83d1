"""Parts of the dashboard whose answers are late, or whose values come in another order than on a quiet machine."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from label_studio_ml.dashboard.dashboard_page import HEADERS

from ..browser import Browser
from .drawing_page import ORIGIN, DrawingPage

#: Mounts a component as an operator's page has it. `window.ended` has the states of which its `onEnd` was told.
MOUNT = """async ([path, name, props]) => {
    const { html, render } = await import('/dashboard/static/lib/html.js');
    const { setSession } = await import('/dashboard/static/lib/session.js');
    const module = await import('/dashboard/static/' + path);
    setSession({ user: 'ada', role: 'operator', login_required: true, version: '', streams: true });
    window.ended = [];
    const onEnd = (command) => window.ended.push(command.state);
    const host = document.createElement('div');
    document.querySelector('main').append(host);
    render(html`<${module[name]} ...${{ ...props, onEnd }} />`, host) }"""


@pytest.fixture
def page(browser: Browser) -> Iterator[DrawingPage]:
    made = DrawingPage(browser.new_page())
    yield made
    made.page.context.close()


def mount(page: DrawingPage, path: str, name: str, **props: Any) -> None:
    page.page.evaluate(MOUNT, [path, name, props])


def events(*values: tuple[str, Any]) -> str:
    """Return values of topics as server-sent events. A page whose connection ends connects again at once."""
    return "retry: 20\n\n" + "".join(f"event: {key}\ndata: {json.dumps(value)}\n\n" for key, value in values)


def evaluation(state: str) -> dict[str, Any]:
    """Return the command that evaluates a version, in a state."""
    return {
        "id": "x",
        "command": "evaluate",
        "title": "Evaluate",
        "state": state,
        "active": state == "running",
        "options": {"version": "v1"},
        "created": 1.0,
        "lines": [],
    }


def test_the_end_of_a_command_is_told_that_was_never_seen_to_run(page: DrawingPage) -> None:
    body = events(("command:x", evaluation("done")))
    page.files["/dashboard/api/events"] = ("text/event-stream", body.encode())
    mount(page, "parts/command-progress.js", "CommandProgress", id="x")
    expect(page.page.get_by_role("article", name="Evaluate: done")).to_be_visible()
    page.page.wait_for_function("() => window.ended.length")
    assert page.page.evaluate("() => window.ended") == ["done"]


def test_the_end_of_an_evaluation_is_told_although_the_list_has_it_first(page: DrawingPage) -> None:
    def answer(route: Any) -> None:
        (topics,) = parse_qs(urlsplit(route.request.url).query)["topics"]
        values: list[tuple[str, Any]] = [("commands:1.1", [evaluation("running")])]
        if "command:x" in topics.split(","):
            values = [
                *values,
                ("command:x", evaluation("running")),
                ("commands:1.1", [evaluation("done")]),
                ("command:x", evaluation("done")),
            ]
        route.fulfill(body=events(*values), headers={**HEADERS, "Content-Type": "text/event-stream"})

    page.page.route(f"{ORIGIN}/dashboard/api/events*", answer)
    command = {"name": "evaluate", "title": "Evaluate", "help": "", "options": []}
    mount(
        page,
        "views/versions/evaluation-start.js",
        "EvaluationStart",
        command=command,
        project={"uid": "1.1"},
        version={"id": "id-1", "name": "v1"},
        open=True,
    )
    page.page.wait_for_function("() => window.ended.includes('done')")


class FakeLog:
    """The log of a server with one page. Each line has one byte. With `holds`, its answers wait for `release`."""

    def __init__(self, page: Any) -> None:
        self.lines = 1
        self.holds = False
        self._told = 0
        self._waiting: list[Any] = []
        self._held: list[tuple[Any, str]] = []
        page.route(f"{ORIGIN}/dashboard/api/events*", self._events)
        page.route(f"{ORIGIN}/dashboard/api/errors/log*", self._read)

    def grow(self) -> None:
        """Write a line, and tell the page."""
        self.lines += 1
        waiting, self._waiting = self._waiting, []
        for route in waiting:
            self._events(route)

    def _events(self, route: Any) -> None:
        if self._told == self.lines:
            self._waiting.append(route)
            return
        self._told = self.lines
        value = {"file": "server.log", "next": str(self.lines), "size": self.lines}
        body = events(("log:server.log", value))
        route.fulfill(body=body, headers={**HEADERS, "Content-Type": "text/event-stream"})

    def _read(self, route: Any) -> None:
        first = int(parse_qs(urlsplit(route.request.url).query).get("after", ["0"])[0])
        records = [
            {"at": str(line), "level": "INFO", "text": f"line {line}"} for line in range(first, self.lines)
        ]
        common = {"file": "server.log", "records": records, "next": str(self.lines), "skipped": False}
        whole = {
            "first": "",
            "size": self.lines,
            "server": "one",
            "files": ["server.log"],
            "tracebacks": True,
        }
        body = json.dumps(common if first else {**common, **whole})
        if self.holds:
            self._held.append((route, body))
        else:
            route.fulfill(body=body, headers={**HEADERS, "Content-Type": "application/json"})

    @property
    def held(self) -> int:
        """The number of answers that wait."""
        return len(self._held)

    def release(self) -> None:
        """Send the answers that were held, and hold none from now on."""
        self.holds = False
        held, self._held = self._held, []
        for route, body in held:
            route.fulfill(body=body, headers={**HEADERS, "Content-Type": "application/json"})


def has_heard_of(page: DrawingPage, size: int) -> None:
    """Wait until the page has the value of the topic that says this size."""
    expect(page.page.get_by_role("button", name="Download")).to_contain_text(f"({size} byte")


def test_lines_that_come_before_the_first_answer_are_shown(page: DrawingPage) -> None:
    log = FakeLog(page.page)
    log.holds = True
    mount(page, "views/errors/server-log.js", "ServerLog")
    has_heard_of(page, 1)
    log.grow()
    has_heard_of(page, 2)
    assert log.held == 1
    log.release()
    expect(page.page.locator(".log-record")).to_have_text(["line 0", "line 1"])


def test_lines_that_come_during_a_read_are_shown_once(page: DrawingPage) -> None:
    log = FakeLog(page.page)
    mount(page, "views/errors/server-log.js", "ServerLog")
    expect(page.page.locator(".log-record")).to_have_text(["line 0"])
    log.holds = True
    for size in (2, 3):
        log.grow()
        has_heard_of(page, size)
    log.release()
    expect(page.page.locator(".log-record")).to_have_text(["line 0", "line 1", "line 2"])
    log.grow()
    expect(page.page.locator(".log-record")).to_have_text(["line 0", "line 1", "line 2", "line 3"])
    assert page.errors == []


def test_a_time_is_as_long_ago_as_when_it_was_last_drawn(page: DrawingPage) -> None:
    """A training that took 27 s stood beside "begun 20 s ago": the clock was that of the page's last tick."""
    draw = """async (at) => {
        const { html, render } = await import('/dashboard/static/lib/html.js');
        const { Ago } = await import('/dashboard/static/parts/time.js');
        const host = document.querySelector('main');
        render(html`<${Ago} at=${at} />`, host);
        return host.querySelector('time').textContent; }"""
    for seconds, text in ((0, "now"), (27, "27 s ago")):
        page.page.clock.set_fixed_time(1_000_000_000 + seconds)
        assert page.page.evaluate(draw, 1_000_000_000) == text

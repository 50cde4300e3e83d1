"""Values that change while a page is open: when it is hidden, when the server is gone, when the session has ended."""

from typing import Any

from playwright.sync_api import expect

from ..browser import Browser
from ..conftest import MakeBackend
from ..processes import wait_until

#: Records the connections for events that a page has opened.
RECORD = """(() => { const Real = window.EventSource; window.sources = [];
    window.EventSource = class extends Real {
        constructor(...given) { super(...given); window.sources.push(this); } } })()"""

#: The number of connections that are open or being opened.
OPEN = "() => window.sources.filter((source) => source.readyState !== 2).length"


def hide(page: Any, hidden: bool) -> None:
    """Tell the page that the browser has hidden it or shows it again."""
    page.evaluate(
        """(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
            document.dispatchEvent(new Event('visibilitychange')) }""",
        hidden,
    )


def test_a_hidden_page_keeps_no_connection(make_backend: MakeBackend, browser: Browser) -> None:
    backend = make_backend("dummy.py")
    page = browser.new_page()
    page.add_init_script(RECORD)
    page.goto(f"{backend.url}/")
    wait_until(lambda: page.evaluate(OPEN) == 1, "the page follows the server")
    hide(page, True)
    wait_until(lambda: page.evaluate(OPEN) == 0, "a hidden page follows nothing")
    hide(page, False)
    wait_until(lambda: page.evaluate(OPEN) == 1, "it follows the server again")


def test_the_page_says_when_the_server_is_gone_and_goes_on_when_it_is_back(
    make_backend: MakeBackend, browser: Browser
) -> None:
    backend = make_backend("dummy.py")
    page = browser.new_page()
    page.goto(f"{backend.url}/")
    page.wait_for_selector("main h1")
    lost = page.get_by_text("The connection to the server is lost")
    expect(lost).to_have_count(0)
    backend.stop()
    expect(lost).to_be_visible()
    backend.start()
    expect(lost).to_have_count(0)


def test_a_session_that_ends_leads_to_the_login_form(make_backend: MakeBackend, browser: Browser) -> None:
    env = {"BASIC_AUTH_USER": "ada", "BASIC_AUTH_PASS": "secret"}
    backend = make_backend("dummy.py", env=env)
    page = browser.new_page()
    page.goto(f"{backend.url}/#/errors")
    page.fill("input[name=user]", "ada")
    page.fill("input[name=password]", "wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("User or password is wrong")).to_be_visible()
    page.fill("input[name=password]", "secret")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Errors", exact=True)).to_be_visible()
    page.context.clear_cookies()
    # Not with a link: the form may take the place of all links before one can be pressed.
    page.evaluate("() => { location.hash = '#/projects' }")
    expect(page.get_by_role("heading", name="Log in to this ML backend")).to_be_visible()
    page.fill("input[name=user]", "ada")
    page.fill("input[name=password]", "secret")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Projects", exact=True)).to_be_visible()  # where the person was
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to this ML backend")).to_be_visible()

"""A headless Chromium that is logged in to Label Studio."""

from pathlib import Path
from types import TracebackType
from typing import Any

from playwright.sync_api import expect, sync_playwright

from .studio import Studio

#: Keep it off the network and away from what a container does not have.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: Milliseconds after which a page will not show what a test waits for any more.
PATIENCE = 120_000


class Browser:
    """Chromium at `executable`; pictures of its pages go into the folder `artefacts`."""

    def __init__(self, executable: str, artefacts: Path) -> None:
        self.artefacts = artefacts
        artefacts.mkdir(exist_ok=True)
        expect.set_options(timeout=PATIENCE)
        self._driver = sync_playwright().start()
        self._chromium = self._driver.chromium.launch(
            executable_path=executable, headless=True, args=list(FLAGS)
        )

    def __enter__(self) -> "Browser":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._chromium.close()
        self._driver.stop()

    def new_page(self, **options: Any) -> Any:
        """Return a new page of a person who has no session anywhere; `options` are those of its context."""
        context = self._chromium.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        return page

    def logged_in(self, studio: Studio) -> Any:
        """Return a new page whose user has logged in as a person would."""
        page = self.new_page()
        page.goto(f"{studio.url}/user/login/")
        page.fill("input[name=email]", studio.username)
        page.fill("input[name=password]", studio.password)
        page.click("button[type=submit]")
        page.wait_for_url(lambda url: "/user/login" not in url)
        return page

    def keep(self, page: Any, name: str, *, whole: bool = False) -> Path:
        """Save what the page shows as `artefacts/NAME.png`; with `whole`, also what would have to be scrolled to."""
        path = self.artefacts / f"{name}.png"
        page.screenshot(path=str(path), full_page=whole)
        return path

"""The projects' pages beside a real Label Studio: commands from click to predictions, and what Label Studio says."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import expect

from ..backend import Backend
from ..browser import Browser
from ..conftest import MakeBackend
from ..studio import Studio

CONFIG = """<View><Text name="text" value="$text"/><Choices name="choice" toName="text"><Choice value="a"/>
<Choice value="b"/></Choices></View>"""

LOGIN, VIEWER = ("operator", "operator-pass"), ("viewer", "viewer-pass-1")
TASKS = 40


class Pages:
    """A backend with a login, connected to a project, and pages of its dashboard."""

    def __init__(self, studio: Studio, browser: Browser, make: MakeBackend) -> None:
        self.studio, self.browser = studio, browser
        env = {
            **dict(zip(("BASIC_AUTH_USER", "BASIC_AUTH_PASS"), LOGIN, strict=True)),
            **dict(zip(("VIEWER_USER", "VIEWER_PASS"), VIEWER, strict=True)),
        }
        self.backend: Backend = make("paced.py", env=env)
        self.title = "Reviews <b>of</b> \u202ecats"
        self.project = studio.create_project(self.title, CONFIG)
        self.tasks = studio.import_tasks(
            self.project, [{"text": f"text {number}", "sure": 0.5 + number / 100} for number in range(TASKS)]
        )
        studio.add_backend(self.project, self.backend.url, basic_auth=LOGIN)
        self.errors: list[str] = []
        self.opened: list[Any] = []

    def open(self, user: tuple[str, str], view: str = "projects") -> Any:
        """Return a page on a view, logged in as `user`; what its console says as an error is kept."""
        page = self.browser.new_page()
        self.opened.append(page)
        page.on("console", self._keep_errors)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{self.backend.url}/#/{view}")
        page.fill("input[name=user]", user[0])
        page.fill("input[name=password]", user[1])
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("button", name="Log out")).to_be_visible()
        return page

    def _keep_errors(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def open_project(self, user: tuple[str, str]) -> Any:
        page = self.open(user)
        page.get_by_role("link", name=re.compile(rf"^(Project {self.project}|Reviews)")).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Reviews <b>of</b>")
        return page

    @contextmanager
    def no_answers(self) -> Iterator[None]:
        """Let the model answer no request meanwhile."""
        (self.backend.folder / "waits").touch()
        yield
        (self.backend.folder / "waits").unlink()


@pytest.fixture
def pages(label_studio: Studio, browser: Browser, make_backend: MakeBackend) -> Iterator[Pages]:
    made = Pages(label_studio, browser, make_backend)
    yield made
    for page in made.opened:
        page.context.close()


def coverage(page: Any) -> Any:
    return page.locator(".coverage")


def start(page: Any, command: str, **texts: str) -> None:
    """Open the form of a command, fill it in, and press its button."""
    form = page.get_by_role("form", name=command)
    if not form.is_visible():
        page.get_by_text(f"{command} …", exact=True).click()
    for label, text in texts.items():
        form.get_by_label(label.replace("_", " ")).fill(text)
    form.get_by_role("button", name=command).click()


def command(page: Any, title: str, state: str) -> Any:
    return page.get_by_role("article", name=f"{title}: {state}").first


def ask_again(page: Any, text: str) -> None:
    """Let the page ask Label Studio again; the answer, which is no earlier one, says a text."""
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_role("region", name="What Label Studio says")).to_contain_text(text)


def test_predict_rank_and_cancel(pages: Pages, label_studio: Studio) -> None:
    page = pages.open_project(LOGIN)
    expect(coverage(page)).to_contain_text(f"0 of {TASKS} tasks have a prediction of version INITIAL")
    start(page, "Predict tasks", Only_tasks_for_which_it_holds="colour = red")
    expect(page.get_by_role("alert")).to_contain_text("'colour' is no column of Label Studio's tasks")
    pages.browser.keep(page, "project-wrong-option", whole=True)
    pages.errors.clear()  # the console reports that status
    page.get_by_label("Only tasks for which it holds").first.fill("")

    with pages.no_answers():
        start(page, "Predict tasks")
        expect(command(page, "Predict tasks", "running")).to_contain_text(f"of {TASKS} tasks")
        pages.browser.keep(page, "project-predicting", whole=True)
        command(page, "Predict tasks", "running").get_by_role("button", name="Cancel").click()
        expect(command(page, "Predict tasks", "cancelled")).to_contain_text("Cancelled by operator")

    start(page, "Predict tasks")
    expect(command(page, "Predict tasks", "done")).to_contain_text("a prediction of version INITIAL")
    expect(coverage(page)).to_contain_text(f"{TASKS} of {TASKS} tasks have a prediction of version INITIAL")
    stored = label_studio.predictions(pages.project)
    assert sorted(one["task"] for one in stored) == sorted(pages.tasks)
    command(page, "Predict tasks", "done").get_by_role("button", name="Show its output").click()
    expect(command(page, "Predict tasks", "done")).to_contain_text("Version INITIAL, asked from")

    start(page, "Rank tasks", Only_the_first="3")
    expect(command(page, "Rank tasks", "done")).to_contain_text("3 tasks have a score as rank-margin")
    ranked = [one for one in label_studio.predictions(pages.project) if "rank" in one["model_version"]]
    assert sorted(one["task"] for one in ranked) == pages.tasks[:3], "those that the model is least sure of"
    expect(coverage(page)).to_contain_text(f"{TASKS} of {TASKS} tasks")
    pages.browser.keep(page, "project-predicted", whole=True)
    assert pages.errors == []


def test_what_label_studio_says_and_who_may_act(pages: Pages, label_studio: Studio) -> None:
    (webhook,) = label_studio.webhooks(pages.project)
    label_studio.set_webhook_headers(webhook["id"], {"Authorization": "Basic anything"})
    label_studio.call("PATCH", f"/api/projects/{pages.project}/", json={"description": "changed"})
    page = pages.open_project(VIEWER)
    says = page.get_by_role("region", name="What Label Studio says")
    expect(says).to_contain_text("The token of /setup works")
    expect(says).to_contain_text(f"Connected at {pages.backend.url}")
    expect(says).to_contain_text(f"Sends events to {pages.backend.url}/webhook")
    link = page.get_by_role("link", name="Tasks", exact=True)
    expect(link).to_have_attribute("href", re.compile(rf"/projects/{pages.project}/data$"))
    expect(page.get_by_role("button", name="Forget")).to_be_disabled()
    page.get_by_text("Predict tasks …", exact=True).click()
    expect(page.get_by_role("form").get_by_role("button", name="Predict tasks")).to_be_disabled()
    expect(page.get_by_text("Your login may only look: an operator can start it.").first).to_be_visible()
    pages.browser.keep(page, "project-viewer", whole=True)
    refused = page.evaluate(
        """async () => {
            const session = await (await fetch("dashboard/api/session")).json();
            const headers = {"Content-Type": "application/json", "X-CSRF-Token": session.csrf};
            const body = JSON.stringify({command: "predict", project: "1.1"});
            return (await fetch("dashboard/api/commands", {method: "POST", headers, body})).status;
        }"""
    )
    assert refused == 403
    pages.errors.clear()  # the console reports that status

    label_studio.call("PATCH", f"/api/webhooks/{webhook['id']}/", json={"is_active": False})
    ask_again(page, "The webhook is switched off")
    label_studio.call("DELETE", f"/api/webhooks/{webhook['id']}/")
    ask_again(page, "The project has no webhook to this backend")
    expect(says).to_contain_text(f"label-studio-ml connect {pages.backend.folder} --project {pages.project}")
    pages.browser.keep(page, "project-without-webhook", whole=True)
    assert pages.errors == []


def test_a_wrong_token_and_a_forgotten_project(
    label_studio: Studio, browser: Browser, make_backend: MakeBackend
) -> None:
    pages = Pages(label_studio, browser, make_backend)
    page = pages.open_project(LOGIN)
    label_studio.call("DELETE", f"/api/projects/{pages.project}/")
    ask_again(page, "Label Studio has no such project")
    page.get_by_role("button", name="Forget").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(page.get_by_role("heading", name="No project is connected yet")).to_be_visible()
    pages.browser.keep(page, "projects-empty")
    assert pages.errors == []
    page.context.close()

"""The pages of versions: what they do is what `/predict` answers, and what they show fits any screen.

Pictures of them stay in `artefacts/`.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import requests
from playwright.sync_api import expect

from label_studio_ml.evaluation.metrics.results import Confusion, Evaluation, Measured, Selection, WorstTask
from label_studio_ml.versions.evaluation_reports import EvaluationReports
from label_studio_ml.versions.state.project_state import Project, Projects
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import MANIFEST, Manifest

from ..backend import CLI, Backend, clean_environment
from ..browser import Browser
from ..conftest import MakeBackend
from ..processes import wait_until
from ..studio import Studio, choice
from ..test_api_backend import TEXT_CONFIG, settled_version, version_after
from .page_layout import wait_until_fits

UID = "7.1700000000"
OPERATOR, VIEWER = ("operator", "operator-pass"), ("viewer", "viewer-pass-1")
LONG_LABEL = "a label of eighty letters, of which a column of the matrix shows the beginning: ok"
HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[31m"


class Pages:
    """Pages of a backend's dashboard; what their consoles say as errors is kept."""

    def __init__(self, browser: Browser, backend: Backend) -> None:
        self.browser, self.backend = browser, backend
        self.errors: list[str] = []
        self._opened: list[Any] = []

    def open(self, view: str, *, user: tuple[str, str] | None = None, **options: Any) -> Any:
        """Return a page on a view, logged in as `user` if there is one; `options` are those of its context."""
        page = self.browser.new_page(**options)
        self._opened.append(page)
        page.on("console", self._keep_error)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{self.backend.url}/#/{view}")
        if user is not None:
            page.fill("input[name=user]", user[0])
            page.fill("input[name=password]", user[1])
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_role("button", name="Log out")).to_be_visible()
        return page

    def _keep_error(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def close(self) -> None:
        for page in self._opened:
            page.context.close()


@pytest.fixture
def open_pages(browser: Browser) -> Iterator[Any]:
    """Return a function that gives the pages of a backend."""
    made: list[Pages] = []

    def of(backend: Backend) -> Pages:
        made.append(Pages(browser, backend))
        return made[-1]

    yield of
    for pages in made:
        pages.close()


def predicted(backend: Backend, uid: str, label_config: str = TEXT_CONFIG) -> str:
    """Ask `/predict`, and return the name of the version that answers."""
    body = {
        "project": uid,
        "label_config": label_config,
        "tasks": [{"id": 1, "data": {"text": "a whale"}}],
        "params": {},
    }
    answer = requests.post(f"{backend.url}/predict", json=body, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["results"][0]["model_version"])


def confirm(page: Any, action: str) -> None:
    """Press the button of the dialog that asks."""
    page.get_by_role("dialog").get_by_role("button", name=action).click()


def row(page: Any, version: str) -> Any:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=version, exact=True))


def test_what_the_pages_do_is_what_predict_answers(
    label_studio: Studio, make_backend: MakeBackend, open_pages: Any, tmp_path: Path, personal_token: str
) -> None:
    studio = label_studio
    project = studio.create_project("Versions", TEXT_CONFIG)
    texts = {"beluga whale": "Airbus", "jumbo hump": "Boeing", "one whale": "Boeing", "engine": "Airbus"}
    tasks = studio.import_tasks(project, [{"text": text} for text in texts])
    for task, label in list(zip(tasks, texts.values(), strict=True))[:2]:
        studio.annotate(task, choice(label))
    env = {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": personal_token}
    backend = make_backend("seed_class.py", env=env)
    added = studio.add_backend(project, backend.url)
    names = [settled_version(studio, project)]
    for _ in range(2):
        studio.start_training(added)
        names.append(version_after(studio, project, names[-1]))
    _, older, newer = names
    uid = next((backend.folder / "data" / "versions").glob(f"{project}.*")).name
    for webhook in studio.webhooks(project):  # what is annotated now is for the evaluation only
        studio.call("DELETE", f"/api/webhooks/{webhook['id']}/")
    for task, label in list(zip(tasks, texts.values(), strict=True))[2:]:
        studio.annotate(task, choice(label))

    pages = open_pages(backend)
    page = pages.open("versions")  # the only project is chosen by itself
    expect(row(page, newer)).to_contain_text("served")
    expect(row(page, older)).to_contain_text("ready")
    wait_until(lambda: predicted(backend, uid) == newer, "/predict answers with the newest version")
    page.get_by_role("button", name=f"Promote {older}").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"Serve version {older}?")
    pages.browser.keep(page, "versions-promote")
    confirm(page, f"Promote {older}")
    expect(page.get_by_text(f"Version {older} is promoted")).to_be_visible()
    expect(row(page, older)).to_contain_text("served")
    wait_until(lambda: predicted(backend, uid) == older, "/predict answers with the promoted version")

    page.get_by_role("button", name="Roll back").click()
    confirm(page, "Roll back")
    expect(row(page, newer)).to_contain_text("served")
    wait_until(lambda: predicted(backend, uid) == newer, "/predict answers with the version before")
    pages.browser.keep(page, "versions-list")

    page.get_by_role("link", name=newer, exact=True).first.click()
    page.get_by_role("button", name=f"Promote and pin {newer}").click()
    confirm(page, f"Promote and pin {newer}")
    expect(page.locator(".pinned")).to_be_visible()
    page.get_by_role("button", name="Unpin").click()
    confirm(page, "Unpin")
    expect(page.locator(".pinned")).to_have_count(0)

    _download_and_import(page, tmp_path, newer)
    _evaluate(page, pages, studio, tasks)
    _delete(page, backend, uid, older)
    assert pages.errors == []


def _download_and_import(page: Any, tmp_path: Path, version: str) -> None:
    """Download the archive, and let `import` take it in a folder without a server."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    file = tmp_path / "downloaded.tar.gz"
    download.value.save_as(file)
    (other := tmp_path / "other").mkdir()
    taken = subprocess.run(
        [*CLI, "import", str(other), str(file)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert taken.returncode == 0, taken.stdout + taken.stderr
    assert f"Version {version} is imported" in taken.stdout


def _evaluate(page: Any, pages: Pages, studio: Studio, tasks: list[int]) -> None:
    """Start an evaluation on the page, wait for its report, and follow the link of the worst task."""
    expect(page.get_by_text("This version has not been evaluated yet")).to_be_visible()
    page.get_by_role("button", name="Evaluate this version").click()
    # The model says Airbus of the whale that is now a Boeing, and Boeing of the engine that is an Airbus.
    worst = page.get_by_role("group", name="Worst tasks").get_by_role("link", name=f"Task {tasks[2]}")
    expect(worst).to_be_visible()
    matrix = page.get_by_role("group", name="Confusion matrix of choice")
    expect(matrix.get_by_role("row", name=re.compile("^Boeing"))).to_contain_text("Boeing011")
    expect(page.get_by_text(re.compile("^Evaluated .*2 of 4 annotated tasks"))).to_be_visible()
    page.get_by_role("heading", name="Evaluation").scroll_into_view_if_needed()
    pages.browser.keep(page, "version-evaluated")
    link = worst.get_attribute("href")
    assert urlsplit(link).netloc == urlsplit(studio.url).netloc
    labelling = pages.browser.logged_in(studio)
    labelling.goto(link)
    expect(labelling.get_by_text("one whale").first).to_be_visible()
    labelling.context.close()


def _delete(page: Any, backend: Backend, uid: str, version: str) -> None:
    page.get_by_role("link", name="All versions of the project").click()
    row(page, version).get_by_role("link", name=version, exact=True).click()
    page.get_by_role("button", name="Delete", exact=True).click()
    confirm(page, "Delete")
    page.wait_for_url(f"**/#/versions/{uid}")  # the page of a version has no rows, either
    expect(page.get_by_role("table", name="Versions")).to_be_visible()
    expect(row(page, version)).to_have_count(0)
    left = [one.name for one in VersionStore(backend.folder / "data").versions(uid)]
    assert left != []
    assert version not in left


def _make_versions(data: Path, number: int) -> None:
    """Write versions, of which one is rejected, one does not load, one has a hostile name, and one a report."""
    Projects(data).put(
        Project(uid=UID, title=f"Reviews {HOSTILE}", hostname="http://localhost:1", label_config=TEXT_CONFIG)
    )
    store = VersionStore(data)
    for at in range(number):
        folder = store.folder(UID, f"id-{at:03}")
        folder.mkdir(parents=True)
        name = f"{HOSTILE} {'w' * 150}" if at == number - 4 else f"v{at:03}"
        manifest = Manifest(
            id=folder.name,
            name=name.replace("\x1b", ""),
            project=UID,
            fence=at,
            created=f"2026-01-{1 + at % 28:02}T10:00:00+00:00",
            parent=f"v{at - 1:03}" if at else "",
            metrics={"accuracy": 0.5 + at / 1000, "val_loss": 1 / (at + 1), HOSTILE: 1.23456789},
            annotations=100 + at,
            source=f"Label Studio {HOSTILE}",
            gate="accuracy is 0.1, not >= 0.9" if at == number - 1 else "",
        )
        (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    store.record_failure(UID, f"id-{number - 2:03}", f"ModelLoadError: {HOSTILE} {'w' * 100_000}")
    labels = ["good", LONG_LABEL, HOSTILE, "\u0633\u0644\u0627\u0645"]
    report = Evaluation(
        project="7",
        version="v",
        created="2026-11-30T10:00:00+00:00",
        source=HOSTILE,
        tasks=Selection(how="held out", annotated=90, used=40, seen=0),
        failed=1,
        failures=[HOSTILE],
        controls={
            HOSTILE: Measured(
                kind="choices",
                tasks=40,
                metrics={"accuracy": 0.8712345},
                labels={label: {"precision": 0.51234567, "support": 12.0} for label in labels},
                confusion=Confusion(labels, [[9, 1, 0, 0], [2, 7, 1, 0], [0, 0, 8, 2], [1, 0, 0, 9]]),
            )
        },
        not_measured={HOSTILE: HOSTILE},
        worst_tasks=[
            WorstTask(task=5, agreement=0.5, annotated={LONG_LABEL: 2}, predicted={HOSTILE: 1}),
            WorstTask(task=6, agreement=0.0, error=HOSTILE),
        ],
    )
    EvaluationReports(store).put(UID, f"id-{number - 3:03}", report.to_json())
    store.announce(UID)


def test_two_hundred_versions_hostile_texts_and_a_viewer(make_backend: MakeBackend, open_pages: Any) -> None:
    env = {
        **dict(zip(("BASIC_AUTH_USER", "BASIC_AUTH_PASS"), OPERATOR, strict=True)),
        **dict(zip(("VIEWER_USER", "VIEWER_PASS"), VIEWER, strict=True)),
    }
    backend = make_backend("seed_class.py", env=env)
    pages = open_pages(backend)
    page = pages.open("versions", user=VIEWER)
    expect(page.get_by_text("No project is connected yet")).to_be_visible()
    pages.browser.keep(page, "versions-empty")
    _make_versions(backend.folder / "data", 200)
    expect(page).to_have_url(
        re.compile(re.escape(f"#/versions/{UID}"))
    )  # the first project is shown by itself
    page.reload()

    expect(row(page, "v199")).to_contain_text("held back")
    expect(row(page, "v199")).to_contain_text("The metric gate rejected it: accuracy is 0.1, not >= 0.9")
    expect(row(page, "v198")).to_contain_text("failed to load")
    expect(page.get_by_text("1 to 25 of 200")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(26)
    expect(page.get_by_role("button", name="Promote v199")).to_be_disabled()
    expect(page.get_by_role("button", name="Roll back")).to_be_disabled()
    page.get_by_label("Search by name, state, parent or job").fill("v05")
    expect(page.get_by_text("v050", exact=True).first).to_be_visible()
    page.goto(f"{backend.url}/#/versions/{UID}")
    expect(page.get_by_label("Search by name, state, parent or job")).to_have_value("")
    for width, height in ((1400, 900), (320, 640), (700, 450)):
        page.set_viewport_size({"width": width, "height": height})
        for view, name in (
            ("", "list"),
            ("/id-197", "report"),
            ("/id-196", "hostile"),
            ("/id-198", "failed"),
        ):
            page.goto(f"{backend.url}/#/versions/{UID}{view}")
            expect(page.get_by_text(view[1:] or "1 to 25 of 200", exact=True)).to_be_visible()
            if name == "report":
                expect(page.locator("table.confusion")).to_be_visible()
                page.get_by_role("heading", name="Confusion matrix").scroll_into_view_if_needed()
            wait_until_fits(page)
            pages.browser.keep(page, f"versions-{name}-{width}")
    expect(page.locator("main img")).to_have_count(0)
    page.goto(f"{backend.url}/#/versions/{UID}?compare=id-195,id-197,id-199")
    expect(page.get_by_role("group", name="Versions side by side")).to_contain_text("better")
    pages.browser.keep(page, "versions-side-by-side")
    assert pages.errors == []
    _viewer_cannot_act(page, backend)


def _viewer_cannot_act(page: Any, backend: Backend) -> None:
    """Send what the buttons send, with the viewer's session: nothing changes."""
    for action in ("promote", "rollback", "unpin", "delete"):
        status = page.evaluate(
            """async ([path, body]) => {
                const session = await (await fetch("dashboard/api/session")).json();
                const headers = {"Content-Type": "application/json", "X-CSRF-Token": session.csrf};
                return (await fetch(path, {method: "POST", headers, body})).status;
            }""",
            [
                f"dashboard/api/versions/{UID}/{action}",
                json.dumps({"version": "id-001", "versions": ["id-001"]}),
            ],
        )
        assert status == 403, action
    assert len(VersionStore(backend.folder / "data").versions(UID)) == 200

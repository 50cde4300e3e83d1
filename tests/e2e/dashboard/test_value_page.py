"""Whether predictions help: a person accepts, changes and throws away predictions, and the page counts it."""

import re
from typing import Any

from playwright.sync_api import expect

from ..browser import Browser
from ..conftest import MakeBackend
from ..processes import wait_until
from ..regions_facts.labelling import SELECTED, region
from ..studio import Json, Studio

CONFIG = (
    '<View><Labels name="label" toName="data"><Label value="Person"/><Label value="Place"/></Labels>'
    '<Text name="data" value="$text"/></View>'
)

VERSION = "imported-1"


def spans() -> list[Json]:
    """Return a prediction of two spans of "Ada in Rome"."""
    return [
        region("a", "labels", {"start": 0, "end": 3, "text": "Ada", "labels": ["Person"]}),
        region("b", "labels", {"start": 7, "end": 11, "text": "Rome", "labels": ["Place"]}),
    ]


def submit(page: Any, submitted: list[int], change: str) -> None:
    """Wait for the next task of the labelling stream, change the annotation by JavaScript, and submit it.

    `submitted` has the tasks before it: the page shows the last of them until the next one comes.
    """
    page.wait_for_function(
        f"""(submitted) => window.Htx?.task && !submitted.includes(window.Htx.task.id)
            && {SELECTED}?.type === 'annotation' && {SELECTED}.regionStore.regions.length === 2""",
        arg=submitted,
    )
    page.wait_for_function(f"() => {SELECTED}.objects.every((tag) => tag.isReady !== false)")
    page.evaluate(change.replace("SELECTED", SELECTED))
    button = page.get_by_role("button", name=re.compile("^submit", re.I)).first
    expect(button).to_be_enabled()
    with page.expect_response(
        lambda answer: "/annotations" in answer.url and answer.request.method == "POST"
    ) as posted:
        button.click()
    assert posted.value.status < 300, posted.value.text()
    submitted.append(posted.value.json()["task"])


def test_accepted_changed_and_discarded_predictions(
    label_studio: Studio, make_backend: MakeBackend, browser: Browser
) -> None:
    studio = label_studio
    project = studio.create_project("Do predictions help", CONFIG)
    predictions = [{"result": spans(), "model_version": VERSION, "score": 0.5}]
    tasks = [{"data": {"text": "Ada in Rome"}, "predictions": predictions} for _ in range(3)]
    studio.call("POST", f"/api/projects/{project}/import", json=tasks)
    fields = {"model_version": VERSION, "show_collab_predictions": True}
    studio.call("PATCH", f"/api/projects/{project}/", json=fields)
    page = browser.logged_in(studio)
    page.goto(f"{studio.url}/projects/{project}/data?labeling=1")
    submitted: list[int] = []
    for change in (
        "() => null",
        "() => SELECTED.deleteRegion(SELECTED.regionStore.regions[0])",
        "() => [...SELECTED.regionStore.regions].forEach((region) => SELECTED.deleteRegion(region))",
    ):
        submit(page, submitted, change)
    assert len(set(submitted)) == 3

    env = {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": studio.token}
    backend = make_backend("dummy.py", env=env)
    studio.add_backend(project, backend.url)
    dashboard = browser.new_page()
    dashboard.goto(f"{backend.url}/#/value")
    expect(dashboard.get_by_role("heading", name="Not measured yet")).to_be_visible()
    dashboard.get_by_role("button", name="Measure").click()
    row = dashboard.get_by_role("row").filter(has_text=VERSION).first
    expect(row).to_be_visible()
    expect(row.get_by_role("cell")).to_have_text(
        [*(re.compile(rf"^\s*{number}\b") for number in (3, 1, 1, 1, 0, 0)), re.compile(r"\d s$")]
    )  # Label Studio has measured the time
    dashboard.get_by_text(f"Labels of version {VERSION}").click()
    labels = dashboard.get_by_role("group", name=f"Labels of version {VERSION}")

    def counts() -> dict[str, list[str]]:
        rows = [row.inner_text().split() for row in labels.locator("tbody tr").all()]
        return {name: numbers for name, *numbers in rows}

    wait_until(lambda: len(counts()) == 2, "the labels are shown")
    assert counts() == {"Person": ["1", "0", "2", "0"], "Place": ["2", "0", "1", "0"]}
    browser.keep(dashboard, "dashboard-value")

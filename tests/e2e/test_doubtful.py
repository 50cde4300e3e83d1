"""`evaluate --doubtful` on scikit-learn's digits with planted errors: the list, and the tab in a real Label Studio."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy
from playwright.sync_api import Page, expect
from sklearn.datasets import load_digits

from .backend import CLI, clean_environment
from .browser import Browser
from .conftest import ROOT
from .studio import Studio, choice

CONFIG = f"""<View><Table name="pixels" value="$pixels"/><Choices name="digit" toName="pixels" choice="single">
{"".join(f'<Choice value="{digit}"/>' for digit in range(10))}</Choices></View>"""
TASKS, ERRORS = 200, 8


def _run(folder: Path, studio: Studio, project: int, *options: str) -> subprocess.CompletedProcess[str]:
    env = {"LABEL_STUDIO_API_KEY": studio.token}
    command = [*CLI, "evaluate", str(folder), "--project", str(project), "--url", studio.url]
    return subprocess.run(
        [*command, "--json", *options],
        env=clean_environment(env),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def _evaluate(folder: Path, studio: Studio, project: int, *options: str) -> dict[str, Any]:
    done = _run(folder, studio, project, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def _tasks_of_tab(studio: Studio, project: int, tab: int) -> list[int]:
    """Return the tasks of a tab as the Data Manager's page requests them."""
    answer = studio.call("GET", f"/api/tasks/?project={project}&view={tab}&page_size=100")
    return [task["id"] for task in answer["tasks"]]


def _titles(studio: Studio, project: int) -> list[str]:
    return [view["data"]["title"] for view in studio.call("GET", f"/api/dm/views/?project={project}")]


def _change(page: Page) -> None:
    """Change the open tab, which the page then saves with the fields that it knows."""
    is_saved = lambda answer: "/api/dm/views/" in answer.url and answer.request.method in ("PATCH", "PUT")  # noqa: E731
    with page.expect_response(is_saved):
        page.get_by_label("Switch to grid view").click()


def _digits(studio: Studio) -> tuple[int, list[int]]:
    """Make a project of labelled digits; return its id and those of its tasks, of which the first ERRORS are wrong."""
    digits = load_digits()
    order = numpy.random.default_rng(0).permutation(len(digits.target))[:TASKS]
    rows = [{f"p{place}": float(value) for place, value in enumerate(digits.data[index])} for index in order]
    project = studio.create_project("Doubtful digits", CONFIG)
    labelled = []
    for number, (row, index) in enumerate(zip(rows, order, strict=True)):
        shift = 1 + number % 9 if number < ERRORS else 0
        label = str((int(digits.target[index]) + shift) % 10)
        annotation = {"result": choice(label, "pixels", "digit")}
        labelled.append({"data": {"pixels": row}, "annotations": [annotation]})
    answer = studio.call("POST", f"/api/projects/{project}/import?return_task_ids=true", json=labelled)
    return project, answer["task_ids"]


def test_planted_errors_in_a_tab(label_studio: Studio, browser: Browser, tmp_path: Path) -> None:
    studio = label_studio
    folder = tmp_path / "digits"
    folder.mkdir()
    shutil.copy(ROOT / "src" / "label_studio_ml" / "gallery" / "models" / "tabular" / "model.py", folder)
    project, tasks = _digits(studio)
    planted = set(tasks[:ERRORS])

    report = _evaluate(folder, studio, project, "--doubtful", "20", "--folds", "2", "--order")
    listed = [doubt["task"] for doubt in report["doubts"]]
    assert len(listed) == 20
    assert len(planted & set(listed)) >= 7
    for doubt in report["doubts"]:
        assert doubt["given"] != doubt["predicted"]
        assert doubt["url"].endswith(
            f"/projects/{project}/data?task={doubt['task']}&annotation={doubt['annotation']}"
        )
    assert not list((folder / "data").glob("versions/*/*")), "nothing is published"

    found = re.fullmatch(rf"{re.escape(studio.url)}/projects/{project}/data\?tab=(\d+)", report["tab"])
    assert found is not None, report["tab"]
    assert _tasks_of_tab(studio, project, int(found[1])) == listed, "in the order of the list"

    page = browser.logged_in(studio)
    page.goto(report["tab"])
    expect(page.get_by_text("Doubtful labels", exact=True).first).to_be_visible()
    for task in listed[:3]:
        expect(page.get_by_text(str(task), exact=True).first).to_be_visible()
    browser.keep(page, "doubtful-tab")
    first = report["doubts"][0]
    page.goto(first["url"])
    (given,) = first["given"]
    page.wait_for_selector(f"input[name='{given}']:checked", state="attached")
    browser.keep(page, "doubtful-annotation")

    # Again, after a person has changed the tab: it is made anew, not beside the first one; without --order it stores
    # nothing. A person's own tabs stay, also one with the title that is asked for.
    page.goto(report["tab"])
    _change(page)
    own = {"project": project, "data": {"title": "Mine", "type": "list", "target": "tasks"}}
    studio.call("POST", "/api/dm/views/", json=own)
    before = _titles(studio, project)
    refused = _run(folder, studio, project, "--doubtful", "5", "--folds", "2", "--tab", "Mine")
    assert refused.returncode == 1
    assert f"Project {project} has a tab 'Mine' that this command has not made" in " ".join(
        refused.stderr.split()
    )
    again = _evaluate(folder, studio, project, "--doubtful", "5", "--folds", "2")
    assert sorted(_titles(studio, project)) == sorted(before)
    assert before.count("Doubtful labels") == 1
    shown = _tasks_of_tab(studio, project, int(again["tab"].rpartition("=")[2]))
    assert shown == sorted(doubt["task"] for doubt in again["doubts"])

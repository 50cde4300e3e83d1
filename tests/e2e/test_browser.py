"""What an annotator sees. The pictures stay in `artefacts/`."""

import contextlib
import re
from typing import Any

from playwright.sync_api import TimeoutError as Late
from playwright.sync_api import expect

from .browser import Browser
from .conftest import MakeBackend
from .processes import wait_until
from .studio import Studio, choice
from .test_api_backend import TEXT_CONFIG, says, settled_version, version_after


def test_labeling_page_shows_the_prediction(
    label_studio: Studio, make_backend: MakeBackend, browser: Browser
) -> None:
    studio = label_studio
    project = studio.create_project("Seen in a browser", TEXT_CONFIG)
    texts = ["beluga whale", "jumbo hump", "a whale", "a hump"]
    whale, hump, first, second = studio.import_tasks(project, [{"text": text} for text in texts])
    studio.annotate(whale, choice("Airbus"))
    studio.annotate(hump, choice("Boeing"))
    backend = studio.add_backend(project, make_backend("seed_class.py").url)
    untrained = settled_version(studio, project)
    studio.start_training(backend)
    version = version_after(studio, project, untrained)
    says(studio, project, {first: "Airbus", second: "Boeing"}, version)

    page = browser.logged_in(studio)
    for task, label, other in ((first, "Airbus", "Boeing"), (second, "Boeing", "Airbus")):
        page.goto(f"{studio.url}/projects/{project}/data?task={task}")
        predictions = page.locator(".lsf-annotation-button:has(.lsf-annotation-button__userpic_prediction)")
        # One tab for each version. Label Studio shortens a long name in the middle.
        prediction = predictions.filter(has_text=re.compile(re.escape(version[-6:])))
        # The page draws its tabs more than once while it loads: what is asked of them is asked until it holds.
        expect(predictions).to_have_count(2)
        begin, _, _ = prediction.locator(".lsf-annotation-button__name").inner_text().partition("...")
        assert version.startswith(begin)
        expect(prediction.locator("[title='Prediction score = 0.5']")).to_have_count(1)
        checked = page.locator(f"input[name={label}]:checked")

        def shown(prediction: Any = prediction, checked: Any = checked) -> bool:
            """Click; a click on a tab that is drawn anew just then is lost."""
            prediction.click()
            with contextlib.suppress(Late):
                checked.wait_for(state="attached", timeout=5_000)
            return bool(checked.count())

        wait_until(shown, f"the tab shows {label}")
        expect(page.locator(f"input[name={other}]:checked")).to_have_count(0)
        browser.keep(page, f"prediction-{label.lower()}")

    # "Label All Tasks": the annotation that the person is about to submit starts as the prediction.
    page.goto(f"{studio.url}/projects/{project}/data?labeling=1")
    page.wait_for_selector("input[name=Airbus]:checked", state="attached")
    expect(page.locator("input[name=Boeing]:checked")).to_have_count(0)
    browser.keep(page, "label-all-tasks")

    # The card of the backend in the project's settings.
    page.goto(f"{studio.url}/projects/{project}/settings/ml")
    page.get_by_text("Connected", exact=True).wait_for()
    assert page.get_by_text(re.compile(r"Error|Disconnected")).count() == 0
    browser.keep(page, "settings-connected")

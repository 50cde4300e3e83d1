"""The model files of docs/guides/migrate.md: the older ones run unchanged, and the new one predicts the same labels."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .backend import Backend
from .conftest import ROOT
from .processes import wait_until
from .studio import Studio, choice, chosen

PAGE = (ROOT / "docs" / "guides" / "migrate.md").read_text()

#: Name of each model file on the page -> its text.
MODELS = dict(re.findall(r"<!-- model: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))

CONFIG = """<View><Text name="text" value="$text"/><Choices name="choice" toName="text">
<Choice value="Boeing"/><Choice value="Airbus"/></Choices></View>"""

LABELLED = {
    "a jumbo with a hump": "Boeing",
    "beluga the whale": "Airbus",
    "the dreamliner of carbon": "Boeing",
    "a double decker": "Airbus",
}
UNSEEN = {"the jumbo of carbon": "Boeing", "a whale that is a double decker": "Airbus"}


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A backend's folder with one of the page's model files and nothing else."""
    folder = tmp_path / "my_backend"
    folder.mkdir()
    (folder / "model.py").write_text(MODELS[request.param])
    return folder


@pytest.fixture
def backend(folder: Path, label_studio: Studio) -> Iterator[Backend]:
    env = {"LABEL_STUDIO_URL": label_studio.url, "LABEL_STUDIO_API_KEY": label_studio.token}
    backend = Backend(folder, folder.with_suffix(".log"), env=env)
    backend.start()
    yield backend
    assert not backend.stop(), backend.output()[-4000:]


def test_the_page_has_its_models() -> None:
    assert set(MODELS) == {"before-1", "before-2", "after"}


@pytest.mark.parametrize("folder", sorted(MODELS), indirect=True)
def test_each_model_learns_the_same(backend: Backend, label_studio: Studio) -> None:
    studio = label_studio
    project = studio.create_project("migrate", CONFIG)
    tasks = dict(
        zip(
            [*LABELLED, *UNSEEN],
            studio.import_tasks(project, [{"text": text} for text in [*LABELLED, *UNSEEN]]),
            strict=True,
        )
    )
    connected = studio.add_backend(project, backend.url)
    for text, label in LABELLED.items():
        studio.annotate(tasks[text], choice(label, from_name="choice"))
    studio.start_training(connected)
    wanted = {tasks[text]: label for text, label in UNSEEN.items()}

    def right() -> bool:
        studio.retrieve_predictions(project, list(wanted))
        newest = {
            entry["task"]: entry
            for entry in sorted(studio.predictions(project), key=lambda entry: int(entry["id"]))
        }
        labels = {task: chosen(newest[task]) for task in wanted if task in newest and newest[task]["result"]}
        return labels == wanted

    wait_until(right, "the trained model predicts the right labels", 240.0, every=0.5)

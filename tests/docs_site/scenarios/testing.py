"""docs/testing.md: the fixtures of pytest."""

import shutil
from pathlib import Path

from label_studio_ml import samples
from label_studio_ml.pytest_plugin.tested_backend import Backend, label_config_of

from ..snippets import Snippet, scenario

MODEL = Path(__file__).parents[2] / "data" / "test_kit_models" / "span_model.py"
ANIMALS = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    '<Choice value="Dog"/><Choice value="Cat"/></Choices></View>'
)


@scenario("docs/testing.md", "def test_what_a_project_will_ask_of_the_class(backend):")
def tests_with_fixtures(snippet: Snippet) -> None:
    folder = snippet.folder / "backend"
    folder.mkdir()
    shutil.copy(MODEL, folder / "model.py")
    config = label_config_of(folder, None)
    backend = Backend(folder, config)
    tests = snippet.run()
    tests["test_what_a_project_will_ask_of_the_class"](backend)
    tests["test_a_prediction"](backend, samples.tasks(config, 6))
    learning = snippet.folder / "learning"
    learning.mkdir()
    shutil.copy(MODEL.with_name("event_model.py"), learning / "model.py")
    tests["test_it_learns"](Backend(learning, ANIMALS), samples.tasks(ANIMALS, 6))

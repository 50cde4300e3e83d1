"""docs/guides/migrate.md: the three model files. tests/e2e/test_migrate.py runs them with a real Label Studio."""

from types import SimpleNamespace
from typing import Any

from label_studio_ml import regions
from label_studio_ml.controls import Controls

from ..snippets import Snippet, scenario
from .material import MOODS, collection, labelled

TEXTS = ["a lovely day", "what lovely soup", "cold rain", "cold soup"]
LABELS = ["Good", "Good", "Bad", "Bad"]


def _tasks() -> list[dict[str, Any]]:
    mood = Controls(MOODS)["mood"]
    return labelled(MOODS, [[regions.choices(mood, label)] for label in LABELS], text=TEXTS)


def _chosen(predictions: list[Any]) -> list[str]:
    return [each["result"][0]["value"]["choices"][0] for each in predictions]


@scenario("docs/guides/migrate.md", "def fit(self, completions, workdir=None")
def the_first_generation(snippet: Snippet) -> None:
    classifier = snippet.run()["TextClassifier"]
    tasks = _tasks()
    tasks[0]["annotations"].insert(0, {"was_cancelled": True, "result": []})
    model = classifier(label_config=MOODS)
    assert model.predict(tasks) == []
    output = model.fit([*tasks[1:], tasks[0], _tasks()[0]], workdir=str(snippet.folder))
    assert _chosen(classifier(label_config=MOODS, train_output=output).predict(_tasks())) == LABELS


class StandInStudio:
    """A client of Label Studio's API with the one call that the page makes."""

    def __init__(self, *, base_url: str, api_key: str) -> None:
        self.tasks = SimpleNamespace(list=self._list)

    def _list(self, *, project: str, fields: str) -> list[Any]:
        return [SimpleNamespace(**{"annotations": None, **task}) for task in self.labelled]

    labelled: list[dict[str, Any]]


@scenario("docs/guides/migrate.md", "def fit(self, event, data, **kwargs):")
def the_second_generation(snippet: Snippet) -> None:
    """Key/value pairs are in a dict, which a backend keeps for the project."""
    kept: dict[str, str] = {}
    snippet.patch.setattr("label_studio_sdk.LabelStudio", StandInStudio)
    snippet.patch.setenv("LABEL_STUDIO_URL", "http://label-studio.invalid")
    snippet.patch.setenv("LABEL_STUDIO_API_KEY", "a-token")
    snippet.patch.setenv("MODEL_DIR", str(snippet.folder))
    found = snippet.run()["TextClassifier"]
    classifier = type(
        "Classifier",
        (found,),
        {"get": lambda self, key: kept.get(key), "set": lambda self, key, value: kept.update({key: value})},
    )
    model = classifier(label_config=MOODS, project_id="7")
    assert model.predict(_tasks()).predictions == []
    StandInStudio.labelled = _tasks()[:1]
    model.fit("START_TRAINING", {})
    assert kept == {"model_version": "0.0.1"}
    StandInStudio.labelled = _tasks()
    model.fit("START_TRAINING", {})
    answer = model.predict(_tasks()).model_dump()
    assert (_chosen(answer["predictions"]), answer["model_version"]) == (LABELS, "trained on 4")


@scenario("docs/guides/migrate.md", "def fit(self, annotations, workdir, **kwargs):")
def the_new_class(snippet: Snippet) -> None:
    classifier = snippet.run()["TextClassifier"]
    model = classifier(label_config=MOODS)
    assert model.predict(_tasks()) == [{"result": []}] * 4
    output = model.fit(collection(_tasks()), snippet.folder)
    assert output["labelled"] == 4
    assert _chosen(classifier(label_config=MOODS, train_output=output).predict(_tasks())) == LABELS

"""`label-studio-ml rank`: the order in which a real Label Studio hands out tasks."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .backend import CLI, clean_environment
from .conftest import MODELS, ROOT, MakeBackend
from .studio import Studio, choice

CONFIG = """<View><Text name="text" value="$text"/><Choices name="choice" toName="text"><Choice value="a"/>
<Choice value="b"/></Choices></View>"""

SURE = [0.9, 0.55, 0.7, 0.99, 0.6]
PLACES = [0.0, 1.0, 10.0, 4.0, 0.1]


class Ranking:
    """A project whose tasks say how sure the model is of them."""

    def __init__(self, studio: Studio, folder: Path, sure: list[float]) -> None:
        self.studio, self.folder = studio, folder
        folder.mkdir()
        shutil.copy(MODELS / "sure.py", folder / "model.py")
        self.project = studio.create_project("ranked", CONFIG)
        data = [{"text": "x", "sure": one, "place": place} for one, place in zip(sure, PLACES, strict=True)]
        self.ids = studio.import_tasks(self.project, data)

    def rank(self, *arguments: str, code: int = 0) -> str:
        env = {"LABEL_STUDIO_URL": self.studio.url, "LABEL_STUDIO_API_KEY": self.studio.token}
        command = [*CLI, "rank", str(self.folder), "--project", str(self.project), *arguments]
        done = subprocess.run(
            command, env=clean_environment(env), capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def in_manager(self) -> list[int]:
        """Return the tasks as the Data Manager orders them by prediction score, the lowest first."""
        query = '{"ordering": ["tasks:predictions_score"]}'
        path = f"/api/tasks/?project={self.project}&query={query}"
        found: dict[str, Any] = self.studio.call("GET", path)
        return [self.ids.index(task["id"]) for task in found["tasks"]]

    def labelled(self, count: int) -> list[int]:
        """Label tasks as they are handed out, and return which they were."""
        done = []
        for _ in range(count):
            task = self.studio.next_task(self.project)["id"]
            self.studio.annotate(task, choice("a"))
            done.append(self.ids.index(task))
        return done

    def versions(self) -> list[str]:
        path = f"/api/projects/{self.project}/model-versions/"
        return [re.sub(r"-\d{8}-\d{6}$", "", name) for name in self.studio.call("GET", path)]


@pytest.fixture
def ranking(label_studio: Studio, tmp_path: Path) -> Ranking:
    return Ranking(label_studio, tmp_path / "sure", SURE)


def test_the_least_certain_first(ranking: Ranking) -> None:
    said = ranking.rank("--by", "margin")
    assert f"  task {ranking.ids[1]}: 0.1000\n  task {ranking.ids[4]}: 0.2000\n" in said
    assert ranking.in_manager() == [1, 4, 2, 0, 3]
    assert ranking.labelled(3) == [1, 4, 2]

    ranking.rank("--by", "entropy", "--top", "1")
    assert ranking.versions() == ["rank-entropy"], "earlier scores are gone"
    assert ranking.labelled(1) == [0]


def test_the_most_different_first(ranking: Ranking) -> None:
    ranking.studio.annotate(ranking.ids[0], choice("a"))
    ranking.rank("--by", "diversity")
    assert ranking.labelled(4) == [2, 3, 1, 4]


def test_what_stands_for_most_first(ranking: Ranking) -> None:
    """The second and fifth are where the model is torn, near each other and near the first; then the far ones."""
    ranking.rank("--by", "coverage")
    assert ranking.in_manager() == [4, 2, 1, 3, 0]
    assert ranking.labelled(1) == [4]
    ranking.rank("--by", "coverage", "--top", "2")
    assert ranking.labelled(2) == [2, 1]


def test_the_play_is_what_it_is_without_label_studio(label_studio: Studio) -> None:
    """The example's first rounds: backend connected, trained by webhook, ranked, labelled in that order."""
    env = {"LABEL_STUDIO_URL": label_studio.url, "LABEL_STUDIO_API_KEY": label_studio.token}
    play = ROOT / "examples" / "active_learning" / "play.py"
    command = [sys.executable, str(play), "--most", "15"]
    done = subprocess.run(
        command, env=clean_environment(env), capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    end = json.loads(done.stdout.splitlines()[-1])
    assert end["labels"] == 15
    assert end["as_without_label_studio"], done.stdout


def test_a_model_that_says_too_little(label_studio: Studio, tmp_path: Path) -> None:
    ranking = Ranking(label_studio, tmp_path / "sure", [-0.3, -0.1, -0.5, -0.4, -0.2])
    said = ranking.rank("--by", "margin", code=1)
    assert "has no 'probabilities', which --by margin needs" in said
    assert ranking.versions() == []
    ranking.rank("--by", "least-confidence", "--no-select")
    assert ranking.versions() == ["rank-least-confidence"]
    stored = {one["task"]: one["score"] for one in ranking.studio.predictions(ranking.project)}
    assert [stored[task] for task in ranking.ids] == [0.3, 0.1, 0.5, 0.4, 0.2]
    assert ranking.studio.project(ranking.project)["sampling"] == "Sequential sampling"


def test_a_model_that_says_nothing_of_how_sure_it_is(label_studio: Studio, tmp_path: Path) -> None:
    ranking = Ranking(label_studio, tmp_path / "sure", [0.0] * 5)
    assert "neither 'probabilities' nor a score above 0" in ranking.rank("--by", "least-confidence", code=1)
    assert ranking.versions() == []


def test_every_stored_prediction_has_a_score(label_studio: Studio, make_backend: MakeBackend) -> None:
    """However the class says it, and also where it says nothing."""
    expected = {
        "nothing": 0.0,
        "own": 0.3,
        "null": 0.0,
        "nan": 0.8,
        "probabilities": 0.6,
        "regions": 0.5,
        "value": 0.0,
        "own value": 0.4,
    }
    backend = make_backend("scores.py")
    project = label_studio.create_project("scores", CONFIG)
    ids = label_studio.import_tasks(project, [{"text": way} for way in [*expected, "response"]])
    label_studio.add_backend(project, backend.url)
    label_studio.retrieve_predictions(project, ids[:-1])
    label_studio.retrieve_predictions(project, ids[-1:])
    stored = {one["task"]: one["score"] for one in label_studio.predictions(project)}
    assert dict(zip([*expected, "response"], (stored[task] for task in ids), strict=True)) == {
        **expected,
        "response": 0.7,
    }

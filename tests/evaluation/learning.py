"""Tasks for the class of `word_learner.py`, a backend's folder with it, and a named fake of trainings with it."""

import contextlib
import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from label_studio_ml.config.settings import Settings
from label_studio_ml.evaluation.trials.task_pool import TaskPool
from label_studio_ml.evaluation.trials.trials import Trial, TrialFailed, Trials
from label_studio_ml.versions.state.project_state import Project
from live import CONFIG, MODELS, annotation

PROJECT = Project(uid="1.5", label_config=CONFIG)


def learning_settings(folder: Path, do: str = "") -> Settings:
    """Return the settings of a backend in `folder`, made here, whose fit is told to `do` something."""
    folder.mkdir()
    shutil.copy(MODELS / "word_learner.py", folder)
    (folder / "do").write_text(do)
    return Settings(backend_dir=folder, model_dir=folder / "data", log_dir=folder / "logs")


def word_tasks(count: int, words: int = 30) -> list[dict[str, Any]]:
    """Return tasks of `words` different words, half of which are good ones."""
    return [
        {
            "id": number,
            "data": {"text": f"w{number * 7 % words} text", "source": f"s{number % 5}"},
            "annotations": [annotation(number, "good" if number * 7 % words % 2 else "bad")],
        }
        for number in range(1, count + 1)
    ]


class FakeTrials:
    """A fake of Trials: it learns labels of words in this process, and fails with fewer than `fails_below` tasks.

    `trained_on` has the numbers of tasks of the trainings. The training of a number in `errors` raises that error, or
    its model does after its first batch if the number is in `predicts`.
    """

    errors: Mapping[int, Exception] = {}
    predicts: frozenset[int] = frozenset()

    def __init__(self, folder: Path, fails_below: int = 0) -> None:
        self.folder = folder
        self.trained_on: list[int] = []
        self._fails_below = fails_below

    @classmethod
    def of(cls, folder: Path, fails_below: int = 0) -> Trials:
        """Return the fake in the place of Trials."""
        return cast("Trials", cls(folder, fails_below))

    @contextlib.contextmanager
    def trained(self, pool: TaskPool, positions: Collection[int]) -> Iterator[Trial]:
        """Learn from the tasks of `pool` at `positions`."""
        self.trained_on.append(len(positions))
        if len(positions) < self._fails_below:
            raise TrialFailed(f"told to fail with {len(positions)} tasks")
        number = len(self.trained_on) - 1
        error = self.errors.get(number)
        if error is not None and number not in self.predicts:
            raise error
        yield Trial(cast("Any", _WordModel(list(pool.read(positions)), error)), 0.5)


class _WordModel:
    """What `word_learner.py` would have learned from `tasks`. It predicts one batch if there is an `error`."""

    version = "fake"
    max_batch_size = 7

    def __init__(self, tasks: Sequence[dict[str, Any]], error: Exception | None = None) -> None:
        self._batches, self._error = 0, error
        self._words: dict[str, Counter[str]] = {}
        for task in tasks:
            region = task["annotations"][-1]["result"][-1]
            self._words.setdefault(task["data"]["text"].split()[0], Counter()).update(
                region["value"]["choices"]
            )

    def predict(self, tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        self._batches += 1
        if self._error is not None and self._batches > 1:
            raise self._error
        return [self._answer(task["data"]["text"]) for task in tasks]

    def _answer(self, text: str) -> dict[str, Any]:
        if text.startswith("fail"):
            return {"error": "told to fail"}
        counts = self._words.get(text.split()[0])
        if not counts:
            return {"result": [], "score": 0.0}
        label, count = counts.most_common(1)[0]
        region = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}
        shares = {label: number / counts.total() for label, number in counts.items()}
        return {"result": [region], "score": count / counts.total(), "probabilities": shares}

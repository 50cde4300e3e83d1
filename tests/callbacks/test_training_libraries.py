"""The callbacks in real trainings with transformers and Lightning, in an environment of their own."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from e2e.gallery.environments import environment, install

pytestmark = pytest.mark.soak

TRAININGS = Path(__file__).with_name("library_trainings.py")


@pytest.fixture(scope="module")
def python() -> Path:
    folder = environment("callbacks")
    if not (folder / "libraries-installed").is_file():
        install(folder, "torch", "transformers>=5", "accelerate>=1", "lightning>=2.5")
        (folder / "libraries-installed").touch()
    return folder / "bin" / "python"


def _train(python: Path, library: str, limit: int = 0) -> dict[str, Any]:
    command = [str(python), str(TRAININGS), library, str(limit)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=600)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("library", ["transformers", "lightning"])
def test_a_training_reports_progress_and_metrics(python: Path, library: str) -> None:
    found = _train(python, library)
    assert found["steps"] == 24
    assert found["progress"] == [pytest.approx(step / 24) for step in range(1, 25)]
    points = found["points"]
    assert {"loss", "eval_loss"} <= {name for point in points for name in point}
    assert points[-1]["step"] == 24
    if library == "transformers":
        assert found["params"][0]["num_train_epochs"] == "3"
        assert found["params"][0]["lr_scheduler_type"] == "linear"


@pytest.mark.parametrize("library", ["transformers", "lightning"])
def test_a_cancelled_training_stops_at_the_next_step(python: Path, library: str) -> None:
    found = _train(python, library, 3)
    assert found["steps"] == 4

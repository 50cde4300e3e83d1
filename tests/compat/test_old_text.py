"""Release 1.0.9: what `fit` returns comes back in the constructor."""

from typing import Any

import pytest
import requests

from .contents import CHOICES, chosen, labelled
from .served import Served, serving

old_text = serving("old_text", CHOICES, ("start",), API_KEY="none")


def test_weights_in_the_folder_of_a_training(old_text: Served) -> None:
    """As `bert`, `ner`, `flair`, `pytorch_transfer_learning` and `simple_text_classifier` (of 2021) do it; another file
    is in the present folder, as that of `electra`."""
    assert old_text.health()["model_class"] == "OldText"
    old_text.wait_for_version("INITIAL")
    assert old_text.predict({"text": "sour"}) == []
    assert old_text.predict({"text": "sour", "answer": "dict"}) == [], "`ner` returns {} before any training"

    skipped = {
        **labelled(13, "salt", "good"),
        "annotations": [{"id": 9, "was_cancelled": True, "result": []}],
    }
    old_text.studio.add(1, CHOICES, labelled(11, "sour milk", "bad"), labelled(12, "tea", "good"), skipped)
    first = old_text.train_to("ANNOTATION_CREATED")
    entries = old_text.predict({"text": "sour milk tea"}, {"$undefined$": "tea"})
    assert [chosen(entry) for entry in entries] == [
        ("bad", pytest.approx(2 / 3), first),
        ("good", 1.0, first),
    ]
    assert [(entry["trainings"], entry["task"]) for entry in entries] == [(1, 1), (1, 2)]

    old_text.studio.add(1, CHOICES, labelled(14, "milk tea", "good"))
    second = old_text.train_to("START_TRAINING")
    (entry,) = old_text.predict({"text": "sour milk tea"})
    assert chosen(entry) == ("good", pytest.approx(2 / 3), second)
    assert entry["trainings"] == 2
    (job,) = (job for job in jobs(old_text) if job["model_version"] == second)
    assert job["job_status"] == "finished"
    asked = [asked.path for asked in old_text.studio.asked]
    assert "/api/projects/1/export" in asked, "fit read it with self.hostname and self.access_token"


def jobs(served: Served) -> list[dict[str, Any]]:
    answer = requests.get(f"{served.live.backend.url}/jobs", timeout=90)
    return list(answer.json()["jobs"])

"""Weights in files and module globals, and tasks fetched with the SDK's client."""

from .contents import CHOICES, chosen, labelled
from .served import Served, serving

counter = serving("counter", CHOICES, ("start",), START_TRAINING_EACH_N_UPDATES="2")


def test_weights_in_files_and_module_globals(counter: Served) -> None:
    """As `bert_classifier`, `huggingface_ner`, `sklearn_text_classifier` and `timeseries_segmenter` do it."""
    assert counter.health()["model_class"] == "WordVotes"
    first = "WordVotes-v0.0.1"
    counter.wait_for_version(first)
    upload = counter.studio.file("text.txt", b"sour milk")
    texts = [{"text": "sweet milk"}, {"$undefined$": "tea"}, {"text": upload}]
    assert [chosen(entry) for entry in counter.predict(*texts)] == [("good", 0.0, first)] * 3

    counter.studio.add(1, CHOICES, labelled(11, "sour", "bad"))
    job = counter.train("ANNOTATION_CREATED")
    assert job["job_status"] == "finished", job.get("error")
    assert not job.get("model_version")
    assert counter.versions() == 0, "one task is not a multiple of two"

    counter.studio.add(1, CHOICES, labelled(12, upload, "bad"))
    second = counter.train_to("ANNOTATION_CREATED")
    assert second != first
    assert [chosen(entry) for entry in counter.predict(*texts)] == [
        ("bad", 0.02, second),
        ("good", 0.02, second),
        ("bad", 0.02, second),
    ]
    assert [chosen(entry) for entry in counter.predict({"text": "sour"}, context={"result": []})] == [
        ("bad", 0.02, second)
    ]

    job = counter.train("START_TRAINING")
    assert job["job_status"] == "failed", (
        "that event has no annotation, which this fit reads the project from"
    )
    assert "KeyError: 'annotation' (model.py, line" in job["error"]
    (entry,) = counter.predict({"text": "sour"}, context={"result": []})
    assert chosen(entry) == ("bad", 0.02, second)

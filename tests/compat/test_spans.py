"""Weights that are read while the module is imported."""

from typing import Any

from .served import Served, serving

SPANS = (
    '<View><Text name="text" value="$text"/>'
    '<Labels name="span" toName="text"><Label value="Place"/><Label value="Name"/></Labels></View>'
)
SOUND = '<View><Audio name="sound" value="$sound"/><TextArea name="words" toName="sound"/></View>'

spans = serving("spans", SPANS, ("start",))


def marked(entry: dict[str, Any]) -> tuple[list[tuple[str, int, int]], float, str]:
    values = [region["value"] for region in entry["result"]]
    found = [(value["labels"][0], value["start"], value["end"]) for value in values]
    return found, entry["score"], entry["model_version"]


def test_weights_that_are_read_while_the_module_is_imported(spans: Served) -> None:
    """As `spacy`, `flair` and `gliner` do it; `_wsgi.py` imports the class under another name."""
    assert spans.health()["model_class"] == "Spans"
    spans.wait_for_version("0.0.1")
    texts = [{"text": "In Oslo, maybe"}, {"text": "Anna"}]
    assert [marked(entry) for entry in spans.predict(*texts)] == [
        ([("Place", 3, 7)], 0.8, "0.0.1"),
        ([], 2.0, "0.0.1"),
    ]
    value = {"start": 0, "end": 4, "labels": ["Name"]}
    result = [{"from_name": "span", "to_name": "text", "type": "labels", "value": value}]
    annotation = {"id": 131, "was_cancelled": False, "result": result}
    spans.studio.add(1, SPANS, {"id": 31, "data": {"text": "Anna ran"}, "annotations": [annotation]})
    job = spans.train("ANNOTATION_CREATED")
    assert (job["job_status"], spans.versions()) == ("finished", 0), (
        "fit returned {}, as that of docling does"
    )
    assert spans.train_to("START_TRAINING") == "Spans-v1"
    assert [marked(entry) for entry in spans.predict(*texts)] == [
        ([], 2.0, "Spans-v1"),
        ([("Name", 0, 4)], 0.9, "Spans-v1"),
    ]


def test_sounds_fetched_by_the_functions_of_label_studio_tools(spans: Served) -> None:
    """As `nemo_asr` does it, and with no score in the prediction as `huggingface_llm` does it."""
    upload = spans.studio.file("a.wav", b"x" * 321)
    spans.wait_for_version("0.0.1", 2, label_config=SOUND)
    (entry,) = spans.predict({"sound": upload}, project=2, label_config=SOUND)
    (region,) = entry["result"]
    assert region["value"] == {"text": ["321 bytes"]}
    assert (entry["score"], entry["model_version"]) == (0.0, "0.0.1")


def test_a_project_whose_label_config_names_no_tags(spans: Served) -> None:
    """As `docling` does it, whose page is made by code: its names and types are not those of any tag."""
    spans.wait_for_version("0.0.1", 3, label_config="<View></View>")
    (entry,) = spans.predict({"image": "x"}, project=3, label_config="<View></View>")
    (region,) = entry["result"]
    assert (region["from_name"], region["value"]["rectanglelabels"], entry["score"]) == (
        "page",
        ["title"],
        0.51,
    )

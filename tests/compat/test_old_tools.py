"""Release 1.0.9: constructor arguments in `config.json`, and tools of those years."""

import pytest

from .contents import picture
from .served import Served, serving

BOXES = (
    '<View><Image name="image" value="$image"/>'
    '<RectangleLabels name="box" toName="image"><Label value="Cat"/></RectangleLabels></View>'
)
SOUND = '<View><Audio name="sound" value="$sound"/><TextArea name="words" toName="sound"/></View>'
TALK = (
    '<View><Paragraphs name="talk" value="$talk" textKey="said" nameKey="who"/>'
    '<TextArea name="next" toName="talk"/></View>'
)
SPANS = '<View><Text name="text" value="$text"/><Labels name="span" toName="text"><Label value="It"/></Labels></View>'

old_tools = serving("old_tools", BOXES, ("start",))


def test_arguments_of_the_constructor_from_config_json(old_tools: Served) -> None:
    """As `mmdetection` does it; one task at a time, as `huggingface` asserts it, too."""
    assert old_tools.health()["model_class"] == "OldTools"
    old_tools.wait_for_version("INITIAL")
    upload = old_tools.studio.file("a.png", picture(4, 2))
    for entry in old_tools.predict({"image": upload}, {"image": upload}):
        assert [region["score"] for region in entry["result"]] == [0.9, 0.3], "score_threshold is 0.25"
        assert [region["value"]["x"] for region in entry["result"]] == [0, 25]
        assert entry["score"] == pytest.approx(0.6)
        assert entry["model_version"] == "INITIAL"


def test_sounds_and_dialogues(old_tools: Served) -> None:
    """As `nemo` and `huggingface` do it."""
    upload = old_tools.studio.file("a.wav", b"x" * 12)
    old_tools.setup(2, SOUND)
    (entry,) = old_tools.predict({"sound": upload}, project=2, label_config=SOUND)
    assert entry["result"][0]["value"] == {"text": ["12"]}
    talk = [{"who": "a", "said": "Hello"}, {"who": "b", "said": "Bye"}]
    (entry,) = old_tools.predict({"talk": talk}, project=3, label_config=TALK)
    assert entry["result"][0]["value"] == {"text": ["0: Bye", "1: Bye"]}


def test_words_found_again(old_tools: Served) -> None:
    """As `substring_matching` does it, and `tesseract`, which look at what was drawn and at nothing else."""
    value = {"start": 0, "end": 2, "text": "it", "labels": ["It"]}
    drawn = {"id": "a", "from_name": "span", "to_name": "text", "type": "labels", "value": value}
    task = {"text": "It is IT"}
    (entry,) = old_tools.predict(task, context={"result": [drawn]}, project=4, label_config=SPANS)
    (region,) = entry["result"]
    assert region["value"] == {"start": 6, "end": 8, "text": "IT", "labels": ["It"]}
    refused = old_tools.asked(task, project=4, label_config=SPANS)
    assert refused.status_code == 500
    assert "AttributeError: 'NoneType' object has no attribute 'get' (old_tools.py, line" in refused.text

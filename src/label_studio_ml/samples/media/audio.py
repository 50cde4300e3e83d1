"""Recordings: WAV files with tones and silence between them."""

import array
import io
import math
import sys
import wave

from label_studio_ml.samples.field_tree import Use
from label_studio_ml.samples.value_context import ValueContext

SAMPLE_RATE = 8_000

_TONES = (220.0, 262.0, 330.0, 440.0, 587.0, 784.0)
_VOLUME = 12_000

#: Seconds of a recording; the turns of a dialogue that it belongs to end before the shortest one does.
_SHORTEST, _LONGEST = 2.6, 4.0


def recording(use: Use, context: ValueContext) -> str:
    """Return the address of a WAV file (16 bit, 8 kHz) of 2.6 to 4 seconds; every third one is in stereo."""
    rng = context.rng
    frames = int(rng.uniform(_SHORTEST, _LONGEST) * SAMPLE_RATE)
    channels = 2 if context.number % 3 == 2 or use.attributes.get("splitchannels") == "true" else 1
    tracks = []
    for _ in range(channels):
        samples = array.array("h", bytes(2 * frames))
        for start in range(int(0.2 * SAMPLE_RATE), frames - SAMPLE_RATE // 2, SAMPLE_RATE):
            length = int(rng.uniform(0.2, 0.7) * SAMPLE_RATE)
            samples[start : start + length] = tone(rng.choice(_TONES), min(length, frames - start))
        tracks.append(samples)
    interleaved = array.array("h", bytes(2 * frames * channels))
    for channel, samples in enumerate(tracks):
        interleaved[channel::channels] = samples
    return context.place(wav(interleaved, channels), "wav", is_sound=True)


def tone(
    frequency: float, frames: int, *, start: int = 0, sample_rate: int = SAMPLE_RATE
) -> "array.array[int]":
    """Return a sine as 16-bit samples; `start` is the first frame's number in the whole sound."""
    step = 2 * math.pi * frequency / sample_rate
    return array.array("h", (int(_VOLUME * math.sin(step * (start + frame))) for frame in range(frames)))


def little_endian(samples: "array.array[int]") -> bytes:
    """Return 16-bit samples as bytes in the order of WAV files."""
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    return samples.tobytes()


def wav(samples: "array.array[int]", channels: int) -> bytes:
    """Return a WAV file of 16-bit samples, those of several channels interleaved."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(little_endian(samples))
    return buffer.getvalue()

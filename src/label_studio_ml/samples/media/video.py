"""Videos: WebM files that browsers and OpenCV read, written here.

A lossy WebP picture is a key frame of the video format VP8, and a WebM file is a sequence of nested elements with such
frames in it. So Pillow, which Label Studio's SDK brings along, is enough.
"""

import io
import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from label_studio_ml.samples.field_tree import Use
from label_studio_ml.samples.media import audio, drawings
from label_studio_ml.samples.value_context import ValueContext

if TYPE_CHECKING:
    from PIL import Image

#: Frames per second that Label Studio takes for a `<Video>` without `frameRate`.
DEFAULT_FRAME_RATE = 24

_SECONDS = 2
_SIZES = ((320, 180), (240, 240), (180, 320))
_SOUND_RATE = 16_000

#: Milliseconds of sound in one block.
_SOUND_BLOCK = 20

# Numbers of the elements of a WebM file (Matroska), as they are written.
_EBML, _EBML_VERSION, _EBML_READ_VERSION = 0x1A45DFA3, 0x4286, 0x42F7
_MAX_ID_LENGTH, _MAX_SIZE_LENGTH = 0x42F2, 0x42F3
_DOC_TYPE, _DOC_TYPE_VERSION, _DOC_TYPE_READ_VERSION = 0x4282, 0x4287, 0x4285
_SEGMENT, _INFO, _TIME_SCALE, _DURATION = 0x18538067, 0x1549A966, 0x2AD7B1, 0x4489
_MUXING_APP, _WRITING_APP = 0x4D80, 0x5741
_TRACKS, _TRACK, _TRACK_NUMBER, _TRACK_UID, _TRACK_TYPE = 0x1654AE6B, 0xAE, 0xD7, 0x73C5, 0x83
_CODEC, _LACING, _FRAME_DURATION = 0x86, 0x9C, 0x23E383
_VIDEO, _WIDTH, _HEIGHT = 0xE0, 0xB0, 0xBA
_AUDIO, _SAMPLE_RATE, _CHANNELS, _BIT_DEPTH = 0xE1, 0xB5, 0x9F, 0x6264
_CUES, _CUE, _CUE_TIME, _CUE_PLACES, _CUE_TRACK, _CUE_OFFSET = 0x1C53BB6B, 0xBB, 0xB3, 0xB7, 0xF7, 0xF1
_CLUSTER, _CLUSTER_TIME, _BLOCK = 0x1F43B675, 0xE7, 0xA3


def clip(use: Use, context: ValueContext, *, has_sound: bool = False) -> str:
    """Return the address of a video of 2 seconds in which a rectangle and an ellipse move.

    It has as many frames per second as the tag's `frameRate`. `has_sound` adds a tone, for fields that an `<Audio>`
    shows, too: as PCM, which browsers based on Chromium play in WebM files.
    """
    rate = _frame_rate(use.attributes.get("framerate", ""))
    size = _SIZES[context.number % len(_SIZES)]
    frames = [vp8_frame(image) for image in _animation(size, _SECONDS * rate, context)]
    tone = context.rng.choice((262.0, 330.0, 440.0)) if has_sound else 0.0
    return context.place(webm(frames, rate, size, tone=tone), "webm", is_sound=has_sound)


def _frame_rate(text: str) -> int:
    """Return the whole number nearest to a `frameRate`, between 1 and 60; the default one for other texts."""
    try:
        rate = round(float(text))
    except (ValueError, OverflowError):
        return DEFAULT_FRAME_RATE
    return rate if 1 <= rate <= 60 else DEFAULT_FRAME_RATE


def _animation(size: tuple[int, int], count: int, context: ValueContext) -> Iterable["Image.Image"]:
    from PIL import Image, ImageDraw

    width, height = size
    rng = context.rng
    first, second = rng.sample(drawings.COLOURS, 2)
    wide, high = width // 5, height // 4
    top = rng.randint(0, height // 2)
    for number in range(count):
        done = number / max(count - 1, 1)
        image = Image.new("RGB", size, (232, 236, 240))
        pen = ImageDraw.Draw(image)
        left = int((width - wide) * done)
        pen.rectangle((left, top, left + wide, top + high), fill=first)
        right, bottom = int((width - wide) * (1 - done)), int((height - high) * done)
        pen.ellipse((right, bottom, right + wide, bottom + high), fill=second)
        yield image


def vp8_frame(image: "Image.Image") -> bytes:
    """Return a picture as a key frame of VP8: what a lossy WebP file has in its chunk `VP8 `."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=70, method=0)
    content, place = buffer.getvalue(), 12
    while place < len(content):
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        if content[place : place + 4] == b"VP8 ":
            return content[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
    raise ValueError("Pillow wrote a WebP file without a lossy picture")


def webm(frames: Sequence[bytes], rate: int, size: tuple[int, int], *, tone: float = 0.0) -> bytes:
    """Return a WebM file of VP8 key frames, `rate` per second; `tone` is the frequency of its sound in Hz, 0: none."""
    duration = len(frames) * 1000 / rate
    info = _element(
        _INFO,
        _number(_TIME_SCALE, 1_000_000),
        _float(_DURATION, duration),
        _element(_MUXING_APP, b"label-studio-ml"),
        _element(_WRITING_APP, b"label-studio-ml"),
    )
    tracks = [_video_track(rate, size), *([_sound_track()] if tone else [])]
    head = info + _element(_TRACKS, *tracks)
    blocks = [(round(number * 1000 / rate), 1, frame) for number, frame in enumerate(frames)]
    if tone:
        per_block = _SOUND_RATE * _SOUND_BLOCK // 1000
        for number in range(int(duration // _SOUND_BLOCK)):
            sound = audio.tone(tone, per_block, start=number * per_block, sample_rate=_SOUND_RATE)
            blocks.append((number * _SOUND_BLOCK, 2, audio.little_endian(sound)))
    clusters = _clusters(sorted(blocks))
    segment = head + _cues(clusters, len(head)) + b"".join(content for _, content in clusters)
    header = _element(
        _EBML,
        *(_number(element, 1) for element in (_EBML_VERSION, _EBML_READ_VERSION)),
        _number(_MAX_ID_LENGTH, 4),
        _number(_MAX_SIZE_LENGTH, 8),
        _element(_DOC_TYPE, b"webm"),
        *(_number(element, 2) for element in (_DOC_TYPE_VERSION, _DOC_TYPE_READ_VERSION)),
    )
    return header + _element(_SEGMENT, segment)


def _video_track(rate: int, size: tuple[int, int]) -> bytes:
    picture = _element(_VIDEO, _number(_WIDTH, size[0]), _number(_HEIGHT, size[1]))
    return _track(1, 1, b"V_VP8", _number(_FRAME_DURATION, round(1e9 / rate)) + picture)


def _sound_track() -> bytes:
    sound = (_float(_SAMPLE_RATE, float(_SOUND_RATE)), _number(_CHANNELS, 1), _number(_BIT_DEPTH, 16))
    return _track(2, 2, b"A_PCM/INT/LIT", _element(_AUDIO, *sound))


def _track(number: int, kind: int, codec: bytes, rest: bytes) -> bytes:
    numbers = (_number(_TRACK_NUMBER, number), _number(_TRACK_UID, number), _number(_TRACK_TYPE, kind))
    return _element(_TRACK, *numbers, _element(_CODEC, codec), _number(_LACING, 0), rest)


def _clusters(blocks: Sequence[tuple[int, int, bytes]]) -> list[tuple[int, bytes]]:
    """Return the clusters, one a second, each with its time in ms; a block is a time, a track and its content."""
    seconds: dict[int, list[bytes]] = {}
    for time, track, content in blocks:
        offset = struct.pack(">h", time % 1000)
        block = _element(_BLOCK, bytes([0x80 | track]), offset, b"\x80", content)
        seconds.setdefault(time // 1000, []).append(block)
    return [
        (second * 1000, _element(_CLUSTER, _number(_CLUSTER_TIME, second * 1000), *content))
        for second, content in seconds.items()
    ]


def _cues(clusters: Sequence[tuple[int, bytes]], before: int) -> bytes:
    """Return the index by which players seek; `before` is the number of bytes before it in the segment."""

    def index(first: int) -> bytes:
        places, place = [], first
        for time, content in clusters:
            # Eight bytes for each offset, so that the length of the index does not depend on them.
            target = _element(
                _CUE_PLACES, _number(_CUE_TRACK, 1), _element(_CUE_OFFSET, place.to_bytes(8, "big"))
            )
            places.append(_element(_CUE, _number(_CUE_TIME, time), target))
            place += len(content)
        return _element(_CUES, *places)

    return index(before + len(index(0)))


def _element(number: int, *content: bytes) -> bytes:
    """Return an element: its number, its length (in the format of Matroska) and its content."""
    body = b"".join(content)
    width = next(width for width in range(1, 9) if len(body) < (1 << 7 * width) - 1)
    length = (len(body) | 1 << 7 * width).to_bytes(width, "big")
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + length + body


def _number(element: int, value: int) -> bytes:
    return _element(element, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _float(element: int, value: float) -> bytes:
    return _element(element, struct.pack(">d", value))

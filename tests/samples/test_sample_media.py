"""The files of sample tasks, read by other programs than those that wrote them."""

import csv
import io
import itertools
import re
import wave
from datetime import datetime
from typing import Any

import numpy
import pytest
from PIL import Image

from label_studio_ml import samples
from label_studio_ml.samples.time_series import times
from label_studio_ml.studio.addresses.references import data_content


def values(config: str, n: int = 6, field: str = "x") -> list[Any]:
    """Return a field of `n` tasks for tags within a view."""
    return [task["data"][field] for task in samples.tasks(f"<View>{config}</View>", n)]


def test_pictures_differ_in_size_mode_and_format() -> None:
    images = [Image.open(io.BytesIO(data_content(url))) for url in values('<Image name="i" value="$x"/>', 10)]
    assert {image.format for image in images} == {"PNG", "JPEG"}
    assert {"RGB", "L", "RGBA", "P"} <= {image.mode for image in images}
    assert len({image.size for image in images}) == 6
    for image in images:
        assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 4, "there is something to see"


def test_pages_are_several_pictures() -> None:
    for pages in values('<Image name="i" valueList="$x"/>', 3):
        assert 2 <= len(pages) <= 4
        assert all(Image.open(io.BytesIO(data_content(page))).size == (420, 594) for page in pages)


def test_recordings() -> None:
    channels = []
    for url in values('<Audio name="a" value="$x"/>', 3):
        with wave.open(io.BytesIO(data_content(url))) as file:
            seconds = file.getnframes() / file.getframerate()
            channels.append(file.getnchannels())
            sound = numpy.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert 2.6 <= seconds <= 4
        assert abs(sound).max() > 5000
        assert (sound == 0).mean() > 0.1, "there is silence between the tones"
    assert channels == [1, 1, 2]
    with wave.open(
        io.BytesIO(data_content(values('<Audio name="a" value="$x" splitchannels="true"/>')[0]))
    ) as file:
        assert file.getnchannels() == 2


def test_a_query_at_the_end_of_a_sound_does_no_harm(tmp_path: Any) -> None:
    """Label Studio's player adds one to each URL, also to those with the data in them."""
    import cv2

    (sound,) = values('<Audio name="a" value="$x"/>', 1)
    with wave.open(io.BytesIO(data_content(f"{sound}?lsref=1"))) as file:
        assert file.getnframes() > 2 * file.getframerate()
    (film,) = values('<Audio name="a" value="$x"/><Video name="v" value="$x"/>', 1)
    (tmp_path / "film.webm").write_bytes(data_content(f"{film}?lsref=1"))
    assert cv2.VideoCapture(str(tmp_path / "film.webm")).get(cv2.CAP_PROP_FRAME_COUNT) == 48


def test_a_dialogue_ends_before_its_recording() -> None:
    config = '<Paragraphs name="p" value="$x" audioUrl="$sound"/>'
    for turns in values(config, 20):
        assert all(0 < turn["start"] < turn["end"] < 2.6 for turn in turns)
        assert [turn["end"] for turn in turns[:-1]] == [turn["start"] for turn in turns[1:]]


@pytest.mark.parametrize(("attribute", "rate"), [("", 24), ('frameRate="25"', 25), ('frameRate="9.99"', 10)])
@pytest.mark.parametrize("sound", ["", '<Audio name="a" value="$x"/>'])
def test_videos_are_read_by_opencv(tmp_path: Any, attribute: str, rate: int, sound: str) -> None:
    import cv2

    (url,) = values(f'{sound}<Video name="v" value="$x" {attribute}/>', 1)
    path = tmp_path / "video.webm"
    path.write_bytes(data_content(url))
    video = cv2.VideoCapture(str(path))
    frames = []
    while (answer := video.read())[0]:
        frames.append(answer[1])
    assert len(frames) == 2 * rate == video.get(cv2.CAP_PROP_FRAME_COUNT)
    assert video.get(cv2.CAP_PROP_FPS) == rate
    assert frames[0].shape == (180, 320, 3)
    assert numpy.abs(frames[0].astype(int) - frames[-1]).mean() > 5, "something moves"
    assert video.set(cv2.CAP_PROP_POS_FRAMES, rate)
    assert numpy.abs(video.read()[1].astype(int) - frames[rate]).mean() < 1, "seeking finds the frame"


def elements(content: bytes) -> list[tuple[int, int, bytes]]:
    """Return place, number and body of each element of Matroska, the format of WebM files."""
    found, place = [], 0
    while place < len(content):
        start, wide = place, 9 - content[place].bit_length()
        number = int.from_bytes(content[place : place + wide], "big")
        place, wide = place + wide, 9 - content[place + wide].bit_length()
        length = int.from_bytes(content[place : place + wide], "big") & ((1 << 7 * wide) - 1)
        found.append((start, number, content[place + wide : place + wide + length]))
        place += wide + length
    return found


@pytest.mark.parametrize("sound", ["", '<Audio name="a" value="$x"/>'])
def test_the_index_of_a_video_leads_to_its_clusters(sound: str) -> None:
    """Browsers seek by it; OpenCV does without."""
    (url,) = values(f'{sound}<Video name="v" value="$x" frameRate="25"/>', 1)
    _, (_, _, segment) = elements(data_content(url))
    parts = elements(segment)
    (index,) = (body for _, number, body in parts if number == 0x1C53BB6B)
    listed = []
    for _, _, cue in elements(index):
        (_, _, time), (_, _, target) = elements(cue)
        listed.append((int.from_bytes(time, "big"), int.from_bytes(elements(target)[1][2], "big")))
    clusters = [
        (int.from_bytes(elements(body)[0][2], "big"), start)
        for start, number, body in parts
        if number == 0x1F43B675
    ]
    assert listed == clusters
    assert [time for time, _ in clusters] == [0, 1000]


@pytest.mark.parametrize("rate", ["0", "-5", "1e99", "inf", "nan", "$fps", "fast"])
def test_odd_frame_rates_are_the_default(rate: str) -> None:
    config = '<Video name="v" value="$x" frameRate="{}"/>'
    assert values(config.format(rate), 1) == values('<Video name="v" value="$x"/>', 1)


def test_pdf_files_are_whole() -> None:
    for url in values('<Pdf name="p" value="$x"/>', 6):
        file = data_content(url)
        table = int(file.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
        places = [int(line[:10]) for line in file[table:].splitlines()[3:] if line.endswith(b" n ")]
        assert all(re.match(rb"%d 0 obj\n" % number, file[place:]) for number, place in enumerate(places, 1))
        for length, stream in re.findall(rb"/Length (\d+) >>\nstream\n(.*?)\nendstream", file, re.DOTALL):
            assert int(length) == len(stream)
            assert b"Tj" in stream


def test_tables_as_csv_have_no_empty_row() -> None:
    """Label Studio's page would show it."""
    for text in values('<Table name="t" value="$x" valueType="csv"/>', 3):
        assert text == text.strip()
        assert len(text.splitlines()) >= 4


def columns(config: str) -> dict[str, list[str]]:
    text = data_content(values(config, 1)[0]).decode()
    names, *rows = csv.reader(io.StringIO(text))
    return dict(zip(names, zip(*rows, strict=True), strict=True))  # type: ignore[arg-type]


def test_time_series_have_the_columns_of_their_channels() -> None:
    channels = '<Channel column="speed"/><MultiChannel><Channel column="heat"/></MultiChannel>'
    found = columns(f'<TimeSeries name="s" value="$x" timeColumn="at">{channels}</TimeSeries>')
    assert list(found) == ["at", "speed", "heat"]
    assert [float(time) for time in found["at"]] == [row * 0.5 for row in range(200)]
    assert len({float(value) for value in found["speed"]}) > 50


def test_a_single_column_gets_another_one_for_the_separator() -> None:
    found = columns('<TimeSeries name="s" value="$x"><Channel column="speed"/></TimeSeries>')
    assert list(found) == ["speed", "row"]


def test_a_file_without_header() -> None:
    config = '<TimeSeries name="s" value="$x" timeColumn="0" sep="tab"><Channel column="2"/></TimeSeries>'
    rows = list(csv.reader(io.StringIO(data_content(values(config, 1)[0]).decode()), delimiter="\t"))
    assert len(rows) == 200
    assert all(len(row) == 3 and row[1] == "0" for row in rows)


def test_time_series_in_the_task() -> None:
    config = (
        '<TimeSeries name="s" value="$x" valueType="json" timeColumn="T"><Channel column="V"/></TimeSeries>'
    )
    (series,) = values(config, 1)
    assert series.keys() == {"t", "v"}
    assert len(series["t"]) == len(series["v"]) == 200


@pytest.mark.parametrize(
    "time_format",
    ["%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d", "%H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m", "%Y", "%H", "%j %Y", "%M:%S"],
)
def test_times_increase_in_their_format(time_format: str) -> None:
    rows = 24 if time_format == "%H" else 100
    read = [datetime.strptime(time, time_format) for time in times(time_format, rows)]
    assert all(earlier < later for earlier, later in itertools.pairwise(read))


def test_time_directives_of_d3() -> None:
    assert times("%H:%M:%S.%L", 3) == ["00:00:00.000", "00:00:00.250", "00:00:00.500"]
    assert times("%Q", 2) == ["1767571200000", "1767571200250"]
    assert times("%s", 2) == ["1767571200", "1767571230"]
    assert times("%e", 2) == ["5", "6"]
    assert times("", 2) == [0.0, 0.5]

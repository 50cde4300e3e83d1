"""Following boxes through a video: optical flow in the box, corrected by what the object looked like before."""

import time

import cv2
import numpy as np

#: Side in pixels, on average, of the small pictures that say what an object looks like.
SIDE = 32
#: Points in a row and in a column of a box whose movement is measured.
POINTS = 12
#: A box is moved to where its object looks most similar if the correlation is at least this high.
SURE = 0.7
#: What a lost object has to be similar, to be found again.
FOUND = 0.7
#: Weight of each new frame in what an object looks like.
NEWEST = 0.05
#: Seconds for which a picture of a video is shown at most, such as in a recording of a screen where nothing moves.
LONGEST_SHOWN = 30.0
#: Seconds for which a lost object is searched.
PATIENCE = 3.0


def follow(path, rate, keys_of, *, side=640, similar=0.2, seconds=60.0):
    """Return the size, number of frames and tracks of a video, as Label Studio counts frames at `rate` a second.

    `keys_of(size)` returns for each object its key frames in order: triples of the frame from 0, its box (left, top,
    right, bottom in pixels) and whether the object is shown after that frame. Between key frames and after the last one
    the object is followed. Each track has `frames`, `boxes` and a `score`, the mean correlation. Frames are reduced to
    a longer `side`; an object less `similar` is lost. `stopped` is the frame where `seconds` had passed, else None.

    Raises ValueError if OpenCV cannot read the video.
    """
    video = cv2.VideoCapture(str(path))
    size = (int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    fps = video.get(cv2.CAP_PROP_FPS)
    fps = fps if 0 < fps < np.inf else rate
    count = round(video.get(cv2.CAP_PROP_FRAME_COUNT) / fps * rate)
    if not video.isOpened() or min(size) < 1:
        raise ValueError(f"OpenCV cannot read the video {path}")
    scale = min(1.0, side / max(size))
    objects = [Object(keys, scale, similar, PATIENCE * rate) for keys in keys_of(size)]
    first = min((each.first for each in objects), default=0)
    end, stopped, deadline = 0, None, time.monotonic() + seconds
    for frame, picture in pictures(video, rate, fps, first):
        end = frame + 1
        if time.monotonic() > deadline:
            stopped = frame
            break
        if frame < first or picture is None:
            continue
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        if scale < 1:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for each in objects:
            each.see(frame, grey)
    video.release()
    if not end:
        raise ValueError(f"OpenCV cannot read a frame of the video {path}")
    count = end if stopped is None else max(count, end)
    return {
        "size": list(size),
        "count": count,
        "stopped": stopped,
        "tracks": [each.track(count) for each in objects],
    }


def pictures(video, rate, fps, first):
    """Yield each frame as Label Studio counts them, from 0, with the picture that is shown in its middle.

    The picture may be None before the frame `first`, or if it cannot be read. Pictures are shown at their own times,
    so `rate` may be another one than that of the file, and the file's may vary.
    """
    frame, picture, shown_at, offset = 0, None, 0.0, None
    while video.grab():
        at = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if offset is None:
            offset = at
        elif at - offset <= shown_at:  # a file without times
            at = offset + shown_at + 1 / fps
        while (frame + 0.5) / rate < at - offset:
            yield frame, picture
            frame += 1
        shown_at = at - offset
        # Of pictures before `first`, only one that is shown for longer than this can be the first that is needed.
        if shown_at >= first / rate - LONGEST_SHOWN:
            is_read, read = video.retrieve()
            picture = read if is_read else picture
    if offset is not None:
        while (frame + 0.5) / rate < shown_at + 1 / fps:
            yield frame, picture
            frame += 1


class Object:
    """An object with the key frames that a person drew, and where it was seen so far."""

    def __init__(self, keys, scale, similar, patience):
        self.keys = {frame: (np.array(box, float), shown) for frame, box, shown in keys}
        self.first = min(self.keys)
        self.scale, self.similar, self.patience = scale, similar, patience
        self.tracker = None
        self.seen = {}
        self.scores = []

    def see(self, frame, grey):
        """Look for the object in a frame, a grey picture; the frames of its key frames start the search anew."""
        if frame in self.keys:
            box, shown = self.keys[frame]
            self.tracker = Tracker(grey, box * self.scale, self.similar) if shown else None
            self.seen[frame] = box
        elif self.tracker:
            box = self.tracker.update(grey)
            if box is not None:
                self.seen[frame] = box / self.scale
                self.scores.append(self.tracker.score)
            elif self.tracker.missing > self.patience:
                self.tracker = None

    def track(self, count):
        """Return frames, boxes and mean score; key frames behind a frame where the search was stopped are in it."""
        boxes = {**{frame: box for frame, (box, _) in self.keys.items() if frame < count}, **self.seen}
        score = float(np.clip(np.mean(self.scores), 0, 1)) if self.scores else 1.0
        return {
            "frames": sorted(boxes),
            "boxes": [boxes[at].tolist() for at in sorted(boxes)],
            "score": score,
        }


class Tracker:
    """Follows one box from the frame in which it was drawn. `missing` counts the frames since it was lost."""

    def __init__(self, grey, box, similar):
        self.previous, self.box, self.similar = grey, box, similar
        width, height = np.maximum(box[2:] - box[:2], 1)
        factor = SIDE / np.sqrt(width * height)
        self.shape = max(8, round(width * factor)), max(8, round(height * factor))
        self.drawn = self.cut(grey, box, 0)
        self.recent = self.drawn.astype(np.float32)
        self.missing, self.score = 0, 1.0

    def update(self, grey):
        """Return the box in the next frame, or None if the object is not seen there."""
        moved = None if self.missing else self.moved(grey)
        self.previous = grey
        margin = 0.35 if moved is not None else min(0.8 + 0.1 * self.missing, 2.0)
        box = self.box if moved is None else moved
        self.score, shift = self.compare(grey, box, margin)
        needed = self.similar if moved is not None else FOUND
        if moved is None:
            box = box + shift
        elif self.score >= SURE:
            box = box + shift / 2
        if self.score < needed or visible(box, grey.shape) < 0.3:
            self.missing += 1
            return None
        self.box, self.missing = box, 0
        self.recent += NEWEST * (self.cut(grey, box, 0) - self.recent)
        return box

    def moved(self, grey):
        """Return the box moved and scaled as most points in it; None if too few can be followed there and back."""
        left, top, right, bottom = self.box
        across, down = 0.08 * (right - left), 0.08 * (bottom - top)
        grid = np.meshgrid(
            np.linspace(left + across, right - across, POINTS), np.linspace(top + down, bottom - down, POINTS)
        )
        points = np.stack(grid, axis=-1).reshape(-1, 1, 2).astype(np.float32)
        side = int(np.clip(min(right - left, bottom - top) / 3, 7, 21)) | 1
        search = {"winSize": (side, side), "maxLevel": 4}
        there, is_there, _ = cv2.calcOpticalFlowPyrLK(self.previous, grey, points, None, **search)
        back, is_back, _ = cv2.calcOpticalFlowPyrLK(grey, self.previous, there, None, **search)
        error = np.linalg.norm((back - points)[:, 0], axis=1)
        median = np.median(error)
        good = is_there.ravel().astype(bool) & is_back.ravel().astype(bool) & (error <= max(median, 0.3))
        if good.sum() < 8 or median > 0.3 * np.sqrt((right - left) * (bottom - top)):
            return None
        before, after = points[good, 0], there[good, 0]
        first, second = np.triu_indices(len(before), 1)
        lengths = np.linalg.norm(before[first] - before[second], axis=1)
        growth = np.median(np.linalg.norm(after[first] - after[second], axis=1) / lengths)
        centre = (self.box[:2] + self.box[2:]) / 2 + np.median(after - before, axis=0)
        half = (self.box[2:] - self.box[:2]) / 2 * np.clip(growth, 0.9, 1.1)
        return np.concatenate([centre - half, centre + half])

    def compare(self, grey, box, margin):
        """Return the best correlation with the object as drawn or as seen lately, and how far from `box` it is."""
        window = self.cut(grey, box, margin)
        results = [
            cv2.matchTemplate(window, each.astype(np.uint8), cv2.TM_CCOEFF_NORMED)
            for each in (self.drawn, self.recent)
        ]
        _, score, _, place = cv2.minMaxLoc(np.nan_to_num(np.maximum(*results)))
        middle = (np.array(results[0].shape[::-1]) - 1) / 2
        pixel = (box[2:] - box[:2]) * (1 + 2 * margin) / window.shape[::-1]
        return score, np.tile((np.array(place) - middle) * pixel, 2)

    def cut(self, grey, box, margin):
        """Return the small picture of a box and, on each side, a `margin` in shares of it."""
        size = box[2:] - box[:2]
        pixels = [round(side * (1 + 2 * margin)) for side in self.shape]
        start, step = box[:2] - size * margin, size * (1 + 2 * margin) / pixels
        matrix = np.float32([[step[0], 0, start[0]], [0, step[1], start[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(grey, matrix, pixels, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def visible(box, shape):
    """Return which share of a box is inside of a picture of `shape`, height and width."""
    left, top = np.maximum(box[:2], 0)
    right, bottom = np.minimum(box[2:], shape[1::-1])
    area = np.prod(box[2:] - box[:2])
    return max(right - left, 0) * max(bottom - top, 0) / area if area > 0 else 0.0

"""The object at a click or in a box: what U²-Net finds salient in a window around it, cut out with GrabCut."""

from importlib.resources import files

import cv2
import numpy as np
import onnxruntime

#: Mean and standard deviation of the colours that the network was trained with.
MEAN, DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


class U2Net:
    """The small U²-Net, from the file of the package rembg."""

    def __init__(self):
        self.net = onnxruntime.InferenceSession(str(files("rembg") / "u2netp.onnx"))

    def saliency(self, picture):
        """Return how salient each pixel of a picture (height, width, RGB) is, from 0 to 255."""
        pixels = cv2.resize(picture, (320, 320), interpolation=cv2.INTER_AREA).astype(np.float32)
        pixels = (pixels / max(pixels.max(), 1) - MEAN) / DEVIATION
        probability = self.net.run(None, {"input.1": pixels.transpose(2, 0, 1)[None]})[0]
        return (cv2.resize(probability[0, 0], picture.shape[1::-1]) * 255).astype(np.uint8)

    def segment(self, look, points, box, keep):
        """Return the mask of an object (height, width) and its mean saliency.

        `look` has the `picture` and its `saliency`, `points` are triples of x, y and whether that is on the object,
        `box` is left, top, right and bottom, or None. `keep(key, compute)` computes the saliency of a window once.
        """
        height, width = look["picture"].shape[:2]
        points = [(min(int(x), width - 1), min(int(y), height - 1), positive) for x, y, positive in points]
        positive = [(x, y) for x, y, is_inside in points if is_inside]
        prior = np.zeros((height, width), np.float32)
        if box:
            left, top, right, bottom = (round(edge) for edge in box)
            across, down = (right - left) // 8 + 1, (bottom - top) // 8 + 1
            window = max(left - across, 0), max(top - down, 0), right + across, bottom + down
            inside_box = np.s_[top:bottom, left:right]
            prior[inside_box] = self.in_window(look, window, keep)[inside_box]
            if (prior > 0.5).sum() < 0.1 * (right - left) * (bottom - top):
                # Nothing there is salient: what differs in colour from the corners and from around the box.
                prior[inside_box] = 0.4
                middle, axes = (
                    ((left + right) // 2, (top + bottom) // 2),
                    ((right - left) // 2, (bottom - top) // 2),
                )
                cv2.ellipse(prior, middle, axes, 0, 0, 360, 0.6, -1)
        else:
            for point in positive:
                prior = np.maximum(prior, self.clicked(look, point, keep))
        seeds = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
        for x, y, is_inside in points:
            cv2.circle(seeds, (x, y), max(2, width // 150), cv2.GC_FGD if is_inside else cv2.GC_BGD, -1)
        inside = grabcut(look["picture"], prior, seeds)
        if box:
            inside &= prior > 0
        elif positive:
            inside = areas_at(inside, positive)
        return inside, float(prior[inside].mean()) if inside.any() else 0.0

    def clicked(self, look, point, keep):
        """Return the saliency of the object at a point: in the widest window that shows it whole and clearly."""
        height, width = look["picture"].shape[:2]
        best, best_clearness = None, 0.0
        for parts in (1, 2, 4, 8):
            left, top = (
                int(np.clip(round(at / length * 2 * parts - 1), 0, 2 * parts - 2) * length / (2 * parts))
                for at, length in zip(point, (width, height), strict=True)
            )
            right, bottom = left + -(-width // parts), top + -(-height // parts)
            saliency = self.in_window(look, (left, top, right, bottom), keep)
            area = areas_at(saliency > 0.5, [point])
            if not area.any():
                continue
            x, y, across, down = cv2.boundingRect(area.astype(np.uint8))
            around = saliency[max(y - 9, top) : y + down + 9, max(x - 9, left) : x + across + 9]
            clearness = float(np.abs(2 * around - 1).mean())
            if x <= left > 0 or y <= top > 0 or right <= x + across < width or bottom <= y + down < height:
                clearness /= 2  # the window cuts the object
            if clearness > best_clearness:
                best, best_clearness = np.where(area, saliency, 0), clearness
            if clearness > 0.85:
                break
        if best is None:
            best = np.zeros((height, width), np.float32)
            cv2.circle(best, point, width // 20, 0.6, -1)
        return best

    def in_window(self, look, window, keep):
        """Return the saliency from 0 to 1 within a window (left, top, right, bottom) of the picture, 0 outside."""
        left, top, right, bottom = window
        picture = look["picture"]
        if window[:2] == (0, 0) and picture[top:bottom, left:right].shape == picture.shape:
            return look["saliency"].astype(np.float32) / 255
        cut = np.ascontiguousarray(picture[top:bottom, left:right])
        found = keep(f"saliency within {left} {top} {right} {bottom}", lambda _: self.saliency(cut))
        saliency = np.zeros(picture.shape[:2], np.float32)
        saliency[top:bottom, left:right] = found / np.float32(255)
        return saliency


def grabcut(picture, prior, seeds=None):
    """Return the mask of the object whose pixels probably have a `prior` above 0.5, with edges where the colours have.

    `seeds` has `cv2.GC_FGD` and `cv2.GC_BGD` where pixels are known to be inside or outside.
    """
    likely = prior > 0.5
    known = np.full(prior.shape, cv2.GC_PR_BGD, np.uint8) if seeds is None else seeds
    x, y, across, down = cv2.boundingRect((likely | (known == cv2.GC_FGD)).astype(np.uint8))
    if not across:
        return likely
    margin = 8 + max(across, down) // 6
    part = np.s_[max(y - margin, 0) : y + down + margin, max(x - margin, 0) : x + across + margin]
    small = longest_side(np.ascontiguousarray(picture[part]), 400, 200)
    prior = cv2.resize(prior[part], small.shape[1::-1])
    classes = np.where(prior > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    classes[prior < 0.02] = cv2.GC_BGD
    classes[cv2.erode(prior, np.ones((7, 7), np.uint8)) > 0.95] = cv2.GC_FGD
    marks = cv2.resize(known[part], small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    classes = np.where(marks == cv2.GC_PR_BGD, classes, marks)
    is_inside = np.isin(classes, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if is_inside.any() and not is_inside.all():
        colours = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(small[..., ::-1].copy(), classes, None, *colours, 3, cv2.GC_INIT_WITH_MASK)
    cut = np.isin(classes, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    mask = np.zeros(likely.shape, bool)
    mask[part] = cv2.resize(cut, (mask[part].shape[1], mask[part].shape[0])) > 0.5
    return mask if mask.sum() > 0.2 * likely.sum() else likely  # colours that do not differ leave nothing


def areas_at(mask, points):
    """Return the connected areas of a mask that have one of the points, given as pairs of x and y."""
    _, numbers = cv2.connectedComponents(mask.astype(np.uint8))
    return mask & np.isin(numbers, [numbers[y, x] for x, y in points if mask[y, x]])


def longest_side(picture, most, least=0):
    """Return the picture, resized so that its longest side has at most, and at least, a number of pixels."""
    longest = max(picture.shape[:2])
    wanted = min(max(longest, least), most)
    size = tuple(max(1, round(side * wanted / longest)) for side in picture.shape[1::-1])
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if wanted < longest else cv2.INTER_LINEAR)

"""Where red pixels are in Label Studio's editor and in a drawing of the dashboard, for comparisons."""

import io
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ..regions_facts.labelling import Labelling
from .drawing_page import DrawingPage

#: Left, top, width and height on the screen, in pixels.
Place = tuple[float, float, float, float]


def is_red(colours: Any) -> Any:
    """Return which pixels are red, also light red: what is translucent on white."""
    red, green, blue = np.moveaxis(colours, -1, 0)
    return (red > 150) & (red - green > 40) & (red - blue > 40)


def screen(page: Any) -> Any:
    """Return what a page shows as an array of red, green and blue, each from 0 to 255."""
    page.mouse.move(1, 1)
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)


def within(pixels: Any, place: Place, size: tuple[int, int]) -> Any:
    """Return the pixels of the screen in a place, sampled at the middles of a grid of a size (width, height)."""
    left, top, width, height = place
    x = (left + (np.arange(size[0]) + 0.5) * width / size[0]).astype(int)
    y = (top + (np.arange(size[1]) + 0.5) * height / size[1]).astype(int)
    return pixels[np.clip(y, 0, pixels.shape[0] - 1)[:, None], np.clip(x, 0, pixels.shape[1] - 1)[None, :]]


def in_editor(labelling: Labelling, size: tuple[int, int]) -> Any:
    """Return which pixels of the picture are red in Label Studio's editor, on a grid of a size."""
    left, top, width, height, _, _ = labelling.image_place()
    return within(is_red(screen(labelling.page)), (left, top, width, height), size)


def in_drawing(drawing: DrawingPage, size: tuple[int, int]) -> Any:
    """Return which pixels of the picture are red in the dashboard's drawing, on a grid of a size."""
    place = drawing.page.evaluate(
        """() => { const stage = document.querySelector('.picture-stage');
            stage.scrollIntoView({ block: 'start' });
            const place = stage.getBoundingClientRect();
            return [place.left, place.top, place.width, place.height] }"""
    )
    return within(is_red(screen(drawing.page)), tuple(place), size)


def distance(pixels: Any, others: Any) -> float:
    """Return how far the pixels of either kind that are farthest from the other kind are, in pixels of the grid.

    Infinite if there are none of one kind.
    """
    if not pixels.any() or not others.any():
        return float("inf")

    def farthest(from_pixels: Any, to_pixels: Any) -> float:
        away = cv2.distanceTransform((~to_pixels).astype(np.uint8), cv2.DIST_L2, 5)
        return float(away[from_pixels].max())

    return max(farthest(pixels, others), farthest(others, pixels))


def place_of_grey(colours: Any) -> Place:
    """Return the place of a grey video with red shapes on a screen whose other parts are lighter or darker.

    While the screen shows no video, its place is the whole screen.
    """
    red, green, blue = np.moveaxis(colours, -1, 0)
    grey = (abs(red - green) < 6) & (abs(red - blue) < 6) & (red > 130) & (red < 215)
    y, x = np.nonzero(cv2.morphologyEx(grey.astype(np.uint8), cv2.MORPH_OPEN, np.ones((25, 25))))
    if not len(x):
        return 0.0, 0.0, float(colours.shape[1]), float(colours.shape[0])
    return float(x.min()), float(y.min()), float(x.max() + 1 - x.min()), float(y.max() + 1 - y.min())

"""Pictures with coloured shapes and a word, drawn with Pillow."""

import html
import io
from typing import TYPE_CHECKING

from label_studio_ml.samples.field_tree import Use
from label_studio_ml.samples.value_context import ValueContext

if TYPE_CHECKING:
    import random

    from PIL import Image, ImageDraw

_SIZES = ((640, 480), (480, 640), (320, 320), (800, 450), (96, 64), (720, 240))

#: Mode of the picture and extension of the file, in turn.
_FORMATS = (("RGB", "png"), ("RGB", "jpg"), ("L", "png"), ("RGBA", "png"), ("P", "png"))

COLOURS = ((214, 40, 40), (29, 78, 216), (22, 131, 60), (234, 160, 20), (126, 34, 206), (20, 20, 20))
_WORDS = ("INVOICE", "STOP", "OPEN", "Total 42.50", "EXIT", "No. 7", "Hello")
_PAGE = (420, 594)


def picture(use: Use, context: ValueContext) -> str:
    """Return the address of a PNG or JPEG with two to five shapes; sizes and colour modes differ between tasks."""
    size = _SIZES[context.number % len(_SIZES)]
    mode, extension = _FORMATS[context.number % len(_FORMATS)]
    return context.place(encoded(draw(size, context.rng), mode, extension), extension)


def pages(use: Use, context: ValueContext) -> list[str]:
    """Return the addresses of two to four pictures of pages in portrait format."""
    count = context.rng.randint(2, 4)
    return [
        context.place(encoded(draw(_PAGE, context.rng, paper=True), "RGB", "png"), "png")
        for _ in range(count)
    ]


def named_as_pictures(field: str) -> bool:
    """Tell whether the name of a field says that it has pictures, such as `$images` of a list to rank."""
    return any(part in field.lower() for part in ("image", "img", "picture", "photo"))


def as_html(context: ValueContext) -> str:
    """Return a small picture as an HTML element, for the `html` of items and choices."""
    address = context.place(encoded(draw((160, 120), context.rng), "RGB", "png"), "png")
    return f'<img src="{html.escape(address)}"/>'


def draw(size: tuple[int, int], rng: "random.Random", *, paper: bool = False) -> "Image.Image":
    """Return a picture (RGB) of `size`, width and height in pixels; `paper` makes it white with lines of text."""
    from PIL import Image, ImageDraw, ImageOps

    if paper:
        image = Image.new("RGB", size, "white")
    else:
        dark, light = rng.randint(150, 190), rng.randint(215, 250)
        gradient = Image.linear_gradient("L").resize(size)
        image = ImageOps.colorize(gradient, (dark, dark, dark + 20), (light, light, light))
    pen = ImageDraw.Draw(image)
    width, height = size
    if paper:
        for line in range(height // 12, height * 11 // 12, max(height // 24, 1)):
            pen.text((width // 12, line), " ".join(rng.choices(_WORDS, k=4)), fill=(60, 60, 60))
    for _ in range(rng.randint(1, 2) if paper else rng.randint(2, 5)):
        _draw_shape(pen, size, rng)
    place = (rng.randint(0, width // 2), rng.randint(0, height * 3 // 4))
    pen.text(place, rng.choice(_WORDS), fill="black")
    return image


def _draw_shape(pen: "ImageDraw.ImageDraw", size: tuple[int, int], rng: "random.Random") -> None:
    """Draw a rectangle, an ellipse or a triangle that lies within the picture."""
    width, height = size
    wide, high = (rng.randint(max(edge // 10, 3), max(edge // 3, 4)) for edge in size)
    left, top = rng.randint(1, width - wide - 1), rng.randint(1, height - high - 1)
    box = (left, top, left + wide, top + high)
    colour = rng.choice(COLOURS)
    match rng.randrange(3):
        case 0:
            pen.rectangle(box, fill=colour)
        case 1:
            pen.ellipse(box, fill=colour)
        case _:
            pen.polygon(
                [(left, top + high), (left + wide // 2, top), (left + wide, top + high)],
                fill=colour,
            )


def encoded(image: "Image.Image", mode: str, extension: str) -> bytes:
    """Return the picture as a file, in another colour mode; `RGBA` makes its right half partly transparent."""
    if mode == "RGBA":
        image = image.convert("RGBA")
        half = image.crop((image.width // 2, 0, image.width, image.height))
        half.putalpha(140)
        image.paste(half, (image.width // 2, 0))
    elif mode != "RGB":
        image = image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, {"png": "PNG", "jpg": "JPEG"}[extension])
    return buffer.getvalue()

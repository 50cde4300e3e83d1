"""Drawings of pictures show the regions of every tag where Label Studio's editor shows them."""

from typing import Any

from ..browser import Browser
from ..regions_facts.labelling import Labelling
from ..regions_facts.round_trip import assert_drawn
from ..regions_facts.test_builders_pictures import CELL, SHAPES, SIZE
from .drawing_page import DrawingPage, tags_of
from .drawn_pixels import distance, in_drawing, in_editor
from .picture_cases import CASES, CONFIG, PICTURES, Cell, first_picture, second_picture

#: The most pixels of the picture by which an outline may be off. The editor shows the picture at 77 % of its size, so a
#: pixel of its screen has 1.3 pixels of the picture, and either side counts a half covered pixel in its own way: 2 were
#: seen. The editor's lines have points of their own at their ends: 4 were seen.
OUTLINE, LINE = 2.3, 4.3
#: Shapes with lines, and masks, whose pixels are counted: a rim of one pixel would be 1.1 % of a cell.
LINES = {"vector", "curves", "skeleton", "closed vector", "two points", "label of its own"}
MASKS = {"brush", "bitmask", "smaller bitmask", "magic wand"}


def cell_of(pixels: Any, cell: Cell) -> Any:
    return pixels[cell[1] * CELL : (cell[1] + 1) * CELL, cell[0] * CELL : (cell[0] + 1) * CELL]


def misplaced(labelling: Labelling, drawn: Any, cells: dict[str, Cell]) -> dict[str, float]:
    """Return by how many pixels the shapes that are elsewhere in the editor are off, and masks that differ."""
    shown = in_editor(labelling, SIZE)
    off = {}
    for name, cell in cells.items():
        parts = cell_of(shown, cell), cell_of(drawn, cell)
        apart = distance(*parts)
        if apart > (LINE if name in LINES else OUTLINE):
            off[name] = apart
        elif name in MASKS and (parts[0] != parts[1]).mean() > 0.008:
            off[name] = float((parts[0] != parts[1]).mean())
    return off


def test_shapes_are_where_the_editor_draws_them(
    labelling: Labelling, drawing: DrawingPage, browser: Browser
) -> None:
    result = [*first_picture(), *second_picture()]
    labelling.open(CONFIG, {"images": PICTURES}, result)
    drawing.draw(
        "image.js",
        "ImageDrawing",
        **tags_of(CONFIG),
        regions=result,
        data=PICTURES,
        file=PICTURES,
        title="prediction",
    )
    browser.keep(drawing.page, "drawing-pictures-1")
    drawing.page.get_by_label("Labels on the picture").uncheck()
    cells = {name: shape.cell for name, shape in SHAPES.items()}
    assert_drawn(lambda: misplaced(labelling, in_drawing(drawing, SIZE), cells), {})

    drawing.page.get_by_role("button", name="Next").click()
    drawing.settle()
    browser.keep(drawing.page, "drawing-pictures-2")
    drawing.page.get_by_label("Labels on the picture").uncheck()
    labelling.evaluate("() => SELECTED.objects[0].setCurrentImage(1)")
    cells = {name: cell for name, (cell, _) in CASES.items()}

    def off() -> dict[str, float]:
        """Now and then, the editor cuts the second picture off at the right and the bottom until it is chosen again."""
        found = misplaced(labelling, in_drawing(drawing, SIZE), cells)
        if found:
            for number in (0, 1):
                labelling.evaluate(f"() => SELECTED.objects[0].setCurrentImage({number})")
                labelling.image_place()
            width = labelling.page.viewport_size["width"]
            labelling.page.set_viewport_size({"width": 2801 - width, "height": 900})
        return found

    assert_drawn(off, {})
    browser.keep(labelling.page, "drawing-pictures-2-editor")
    assert drawing.errors == []

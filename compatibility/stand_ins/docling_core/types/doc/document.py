"""A document of one page with one paragraph."""

import enum
from types import SimpleNamespace

from docling_core.types.doc.labels import DocItemLabel

ContentLayer = enum.Enum("ContentLayer", "BODY FURNITURE BACKGROUND INVISIBLE NOTES")


class _Box(SimpleNamespace):
    @property
    def width(self):
        return self.r - self.l

    @property
    def height(self):
        return self.b - self.t

    def to_top_left_origin(self, page_height):
        return self

    def scale_to_size(self, old_size, new_size):
        return self


class NodeItem(SimpleNamespace):
    pass


class DoclingDocument:
    def __init__(self):
        size = SimpleNamespace(width=600.0, height=800.0)
        self.pages = {1: SimpleNamespace(size=size, image=None)}

    def iterate_items(self, **kwargs):
        where = SimpleNamespace(page_no=1, bbox=_Box(l=60.0, t=80.0, r=300.0, b=160.0))
        layer = ContentLayer.BODY
        yield NodeItem(label=DocItemLabel.PARAGRAPH, text="A paragraph", prov=[where], content_layer=layer), 1

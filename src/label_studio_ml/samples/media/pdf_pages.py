"""PDF documents with lines of text and a coloured box on each page."""

import textwrap

from label_studio_ml.samples.field_tree import Use
from label_studio_ml.samples.media.drawings import COLOURS
from label_studio_ml.samples.scripts_of_texts import SCRIPTS
from label_studio_ml.samples.value_context import ValueContext

#: Width and height of a page in points: A4.
_WIDTH, _HEIGHT = 595, 842
_LINE = 18


def document(use: Use, context: ValueContext) -> str:
    """Return the address of a PDF of one to three pages, in English: the fonts that every reader has are Latin."""
    pages = [_page(number, context) for number in range(context.rng.randint(1, 3))]
    return context.place(pdf(pages), "pdf")


def _page(number: int, context: ValueContext) -> bytes:
    """Return the drawing instructions of a page."""
    rng = context.rng
    red, green, blue = (part / 255 for part in rng.choice(COLOURS))
    left, bottom = rng.randint(60, 300), rng.randint(80, 300)
    wide, high = rng.randint(60, 200), rng.randint(40, 120)
    paragraph = " ".join(rng.choices(SCRIPTS[0].sentences, k=6))
    lines = [f"Report {context.number + 1}, page {number + 1}", "", *textwrap.wrap(paragraph, 80)]
    shown = [f"({_escaped(line)}) Tj T*" for line in lines]
    return "\n".join(
        (
            f"{red:.3f} {green:.3f} {blue:.3f} rg {left} {bottom} {wide} {high} re f",
            f"BT 0 g /F1 12 Tf {_LINE} TL 60 {_HEIGHT - 80} Td",
            *shown,
            "ET",
        )
    ).encode("latin-1", "replace")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def pdf(pages: list[bytes]) -> bytes:
    """Return a PDF file; each page is given as its drawing instructions, which may use the font `/F1`."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, content in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {_WIDTH} {_HEIGHT}] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R >>".encode()
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream")
    file = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(file))
        file += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = len(file)
    file += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    file += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    file += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n".encode()
    return bytes(file)

"""How the gallery's entity model cuts long texts into the parts that spaCy reads."""

import importlib.util
from typing import Any

import pytest

from label_studio_ml.gallery.catalogue import model_named


def text_parts() -> Any:
    spec = importlib.util.spec_from_file_location(
        "text_parts", model_named("named-entities").folder / "text_parts.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "text",
    ["", "a", "x" * 25_000, "word " * 5_000, "Ann lives in Rome.\n" * 2_000, "\n" * 30_000, " " * 30_000],
)
def test_the_parts_make_up_the_text(text: str) -> None:
    found = list(text_parts().parts(text))
    assert "".join(part for _, part in found) == text
    assert all(text[start : start + len(part)] == part for start, part in found)
    assert max((len(part) for _, part in found), default=0) <= text_parts().LONGEST_PART


@pytest.mark.parametrize(("text", "end"), [("one two " * 3_000, " "), ("one two three\n" * 3_000, "\n")])
def test_a_part_ends_behind_a_line_or_a_word(text: str, end: str) -> None:
    assert all(part.endswith(end) for _, part in text_parts().parts(text))

"""The table in docs/regions.md, tag by builder, target and metric, is what the code does."""

import re
from pathlib import Path

import pytest

from label_studio_ml import regions, targets
from label_studio_ml.controls import controls_of
from label_studio_ml.evaluation.metrics.region_kinds import kind_of_tag
from label_studio_ml.protocol.control_tags import CONTROL_TAGS
from label_studio_ml.targets.target_kinds import kind_of_control

_PAGE = (Path(__file__).resolve().parents[2] / "docs" / "regions.md").read_text(encoding="utf-8")
_ROWS = [
    [cell.strip() for cell in line.strip("|").split(" |")]
    for line in _PAGE.partition("| tag | builder |")[2].partition("\n\n")[0].splitlines()[2:]
]


def _names(cell: str) -> list[str]:
    """Return what a cell of the table names: tags, functions, types."""
    return re.findall(r"`(\w+)", cell)


#: Each tag with its row, for tags whose targets do not depend on the object; `<Labels>` has a row for each object.
_BY_TAG = {
    tag: row
    for row in _ROWS
    for tag in _names(row[0])
    if tag in CONTROL_TAGS and not row[0].startswith("`Labels`")
}


def test_every_tag_has_a_row() -> None:
    named = {tag for row in _ROWS for tag in _names(row[0])}
    assert set(CONTROL_TAGS) <= named


@pytest.mark.parametrize("tag", [tag for tag in _BY_TAG if tag != "Relations"])
def test_the_row_of_a_tag(tag: str) -> None:
    _, builders, ways_back, target, metric = _BY_TAG[tag]
    objects = CONTROL_TAGS[tag].objects or ("Text",)
    shown = f'<{objects[0]} name="o" value="$x"/><{objects[0]} name="p" value="$y"/>'
    to_name = "o,p" if tag == "Pairwise" else "o"
    (control,) = [
        control
        for control in controls_of(f'<View>{shown}<{tag} name="c" toName="{to_name}"/></View>')
        if control.name == "c"
    ]
    example = kind_of_control(control).example.__name__
    assert example in _names(target)
    assert hasattr(targets, example)
    kind = kind_of_tag(tag)
    assert (kind.name in metric) if kind is not None else (not metric or f"not `{tag}`" in metric)
    for name in (*_names(builders), *_names(ways_back)):
        assert hasattr(regions, name) or name in {"region", "allowNested"}, name

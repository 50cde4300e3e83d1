"""Tags of tokens: to spans and back, in every scheme, with the mistakes that models make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml.regions.text_spans.token_tags import TaggedSpan, spans_of_tags, split_tag, tags_of_spans


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("B-P I-P O B-L", [("P", 0, 1), ("L", 3, 3)]),
        ("B-P B-P I-P", [("P", 0, 0), ("P", 1, 2)]),
        ("I-P I-P I-L", [("P", 0, 1), ("L", 2, 2)]),  # IOB1, or a model that forgets B
        ("B-P I-L I-L", [("P", 0, 0), ("L", 1, 2)]),
        ("B-P I-P L-P U-P U-P", [("P", 0, 2), ("P", 3, 3), ("P", 4, 4)]),
        ("B-P E-P I-P S-L", [("P", 0, 1), ("P", 2, 2), ("L", 3, 3)]),
        ("P P O P L", [("P", 0, 1), ("P", 3, 3), ("L", 4, 4)]),
        ("B_P I_P", [("P", 0, 1)]),
        ("B-a-b I-a-b", [("a-b", 0, 1)]),
        ("O O", []),
        ("", []),
    ],
)
def test_spans_of_tags(tags: str, spans: list[tuple[str, int, int]]) -> None:
    assert spans_of_tags(tags.split()) == [TaggedSpan(*span) for span in spans]


def test_tags_that_are_none_or_empty_belong_to_no_span() -> None:
    assert spans_of_tags(["B-P", None, "I-P", "", "I-P"]) == [
        TaggedSpan("P", 0, 0),
        TaggedSpan("P", 2, 2),
        TaggedSpan("P", 4, 4),
    ]


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("B-PER", ("B", "PER")),
        ("PER", ("", "PER")),
        ("X-PER", ("", "X-PER")),
        ("O", ("", "")),
        ("I-", ("", "I-")),
    ],
)
def test_prefixes(tag: str, parts: tuple[str, str]) -> None:
    assert split_tag(tag) == parts


@st.composite
def spans(draw: st.DrawFn) -> tuple[list[TaggedSpan], int]:
    """Return spans that do not overlap, in order, and the number of tokens."""
    lengths = draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.sampled_from("PLM")), max_size=8)
    )
    made, position = [], 0
    for gap, length, label in lengths:
        position += gap
        made.append(TaggedSpan(label, position, position + length - 1))
        position += length
    return made, position + draw(st.integers(0, 2))


@given(spans(), st.sampled_from(["BIO", "BILOU", "BIOES"]))
def test_spans_come_back(case: tuple[list[TaggedSpan], int], scheme: str) -> None:
    several, count = case
    tags = tags_of_spans(several, count, scheme)
    assert len(tags) == count
    assert spans_of_tags(tags) == several


def test_spans_that_overlap_or_lie_outside() -> None:
    assert tags_of_spans([TaggedSpan("P", 0, 1), TaggedSpan("L", 1, 2)], 3) == ["B-P", "I-P", "O"]
    with pytest.raises(ValueError, match="from token 2 to 3 is not within 3 tokens"):
        tags_of_spans([TaggedSpan("P", 2, 3)], 3)
    with pytest.raises(ValueError, match='scheme must be "BIO"'):
        tags_of_spans([], 3, "IOB")

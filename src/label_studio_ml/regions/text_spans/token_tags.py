"""Spans of tagged tokens: from a tag for each token (BIO, BILOU, or plain labels) to the spans that the tags describe.

Schemes, with the prefixes of their tags: BIO or IOB2 (`B-`, `I-`, `O`), BILOU or BIOES (also `L-` or `E-` for the last
token, `U-` or `S-` for a single one), IOB1 (`I-` begins a span, `B-` only one that follows another). All of them are
read by the same rules, and so are their mistakes:

- a token with `B`, `U` or `S` begins a span;
- a token with `I`, `L` or `E` goes on with the span before it if that has the same label and is not ended, else it
  begins one;
- a token with `L`, `E`, `U` or `S` ends its span;
- a tag without a prefix is a label: tokens with the same label in a row are one span;
- `O`, an empty tag and None belong to no span.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_BEGIN, _END = frozenset("BUS"), frozenset("LEUS")
_PREFIXES = frozenset("BILOUES")
#: Characters between a prefix and the label.
_SEPARATORS = "-_"


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """A span of tokens `first` to `last`, both included, with its label."""

    label: str
    first: int
    last: int


def split_tag(tag: Any) -> tuple[str, str]:
    """Return prefix and label of a token's tag: of `B-PER` they are B and PER, of `PER` no prefix, of `O` neither."""
    text = "" if tag is None else str(tag)
    if text in ("", "O"):
        return "", ""
    if len(text) > 2 and text[1] in _SEPARATORS and text[0] in _PREFIXES:
        return text[0], text[2:]
    return "", text


def spans_of_tags(tags: Iterable[Any]) -> list[TaggedSpan]:
    """Return the spans that the tags of tokens describe, in order."""
    spans: list[TaggedSpan] = []
    is_open = False
    for position, (prefix, label) in enumerate(map(split_tag, tags)):
        if not label:
            is_open = False
            continue
        before = spans[-1] if is_open else None
        if before is not None and before.label == label and prefix not in _BEGIN:
            spans[-1] = TaggedSpan(label, before.first, position)
        else:
            spans.append(TaggedSpan(label, position, position))
        is_open = prefix not in _END
    return spans


def tags_of_spans(spans: Sequence[TaggedSpan], count: int, scheme: str = "BIO") -> list[str]:
    """Return a tag for each of `count` tokens, in the scheme `"BIO"`, `"BILOU"` or `"BIOES"`.

    Of spans that overlap, the earlier one in `spans` keeps its tokens, and the other is left out. Raises ValueError for
    another scheme, and for a span beyond the tokens.
    """
    prefixes = {
        "BIO": ("B", "I", "I", "B"),
        "BILOU": ("B", "I", "L", "U"),
        "BIOES": ("B", "I", "E", "S"),
    }.get(scheme)
    if prefixes is None:
        raise ValueError(f'scheme must be "BIO", "BILOU" or "BIOES", not {scheme!r}')
    begin, inside, last, single = prefixes
    tags = ["O"] * count
    for span in spans:
        if not 0 <= span.first <= span.last < count:
            raise ValueError(f"The span from token {span.first} to {span.last} is not within {count} tokens")
        if any(tag != "O" for tag in tags[span.first : span.last + 1]):
            continue
        if span.first == span.last:
            tags[span.first] = f"{single}-{span.label}"
            continue
        tags[span.first] = f"{begin}-{span.label}"
        for position in range(span.first + 1, span.last):
            tags[position] = f"{inside}-{span.label}"
        tags[span.last] = f"{last}-{span.label}"
    return tags

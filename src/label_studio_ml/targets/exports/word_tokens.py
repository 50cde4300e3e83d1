"""Texts as tokens with tags: what CoNLL files and Hugging Face datasets have of spans."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.regions.text_spans.token_tags import TaggedSpan, tags_of_spans
from label_studio_ml.support import arguments
from label_studio_ml.targets.example_types import SpanExample
from label_studio_ml.targets.exports.class_list import UNLABELLED, Omitted
from label_studio_ml.targets.target_regions import SpanTarget

#: Start and end of a token in its text.
Offsets = tuple[int, int]
#: A caller's function from a text to its tokens: the texts of the tokens in order, or their starts and ends.
Tokenize = Callable[[str], Iterable[Any]]

OVERLAPPING = "spans that overlap a longer one"
WITHOUT_TOKENS = "spans without a token of their own"
WIDENED = "ends of spans within a token (the span has the whole token)"

_BLANK_LINE = re.compile(r"\n\s*\n")
_JOINER, _NON_JOINER = "\u200d", "\u200c"
#: Ideographs: each is a token, since texts in them have no spaces between words.
_IDEOGRAPHS = (range(0x3400, 0x4DC0), range(0x4E00, 0xA000), range(0xF900, 0xFB00), range(0x20000, 0x40000))
#: Skin tones, which follow the emoji that they belong to; and the letters of flags, two of which are a flag.
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A part of a text without blank lines: its tokens, and a BIO tag for each."""

    tokens: list[str]
    tags: list[str]


def sentences_of(example: SpanExample, tokenize: Tokenize | None, omitted: Omitted) -> Iterator[Sentence]:
    """Yield the sentences of a text. Blank lines end a sentence, also within a span, which then begins anew.

    The default tokens are words and single signs, cut where a span begins or ends. Those of `tokenize` are not cut: a
    token that is partly in a span is in it. Of spans that overlap, the longest is kept. Raises ValueError if `tokenize`
    returns what are no tokens of the text.
    """
    text = example.text or ""
    spans = _disjoint(example.spans, omitted)
    if tokenize is None:
        cuts = {edge for span in spans for edge in (span.start, span.end)}
        tokens = list(default_tokens(text, cuts))
    else:
        tokens = _offsets(text, tokenize(text))
    tags = _tags(tokens, spans, omitted)
    for first, last in _sentences(text, tokens):
        yield Sentence([text[start:end] for start, end in tokens[first:last]], _begun(tags[first:last]))


def default_tokens(text: str, cuts: Iterable[int] = ()) -> Iterator[Offsets]:
    """Yield words (letters, digits, `_` and their marks), and other characters but white space, and ideographs, one by
    one.

    Characters that are written as one stay together: combining marks, emoji of several parts, flags. Tokens are cut at
    the positions `cuts`.
    """
    edges = set(cuts)
    start: int | None = None
    is_word = False
    for position, character in enumerate(text):
        if character.isspace():
            if start is not None:
                yield start, position
            start = None
            continue
        in_word = _is_in_word(character)
        if start is None:
            start, is_word = position, in_word
        elif position in edges or not ((is_word and in_word) or _continues(text, start, position, character)):
            yield start, position
            start, is_word = position, in_word
    if start is not None:
        yield start, len(text)


def _is_in_word(character: str) -> bool:
    if character < "\u3400":
        return character.isalnum() or character == "_"
    return character.isalnum() and not any(ord(character) in block for block in _IDEOGRAPHS)


def _continues(text: str, start: int, position: int, character: str) -> bool:
    """Tell whether a character belongs to the one before it."""
    before = text[position - 1]
    if character in (_JOINER, _NON_JOINER) or ord(character) in _SKIN_TONES:
        return True
    if unicodedata.category(character)[0] == "M":
        return True
    if before == _JOINER:
        return not character.isalnum()
    return position - start == 1 and ord(before) in _FLAG_LETTERS and ord(character) in _FLAG_LETTERS


def _offsets(text: str, tokens: Iterable[Any]) -> list[Offsets]:
    """Return start and end of the tokens that a caller's function returned."""
    offsets: list[Offsets] = []
    position = 0
    for token in tokens:
        if isinstance(token, str):
            start = text.find(token, position)
            end = start + len(token)
        else:
            start, end = (int(edge) for edge in token)
        if not position <= start < end <= len(text):
            raise arguments.wrong(
                "tokenize",
                "a function that returns tokens of the text in their order, or their starts and ends",
                token,
            )
        offsets.append((start, end))
        position = end
    return offsets


def _disjoint(spans: Sequence[SpanTarget], omitted: Omitted) -> list[SpanTarget]:
    """Return the spans with a label that overlap no longer one (of the same length, no earlier one), in order."""
    kept: list[SpanTarget] = []  # in order of their starts
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        if span.label is None:
            omitted.add(UNLABELLED)
            continue
        place = bisect_left(kept, span.start, key=lambda other: other.start)
        is_free = (place == 0 or kept[place - 1].end <= span.start) and (
            place == len(kept) or kept[place].start >= span.end
        )
        if is_free:
            kept.insert(place, span)
        else:
            omitted.add(OVERLAPPING)
    return kept


def _tags(tokens: Sequence[Offsets], spans: Sequence[SpanTarget], omitted: Omitted) -> list[str]:
    tagged: list[TaggedSpan] = []
    token = 0
    for span in spans:
        while token < len(tokens) and tokens[token][1] <= span.start:
            token += 1
        first = token
        while token < len(tokens) and tokens[token][0] < span.end:
            token += 1
        if token == first:
            omitted.add(WITHOUT_TOKENS)
            continue
        if tokens[first][0] < span.start or tokens[token - 1][1] > span.end:
            omitted.add(WIDENED)
        tagged.append(TaggedSpan(str(span.label), first, token - 1))
    return tags_of_spans(tagged, len(tokens))


def _sentences(text: str, tokens: Sequence[Offsets]) -> Iterator[tuple[int, int]]:
    """Yield the first token of each sentence, and the one after its last."""
    first = 0
    for at in range(1, len(tokens)):
        if _BLANK_LINE.search(text, tokens[at - 1][1], tokens[at][0]):
            yield first, at
            first = at
    if first < len(tokens):
        yield first, len(tokens)


def _begun(tags: list[str]) -> list[str]:
    """Return the tags of a sentence that does not begin within a span."""
    return [f"B{tags[0][1:]}", *tags[1:]] if tags[0].startswith("I-") else tags

"""Spans in what a `<Text>`, a `<HyperText>` or `<Paragraphs>` shows of a task.

Models work on a `str`, whose indices count code points. Label Studio counts code points in a `<Text>`, and in the text
of a whole `<HyperText>`; in `<Paragraphs>` it counts UTF-16 units in each paragraph (measured: docs/region-formats.md).
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.region import (
    Region,
    chosen_rows,
    interval,
    make,
    number,
    plain,
    require,
    require_control,
    rows_of,
)
from label_studio_ml.regions.text_spans.html_text import html_text
from label_studio_ml.regions.text_spans.shown_number import shown_number
from label_studio_ml.regions.text_spans.token_tags import spans_of_tags

#: What stands between two paragraphs in the text that models get.
_BETWEEN = "\n"


@dataclass(frozen=True)
class LabelledText:
    """The text that one control labels in one task, and the spans in it.

    `text` is what a model reads: the text itself, that of an HTML page without its tags, or all paragraphs with a line
    end between them. All offsets of its methods are indices of `text`; `end` is exclusive.
    """

    control: Control
    text: str
    #: Texts of the paragraphs; empty unless the object is a `<Paragraphs>`.
    paragraphs: tuple[str, ...] = ()

    # To regions

    def span(
        self,
        start: Any,
        end: Any,
        label: Any = None,
        *,
        score: float | None = None,
        id: str | None = None,  # noqa: A002 (the name of the field)
        strip: bool = False,
    ) -> Region | None:
        """Return a span as a region; None if its label is dropped, or nothing of it is left.

        With `strip`, white space at its ends is not part of it. Raises ValueError for offsets that are not in the text,
        and LabelConfigError for a label that the control does not have.
        """
        require(self.control, Geometry.SPAN, Geometry.TAXONOMY)
        first, last = self._offset(start, "start"), self._offset(end, "end")
        if first > last:
            raise ValueError(f"A span must end after its start, not from {first} to {last}")
        if strip:
            content = self.text[first:last]
            first += len(content) - len(content.lstrip())
            last = max(first, last - (len(content) - len(content.rstrip())))
        if first == last:
            return None
        return make(self.control, self._value(first, last), label=label, score=score, id=id)

    def spans(
        self,
        offsets: Any,
        labels: Any = None,
        *,
        scores: Any = None,
        min_score: float = 0.0,
        strip: bool = False,
    ) -> list[Region]:
        """Return several spans as regions: `span` for each pair of start and end, with its label and score.

        `labels` may also be one label for all. Spans with a score below `min_score` or a dropped label are left out.
        Raises ValueError if there is not one label (and score) for each span, and as `span` does.
        """
        pairs = rows_of(offsets, "offsets", "span")
        made = (
            self.span(*interval(pairs[at], "offsets"), label, score=score, strip=strip)
            for at, label, score in chosen_rows(len(pairs), labels, scores, min_score, "span")
        )
        return [region for region in made if region is not None]

    def tagged(
        self,
        tokens: Any,
        tags: Sequence[Any],
        *,
        scores: Any = None,
        min_score: float = 0.0,
    ) -> list[Region]:
        """Return the spans of tagged tokens as regions.

        `tokens` are the tokens' offsets, as pairs of start and end, or the tokens themselves, which are searched for in
        their order. `tags` has one for each token, in any scheme (see `token_tags`). The score of a span is the mean of
        its tokens' `scores`. Raises ValueError if a token is not in the text, and as `spans` does.
        """
        offsets = self._token_offsets(tokens)
        several = None if scores is None else [number(score, "scores") for score in plain(scores)]
        for name, entries in (("tags", tags), ("scores", several)):
            if entries is not None and len(entries) != len(offsets):
                raise ValueError(
                    f"{name} must have an entry for each token ({len(offsets)}), not {len(entries)}"
                )
        found = spans_of_tags(tags)
        means = (
            [sum(several[span.first : span.last + 1]) / (span.last + 1 - span.first) for span in found]
            if several is not None
            else None
        )
        return self.spans(
            [(offsets[span.first][0], offsets[span.last][1]) for span in found],
            [span.label for span in found],
            scores=means,
            min_score=min_score,
        )

    def of_pipeline(self, output: Iterable[Mapping[str, Any]], *, min_score: float = 0.0) -> list[Region]:
        """Return the output of a token classification pipeline of Hugging Face's transformers as regions.

        Entries with `entity_group` are spans; those with `entity` (no aggregation) are tokens with BIO tags. White
        space at the ends of a span, which some tokenizers include, is left out. Raises ValueError if entries have no
        offsets, or `output` is not that of one text.
        """
        entries = [] if isinstance(output, str | Mapping) else list(output)
        if isinstance(output, str | Mapping) or not all(isinstance(entry, Mapping) for entry in entries):
            raise ValueError(
                "output must be the list of entities of one text: of a pipeline that got a list of texts, pass the "
                "entry of this one, such as output[0]"
            )
        if any(entry.get("start") is None or entry.get("end") is None for entry in entries):
            raise ValueError("The pipeline's entries have no offsets: it needs a fast tokenizer")
        offsets = [(entry["start"], entry["end"]) for entry in entries]
        scores = [entry.get("score") for entry in entries]
        known_scores = None if None in scores else scores
        if any("entity_group" in entry for entry in entries):
            labels = [entry["entity_group"] for entry in entries]
            return self.spans(offsets, labels, scores=known_scores, min_score=min_score, strip=True)
        # Tokens without an entity are not in the output: a gap in `index` ends a span.
        tokens, tags, token_scores = [], [], []
        before = None
        for entry, offset, score in zip(entries, offsets, scores, strict=True):
            index = entry.get("index")
            if before is not None and index is not None and index != before + 1:
                tokens.append((offset[0], offset[0]))
                tags.append("O")
                token_scores.append(0.0)
            before = index
            tokens.append(offset)
            tags.append(str(entry.get("entity", "O")))
            token_scores.append(score)
        return self.tagged(
            tokens, tags, scores=None if known_scores is None else token_scores, min_score=min_score
        )

    def of_spacy(self, doc: Any, *, score: float | None = None) -> list[Region]:
        """Return the entities of a spaCy document of this text as regions; spaCy gives no scores.

        Raises ValueError if the document is one of another text.
        """
        if str(doc.text) != self.text:
            raise ValueError(
                "The spaCy document is not one of this text: make it with nlp(labelled_text.text)"
            )
        offsets = [(entity.start_char, entity.end_char) for entity in doc.ents]
        scores = None if score is None else [score] * len(offsets)
        return self.spans(offsets, [entity.label_ for entity in doc.ents], scores=scores)

    # From regions

    def offsets(self, region: Mapping[str, Any]) -> tuple[int, int]:
        """Return start and end of a region in `text`. Raises ValueError if they are not in this text."""
        value = region["value"]
        if self.paragraphs:
            start = self._from_paragraph(value.get("start"), value.get("startOffset"))
            end = self._from_paragraph(value.get("end"), value.get("endOffset"))
        else:
            place = value.get("globalOffsets") or value
            start, end = self._offset(place.get("start"), "start"), self._offset(place.get("end"), "end")
        if start > end:
            raise ValueError(f"The region ends before its start: {start} to {end}")
        return start, end

    # Positions

    def _offset(self, offset: Any, name: str) -> int:
        """Return an offset as int. Raises ValueError if it is none, or not in the text."""
        value = number(offset, name)
        if value != int(value) or not 0 <= value <= len(self.text):
            raise ValueError(f"{name} must be a whole number from 0 to {len(self.text)}, not {offset!r}")
        return int(value)

    def _value(self, start: int, end: int) -> dict[str, Any]:
        if self.paragraphs:
            first, start_offset = self._in_paragraph(start)
            last, end_offset = self._in_paragraph(end)
            place = {
                "start": str(first),
                "startOffset": start_offset,
                "end": str(last),
                "endOffset": end_offset,
            }
            return {**place, "text": self.text[start:end]}
        if self.control.object.tag == "HyperText":
            return {
                "start": "",
                "startOffset": 0,
                "end": "",
                "endOffset": 0,
                "globalOffsets": {"start": start, "end": end},
                "text": self.text[start:end],
            }
        return {"start": start, "end": end, "text": self.text[start:end]}

    @cached_property
    def _starts(self) -> list[int]:
        """Return the index in `text` at which each paragraph starts."""
        lengths = [len(text) + len(_BETWEEN) for text in self.paragraphs]
        return [0, *accumulate(lengths)][: len(lengths)]

    def _in_paragraph(self, offset: int) -> tuple[int, int]:
        """Return the paragraph of an index in `text`, and the offset in that paragraph in UTF-16 units."""
        index = bisect_right(self._starts, offset) - 1
        inside = min(offset - self._starts[index], len(self.paragraphs[index]))
        return index, _utf16_length(self.paragraphs[index][:inside])

    def _from_paragraph(self, index: Any, offset: Any) -> int:
        """Return the index in `text` of an offset in UTF-16 units in a paragraph. Raises ValueError."""
        try:
            if int(index) < 0 or int(offset) < 0:
                raise ValueError
            text = self.paragraphs[int(index)]
            units = text.encode("utf-16-le", "surrogatepass")[: 2 * int(offset)]
        except (TypeError, ValueError, IndexError, OverflowError):
            raise ValueError(f"There is no paragraph {index!r} with an offset {offset!r}") from None
        return self._starts[int(index)] + len(units.decode("utf-16-le", "surrogatepass"))

    def _token_offsets(self, tokens: Any) -> list[tuple[int, int]]:
        offsets: list[tuple[int, int]] = []
        position = 0
        for token in plain(tokens):
            if isinstance(token, str):
                start = self.text.find(token, position)
                if start < 0:
                    raise ValueError(f"The token {token!r} is not in the text after character {position}")
                position = start + len(token)
                offsets.append((start, position))
            else:
                start, end = plain(token)
                offsets.append((self._offset(start, "start"), self._offset(end, "end")))
        return offsets


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def labelled_text(control: Control, task: Mapping[str, Any], content: str | None = None) -> LabelledText:
    """Return the text that a control labels in a task.

    `content` is the text of the file, for an object with `valueType="url"`. A number in a `<Text>` is the text that the
    page shows of it. Raises LabelConfigError if the control does
    not label a text, ValueError for a file without `content` and for data of another type, KeyError if the task lacks
    the field.
    """
    require_control(control)
    item = control.object
    if item.tag not in ("Text", "HyperText", "Paragraphs"):
        raise LabelConfigError(f"{control} does not label a text", field="label_config")
    value = control.value(task) if content is None else content
    if item.is_url and content is None and isinstance(value, str):
        raise ValueError(
            f"The field {control.field!r} has the URL of a text: pass the file's text as content=…"
        )
    if item.tag == "Paragraphs":
        paragraphs = _paragraphs(value, item.attribute("textKey") or "text", control.field)
        return LabelledText(control, _BETWEEN.join(paragraphs), paragraphs)
    if item.tag == "Text" and isinstance(value, int | float):
        value = shown_number(value)
    if not isinstance(value, str):
        raise ValueError(f"The field {control.field!r} must be a text, not {type(value).__name__}")
    return LabelledText(control, html_text(value) if item.tag == "HyperText" else value)


def _paragraphs(value: Any, key: str, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(entry, Mapping) for entry in value):
        raise ValueError(
            f"The field {name!r} must be a list of objects with {key!r}, not {type(value).__name__}"
        )
    return tuple("" if entry.get(key) is None else str(entry[key]) for entry in value)

"""Checks of spans in texts, pages and paragraphs, against the task's own text where the task holds it.

Offsets count code points in a `<Text>`, and UTF-16 units in each of the `<Paragraphs>`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from label_studio_ml.validation.finding import Problem
from label_studio_ml.validation.kinds.values import Place, ValueCheck, dropped, warning, with_value

_SPANS = "regions.labelled_text makes spans in the units of Label Studio"
_OUTSIDE = "it is outside of the text: there is nothing to see"

#: What differs between a text and the one that Label Studio's page fills in: white space, and how it writes line ends.
_BLANKS = re.compile(r"(\\n|\\r|\s)+")


def text_fits(value: Mapping[str, Any], content: Any = None) -> bool:
    """Tell whether a span is in its text and agrees with it."""
    start, end = value.get("start"), value.get("end")
    if type(start) is not int or type(end) is not int or not 0 <= start < end:
        return False
    text = value.get("text", "")
    if type(text) is not str:
        return False
    return not isinstance(content, str) or (end <= len(content) and text in ("", content[start:end]))


def text_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a span in a `<Text>`."""
    start, end = _whole(value.get("start")), _whole(value.get("end"))
    if start is None or end is None:
        yield _offset_problem(value, "start" if start is None else "end")
        return
    yield from _text_field_problems(value)
    detail = f"{start} to {end}"
    if start >= end:
        text = "its end is not after its start: there is nothing to see"
        yield warning(text, "end", "end is exclusive: text[start:end]", detail, dropped)
        return
    if not isinstance(place.content, str):
        if start < 0:
            yield warning("its start is below 0", "start", _SPANS, detail, with_value(start=0))
        return
    length = len(place.content)
    if start >= length or end <= 0:
        yield warning(_OUTSIDE, "start", _SPANS, f"{detail} of {length} characters", dropped)
    elif start < 0 or end > length:
        field = "start" if start < 0 else "end"
        clipped: dict[str, Any] = {"start": max(start, 0), "end": min(end, length)}
        if isinstance(value.get("text"), str):
            clipped["text"] = place.content[clipped["start"] : clipped["end"]]
        repair = with_value(**clipped)
        yield warning("it reaches out of the text", field, _SPANS, f"{detail} of {length} characters", repair)
    else:
        yield from _mismatches(value.get("text"), place.content[start:end])


def _mismatches(text: Any, shown: str) -> Iterator[Problem]:
    """Yield the problem of a span's text that is not the one at its offsets, whatever its white space is."""
    if not isinstance(text, str) or not text or text == shown:
        return
    if _BLANKS.sub("", text) == _BLANKS.sub("", shown):
        return
    fix = "Count code points of the task's text, as Python's str does, or leave text out"
    detail = f"{text!r:.60}, but there it says {shown!r:.60}"
    yield warning("its text is not the one at its offsets", "text", fix, detail, with_value(text=shown))


def _text_field_problems(value: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problem of a `text` that is no text: the page fails."""
    if "text" in value and not isinstance(value["text"], str):

        def without_text(region: dict[str, Any]) -> dict[str, Any]:
            rest = {name: field for name, field in region["value"].items() if name != "text"}
            return {**region, "value": rest}

        kind = type(value["text"]).__name__
        yield Problem(
            f"'text' of its value is not a text: {kind}", "text", "Leave text out", repair=without_text
        )


def _whole(value: Any) -> int | None:
    """Return an offset as Label Studio reads it: also 1.0 and "1" are whole numbers. None if it is none."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
        return int(number) if number.is_integer() else None
    except (TypeError, ValueError, OverflowError):
        return None


def page_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a span in a `<HyperText>`."""
    missing = [name for name in ("start", "end") if value.get(name) is None]
    if missing:
        yield Problem(
            f"{missing[0]!r} of its value is missing: Label Studio does not show the region",
            missing[0],
            'Return start and end as paths, or "" beside globalOffsets',
        )
        return
    yield from _text_field_problems(value)
    if any(isinstance(value[name], str) for name in ("start", "end")):
        for name in ("startOffset", "endOffset"):
            if _whole(value.get(name)) is None:
                yield _offset_problem(value, name)
                return


def paragraph_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a span in `<Paragraphs>`."""
    for name in ("start", "end"):
        if not isinstance(value.get(name), str):
            fix = 'Return the index of the paragraph as text, such as "0"'
            index = _whole(value.get(name))
            cause = "missing" if value.get(name) is None else f"not a text: {value[name]!r:.80}"
            repair = with_value(**{name: str(index)}) if index is not None else None
            yield Problem(f"{name!r} of its value is {cause}", name, fix, repair=repair)
            return
    for name in ("startOffset", "endOffset"):
        if isinstance(value.get(name), str) or _whole(value.get(name)) is None:
            yield _offset_problem(value, name)
            return
    if value.get("text", "") is None:
        yield from _text_field_problems(value)
    yield from _paragraph_places(value, place)


def _offset_problem(value: Mapping[str, Any], field: str) -> Problem:
    """Return the problem of an offset that is missing or no whole number: Label Studio does not show the region."""
    cause = "missing" if value.get(field) is None else f"not a whole number: {value[field]!r:.80}"
    return Problem(f"{field!r} of its value is {cause}", field, _SPANS)


def _paragraph_places(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problem of a span that is not in the paragraphs of the task."""
    first, last = _whole(value["start"]), _whole(value["end"])
    begin, end = _whole(value["startOffset"]), _whole(value["endOffset"])
    if first is None or last is None or begin is None or end is None:
        yield warning("its start or end is not the index of a paragraph", "start", _SPANS, repair=dropped)
    elif (last, end) <= (first, begin):
        yield warning(
            "its end is not after its start: there is nothing to see", "end", _SPANS, repair=dropped
        )
    elif isinstance(place.content, list):
        detail = f"paragraphs {first} to {last} of {len(place.content)}"
        if not 0 <= first <= last < len(place.content):
            yield warning(_OUTSIDE, "start", _SPANS, detail, dropped)
            return
        key = (place.control.object.attribute("textKey") if place.control else "") or "text"
        lengths = [_units(place.content[index], key) for index in (first, last)]
        if begin < 0 or begin > lengths[0] or end > lengths[1]:
            field = "startOffset" if begin < 0 or begin > lengths[0] else "endOffset"
            detail = f"{value[field]!r} in a paragraph of {lengths[field == 'endOffset']} UTF-16 units"
            yield warning(
                "its offset is outside of the paragraph: there is nothing to see", field, _SPANS, detail
            )


def _units(paragraph: Any, key: str) -> int:
    """Return the length of a paragraph's text in UTF-16 units."""
    text = paragraph.get(key) if isinstance(paragraph, Mapping) else None
    return len(text.encode("utf-16-le", "surrogatepass")) // 2 if isinstance(text, str) else 0


TEXT = ValueCheck(text_problems, text_fits, needs_content=True)
PAGE = ValueCheck(page_problems)
PARAGRAPHS = ValueCheck(paragraph_problems, needs_content=True)

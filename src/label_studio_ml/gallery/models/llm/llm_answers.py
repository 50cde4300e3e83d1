"""What a language model is asked for, as a JSON schema made from the controls, and its answers as regions."""

import json
import re

from label_studio_ml import regions

SPANS = ("Labels", "HyperTextLabels", "ParagraphLabels")
#: Words of the longest quote that is looked for: longer ones take seconds.
LONGEST_QUOTE = 2000


class AnswerError(Exception):
    """The model's answer is not what the schema asks for."""


def schema(controls):
    """Return the JSON schema of an answer: an object with a property for each control."""
    return _object({control.name: _property(control) for control in controls})


def described(controls):
    """Return the properties of an answer in words, a line each, for models that do not get the schema."""
    return "\n".join(f'- "{control.name}": {_words(control)}' for control in controls)


def _property(control):
    labels = {"type": "string", "enum": control.label_names}
    if control.tag in SPANS:
        span = _object({"quote": {"type": "string"}, "label": labels})
        return {"type": "array", "items": span}
    if control.tag == "Choices":
        return {"type": "array", "items": labels} if control.is_multiple else labels
    if control.tag == "Rating":
        return {"type": "integer", "enum": list(range(1, _stars(control) + 1))}
    return {"type": "number" if control.tag == "Number" else "string"}


def _words(control):
    names = ", ".join(json.dumps(name, ensure_ascii=False) for name in control.label_names)
    if control.tag in SPANS:
        return f"a list of objects with a quote from the text and its label, one of {names}"
    if control.tag == "Choices":
        return f"a list of some of {names}" if control.is_multiple else f"one of {names}"
    if control.tag == "Rating":
        return f"a whole number from 1 to {_stars(control)}"
    if control.tag == "Number":
        limits = [f"{name} {control.attribute(name)}" for name in ("min", "max") if control.attribute(name)]
        return " ".join(["a number", *limits])
    return "a text"


def read(answer):
    """Return the JSON object in a model's answer, maybe within other text. Raises AnswerError."""
    start, end = answer.find("{"), answer.rfind("}")
    try:
        value = json.loads(answer[start : end + 1])
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"The answer is no JSON object ({error}): {answer[:200]!r}") from None
    if not isinstance(value, dict):
        raise AnswerError(f"The answer is no JSON object: {answer[:200]!r}")
    return value


def regions_of(control, value, task):
    """Return the regions for one property of an answer. Raises AnswerError, with the cause, for a wrong value."""
    try:
        if control.tag in SPANS:
            return list(_spans(control, value, task))
        if control.tag == "Choices":
            labels = control.label_map.names(value if isinstance(value, list) else [value])
            if not labels and value != []:
                raise AnswerError(f"{control.name!r} has no label {value!r}")
            return [regions.choices(control, *labels)] if labels else []
        if control.tag == "Rating":
            return [regions.rating(control, int(value))]
        if control.tag == "Number":
            return [regions.quantity(control, value)]
        return [regions.texts(control, str(value))] if value else []
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise AnswerError(f"The answer for {control.name!r} cannot be used: {error}") from None


def _spans(control, value, task):
    """Yield a region for each quote that is in the text and has a label; a quote's n-th use is its n-th place."""
    content = regions.labelled_text(control, task)
    next_start = {}
    for item in value:
        if not isinstance(item, dict) or not {"quote", "label"} <= item.keys():
            raise ValueError(f"it has no quote and label: {str(item)[:100]}")
        quote = str(item["quote"]).strip()
        words = [re.escape(word) for word in quote.split()[: LONGEST_QUOTE + 1]]
        place = 0 < len(words) <= LONGEST_QUOTE and re.compile(r"\s+".join(words), re.IGNORECASE).search(
            content.text, next_start.get(quote.lower(), 0)
        )
        if place and control.label_map.knows(item["label"]):
            next_start[quote.lower()] = place.end()
            yield content.span(place.start(), place.end(), item["label"])


def value_of(control, example):
    """Return what an annotation says as the model should have answered; None if it says nothing of the control."""
    if control.tag in SPANS:
        return [{"quote": span.text, "label": span.label} for span in example.spans]
    if control.tag == "Choices":
        return list(example.choices) if control.is_multiple else example.choice
    if control.tag == "Rating":
        return None if example.rating is None else int(example.rating)
    if control.tag == "Number":
        return example.number
    return "\n".join(example.texts)


def _stars(control):
    return int(control.attribute("maxRating") or 5)


def _object(properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }

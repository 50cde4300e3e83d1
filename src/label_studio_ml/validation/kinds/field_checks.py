"""Checks of values without a position: choices, ratings, numbers, dates, texts.

A value of a wrong type makes Label Studio's page fail; one beyond the limits of its control is shown, but in part
cannot be submitted.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.support.texts import plural
from label_studio_ml.validation.finding import Problem, Repair
from label_studio_ml.validation.kinds.values import Place, ValueCheck, is_number, warning, with_value

_FAILS = "Label Studio's page fails with another type"


def choices_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of choices: labels, or paths of nested ones. That their list is one has been checked."""
    chosen = value["choices"]
    if not all(
        isinstance(part, str) for path in chosen for part in (path if isinstance(path, list) else [path])
    ):
        yield Problem("'choices' of its value are not all texts", "choices", "Return labels as texts")
        return
    control = place.control
    if control is not None and (hidden := [one for one in chosen if _shown_choice(control, one) != one]):
        yield _hidden_choice_problem(control, chosen, hidden[0])
    if len(chosen) > 1 and control is not None and not control.is_multiple:
        yield warning(
            "it has several choices, and its control takes one: the annotation cannot be submitted",
            "choices",
            'Return one choice, or give the control choice="multiple"',
            plural(len(chosen), "choice"),
            with_value(choices=list(chosen[:1])),
        )


def _shown_choice(control: Control, choice: Any) -> Any:
    """Return a choice in the form in which Label Studio shows it as chosen; None if it shows it in none.

    With `allowNested`, this is the path of names from the top, without it a name that is within no other choice.
    """
    path = list(choice) if isinstance(choice, list | tuple) else [choice]
    if not control.has_paths:
        below = {label.name for top in control.labels for child in top.children for _, label in child.walk()}
        is_nested = len(path) != 1 or (
            path[0] in below and path[0] not in {top.name for top in control.labels}
        )
        return None if is_nested else path[0]
    if isinstance(choice, list | tuple):
        return choice
    paths = [list(way) for top in control.labels for way, _ in top.walk() if way[-1] == choice]
    return paths[0] if len(paths) == 1 else None


def _hidden_choice_problem(control: Control, chosen: Sequence[Any], hidden: Any) -> Problem:
    """Return the problem of choices of which Label Studio does not show `hidden` as chosen."""
    if control.has_paths:
        text = "its choice is not shown: with allowNested, each choice is the path of names from the top"
        fix = "Return lists such as [['Animal', 'Cat']], as regions.choices does"
    else:
        text = "its choice is not shown: without allowNested, a choice is one name, which is within no other choice"
        fix = 'Set allowNested="true" in the label config, or return the name of a choice at the top'
    shown = [_shown_choice(control, choice) for choice in chosen]
    repair = with_value(choices=shown) if None not in shown else None
    return warning(text, "choices", fix, f"{hidden!r:.80}", repair)


def choices_fit(value: Mapping[str, Any], content: Any = None) -> bool:
    """Tell whether it is a single choice."""
    chosen = value.get("choices")
    return type(chosen) is list and len(chosen) == 1 and type(chosen[0]) is str


def taxonomy_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problem of a taxonomy's value that is no list."""
    if not isinstance(value["taxonomy"], list | tuple):
        yield Problem(
            f"'taxonomy' of its value is not a list: {value['taxonomy']!r:.80}",
            "taxonomy",
            "Return a list of paths from the root, such as [['Animal', 'Cat']]",
        )


def rating_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a rating."""
    yield from _limited(value, "rating", 0.0, _limit(place, "maxRating", 5.0))


def number_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a number."""
    yield from _limited(value, "number", _limit(place, "min"), _limit(place, "max"))


def _limit(place: Place, attribute: str, default: float | None = None) -> float | None:
    """Return the number in an attribute of the control; None if it has none there."""
    if place.control is None:
        return None
    try:
        return float(place.control.attribute(attribute))
    except ValueError:
        return default


def _limited(
    value: Mapping[str, Any], field: str, least: float | None, most: float | None
) -> Iterator[Problem]:
    number = value[field]
    if not is_number(number):
        yield Problem(
            f"{field!r} of its value is not a number: {number!r:.80}", field, f"Return a number: {_FAILS}"
        )
        return
    limits = f"{number:g}, limits {'none' if least is None else f'{least:g}'} and "
    limits += "none" if most is None else f"{most:g}"
    if least is not None and number < least:
        text = f"its {field} is below what the control allows"
        yield warning(text, field, "Clip it", limits, with_value(**{field: _plain(least)}))
    if most is not None and number > most:
        text = f"its {field} is above what the control allows"
        yield warning(text, field, "Clip it", limits, with_value(**{field: _plain(most)}))


def _plain(number: float) -> float:
    """Return a whole number as int, as it is written in a label config."""
    return int(number) if number.is_integer() else number


def date_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problem of a date that is no text."""
    if not isinstance(value["datetime"], str):
        fix = f"Return a text in the format of the control, as regions.date_time does: {_FAILS}"
        yield Problem(f"'datetime' of its value is not a text: {value['datetime']!r:.80}", "datetime", fix)


def texts_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problem of texts that are no text, nor a list of texts."""
    texts = value["text"]
    if isinstance(texts, str):
        return
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        fix = f"Return a list of texts: {_FAILS}"
        yield Problem(f"'text' of its value is not a list of texts: {texts!r:.80}", "text", fix)


def pair_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problem of a pair of which neither side is chosen."""
    if value["selected"] not in ("left", "right"):
        fix = f'Return "left" or "right": {_FAILS.replace("another type", "anything else")}'
        text = f"'selected' of its value is neither 'left' nor 'right': {value['selected']!r:.80}"
        yield Problem(text, "selected", fix)


def ranking_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a ranking: a dict with a list of the items' ids for each bucket."""
    ranking = value["ranker"]
    fix = "Return a dict with lists of ids, as regions.ranking does"
    if not isinstance(ranking, Mapping) or not all(isinstance(ids, list | tuple) for ids in ranking.values()):
        text = f"'ranker' of its value is not a dict of lists: {ranking!r:.80}; no item is shown"
        yield Problem(text, "ranker", fix)
        return
    if not isinstance(place.content, list):
        return
    known = {str(item.get("id")) for item in place.content if isinstance(item, Mapping)}
    unknown = next((name for ids in ranking.values() for name in ids if str(name) not in known), None)
    if unknown is not None:
        text = "'ranker' of its value has an id that the task does not have: the page fails"
        yield Problem(text, "ranker", fix, f"{unknown!r:.80}", repair=_with_known_ids(known))


def _with_known_ids(known: set[str]) -> Repair:
    """Return a repair that leaves out the ids that the task does not have."""

    def repair(region: dict[str, Any]) -> dict[str, Any] | None:
        ranking = {
            bucket: [name for name in ids if str(name) in known]
            for bucket, ids in region["value"]["ranker"].items()
        }
        return with_value(ranker=ranking)(region)

    return repair


CHOICES = ValueCheck(choices_problems, choices_fit)
NESTED_CHOICES = ValueCheck(choices_problems)
TAXONOMY = ValueCheck(taxonomy_problems)
RATING = ValueCheck(rating_problems)
NUMBER = ValueCheck(number_problems)
DATE = ValueCheck(date_problems)
TEXTS = ValueCheck(texts_problems)
PAIR = ValueCheck(pair_problems)
RANKING = ValueCheck(ranking_problems, needs_content=True)

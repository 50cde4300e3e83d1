"""Find the entries that the words of an error's message lead to."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

from label_studio_ml.troubleshooting.entries import CODE, Entry, by_code
from label_studio_ml.troubleshooting.message_templates import Template, templates

#: What a command's errors begin with.
_PREFIX = "label-studio-ml: "
_WORD = re.compile(r"[^\W_]+(?:_[^\W_]+)*")
#: Part of a template's words that a text must have, or part of the text's words that a template must have. Words that
#: are in many templates count less.
_ENOUGH = 0.7
#: What a word in the text of an entry counts in comparison with one in a message.
_OF_TEXT = 0.5
#: Matches with less of the best one's score are left out.
_NEAR_BEST = 0.75


@dataclass(frozen=True, slots=True)
class Match:
    """A code that a text leads to, and the messages of this code that are like the text, the most similar first."""

    code: str
    messages: tuple[Template, ...]


def find(text: str, limit: int = 5) -> list[Match]:
    """Return the codes that `text` leads to, at most `limit`, the best first.

    `text` is a code, a whole message as it was printed or logged, or some words of one. Codes that nothing has are not
    returned.
    """
    if named := dict.fromkeys(code.upper() for code in CODE.findall(text)):
        return [Match(code, ()) for code in named if code in by_code()][:limit]
    words = set(_words(text.strip().removeprefix(_PREFIX)))
    scored = [(score, template) for template in templates() if (score := _score_of(words, template))]
    messages: dict[str, list[tuple[float, Template]]] = {}
    for score, template in sorted(scored, key=lambda pair: -pair[0]):
        messages.setdefault(template.code, []).append((score, template))
    best = {code: found[0][0] for code, found in messages.items()}
    for entry in by_code().values():
        title, whole = _of_entry(entry)
        # Words of a title count as those of a message. An entry has many words, so that those of its text say less.
        in_text = _score(words, whole) * _OF_TEXT
        best[entry.code] = max(best.get(entry.code, 0.0), _score(words, title), in_text)
    least = max(best.values(), default=0.0) * _NEAR_BEST
    codes = sorted(
        (code for code, score in best.items() if score and score >= least), key=lambda code: -best[code]
    )
    return [Match(code, _like(messages.get(code, []), least)) for code in codes[:limit]]


def _like(found: list[tuple[float, Template]], least: float, limit: int = 5) -> tuple[Template, ...]:
    return tuple(template for score, template in found if score >= least)[:limit]


def _score_of(words: set[str], template: Template) -> float:
    """Return how like a template `words` are, which may be those of its message alone, or of its fix as well."""
    return max(_score(words, _of_message(template)), _score(words, _of_whole(template)))


def _score(words: set[str], other: set[str]) -> float:
    """Return how much `words` of a text have in common with those of a message, 0 if that is too little."""
    common = words & other
    if not common:
        return 0.0
    weight = _weight(common)
    share = weight / _weight(words)
    if len(other) > 1:  # one word, such as "Interrupted", is in many texts that are about something else
        share = max(share, weight / _weight(other))
    return weight * share if share >= _ENOUGH else 0.0


def _weight(words: set[str]) -> float:
    counts, total = _frequencies()
    return sum(math.log(1 + total / (1 + counts[word])) for word in words)


@cache
def _frequencies() -> tuple[Counter[str], int]:
    """Return in how many messages each word is, and the number of messages."""
    counts = Counter(word for template in templates() for word in _of_message(template))
    return counts, len(templates())


@cache
def _of_message(template: Template) -> set[str]:
    return set(_words(template.message))


@cache
def _of_whole(template: Template) -> set[str]:
    return set(_words(f"{template.message} {template.fix}"))


@cache
def _of_entry(entry: Entry) -> tuple[set[str], set[str]]:
    """Return the words of an entry's title, and all its words."""
    return set(_words(entry.title)), set(_words(f"{entry.title} {entry.text}"))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())

"""Find the entries that the words of an error's message lead to."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from label_studio_ml.troubleshooting.entries import Entry, by_code, codes_in
from label_studio_ml.troubleshooting.message_templates import VALUE, Template, templates
from label_studio_ml.troubleshooting.whole_messages import whole_message

#: What a command's errors begin with.
_PREFIX = "label-studio-ml: "
_WORD = re.compile(r"[^\W_]+(?:_[^\W_]+)*")
#: Words that say nothing about which error it is.
_STOP_WORDS = frozenset(
    """
    a an and are as at be because been but by can cannot could did do does error errors failed for from had has have
    how i if in into is it its may my no not of on or our so than that the their them then there these they this those
    to was were what when where which while who why will with would you your
    """.split()  # noqa: SIM905 (a list has a line for each)
)
#: Part of a message's words that a text must have, or part of the text's words that a message must have. Words that
#: are in many messages count less.
_ENOUGH = 0.7
#: The least number of words in common if a text has many others, as a single one says little about a long text.
_MIN_COMMON = 2
#: What the words of a whole message count in comparison with some words of one, and the least score of a whole one.
_OF_WHOLE, _LEAST = 1.25, 0.1
#: Matches with less of the best one's score are left out.
_NEAR_BEST = 0.75


@dataclass(frozen=True, slots=True)
class Match:
    """A code that a text leads to, and the messages of this code that are like the text, the most similar first.

    `is_weak`: only the text of the code's entry has the words, or the message is little more than values.
    """

    code: str
    messages: tuple[Template, ...]
    is_weak: bool = False


@dataclass(frozen=True, slots=True)
class _Message:
    """A message that leads to `code`: one of ours with its `template`, one of other programs, or an entry's title.

    `words` are its own, `whole` those of its fix too. `is_whole` tells whether a line in lower case is the whole
    message; it is None for a title.
    """

    code: str
    words: frozenset[str]
    whole: frozenset[str]
    template: Template | None = None
    is_whole: Callable[[str], bool] | None = None


@dataclass(slots=True)
class _Scores:
    """The scores of a code: that of its best message, and those of its own messages by template."""

    best: float
    templates: dict[Template, float]


def find(text: str, limit: int = 5) -> list[Match]:
    """Return the codes that `text` leads to, at most `limit`, the best first.

    `text` is a code, a whole message as it was printed or logged, or some words of one. Codes that nothing has are not
    returned. If no message and no title is like the text, the entries whose text has the words are weak matches.
    """
    if named := codes_in(text):
        return [Match(code, ()) for code in named if code in by_code()][:limit]
    line = " ".join(text.split()).removeprefix(_PREFIX)
    words = _distinctive(line)
    strong, vague = _by_messages(line, words)
    if strong:
        return _best(strong, limit)
    return _best(vague or _by_texts(words), limit, is_weak=True)


def _by_messages(line: str, words: frozenset[str]) -> tuple[dict[str, _Scores], dict[str, _Scores]]:
    """Return the scores of the codes with messages or titles like a text, and those by messages that are vague.

    A message is vague if it is little more than values, as in "… cannot be read: …".
    """
    strong: dict[str, _Scores] = {}
    vague: dict[str, _Scores] = {}
    lowered = line.lower()
    for message in _messages():
        common = words & message.whole
        is_vague = False
        if message.is_whole is not None and message.is_whole(lowered):
            score = max(_weight(common), _LEAST) * _OF_WHOLE
            has_values = message.template is not None and VALUE in message.template.message
            is_vague = has_values and len(common) < _MIN_COMMON
        else:
            score = max(_score(words, message.words), _score(words, message.whole)) if common else 0.0
        if score:
            of_code = (vague if is_vague else strong).setdefault(message.code, _Scores(0.0, {}))
            of_code.best = max(of_code.best, score)
            if message.template is not None:
                of_code.templates[message.template] = score
    return strong, vague


def _by_texts(words: frozenset[str]) -> dict[str, _Scores]:
    """Return the scores of the codes whose entry has the words in its text."""
    scores = {code: _score(words, _of_text(entry)) for code, entry in by_code().items()}
    return {code: _Scores(score, {}) for code, score in scores.items() if score}


def _best(scores: dict[str, _Scores], limit: int, *, is_weak: bool = False) -> list[Match]:
    least = max((scored.best for scored in scores.values()), default=0.0) * _NEAR_BEST
    codes = sorted(
        (code for code, scored in scores.items() if scored.best >= least), key=lambda code: -scores[code].best
    )
    return [Match(code, _like(scores[code].templates, least), is_weak) for code in codes[:limit]]


def _like(scored: dict[Template, float], least: float, limit: int = 5) -> tuple[Template, ...]:
    ordered = sorted(scored.items(), key=lambda pair: -pair[1])
    return tuple(template for template, score in ordered if score >= least)[:limit]


def _score(words: frozenset[str], other: frozenset[str]) -> float:
    """Return how much `words` of a text have in common with those of a message, 0 if that is too little."""
    common = words & other
    if not common:
        return 0.0
    weight = _weight(common)
    share = weight / _weight(words)
    if len(common) >= _MIN_COMMON:
        share = max(share, weight / _weight(other))
    return weight * share if share >= _ENOUGH else 0.0


def _weight(words: frozenset[str]) -> float:
    counts, total = _frequencies()
    return sum(math.log(1 + total / (1 + counts[word])) for word in words)


@cache
def _frequencies() -> tuple[Counter[str], int]:
    """Return in how many messages each word is, and the number of messages."""
    counts = Counter(word for template in templates() for word in _distinctive(template.message))
    return counts, len(templates())


@cache
def _messages() -> tuple[_Message, ...]:
    return tuple(_read_messages())


def _read_messages() -> Iterator[_Message]:
    for template in templates():
        words, whole = _distinctive(template.message), _distinctive(f"{template.message} {template.fix}")
        yield _Message(template.code, words, whole, template, whole_message(template))
    for entry in by_code().values():
        words = _distinctive(entry.title)
        yield _Message(entry.code, words, words)
        for text in entry.other_messages:
            yield _Message(
                entry.code, _distinctive(text), _distinctive(text), is_whole=_has_words(_words(text))
            )


def _has_words(words: list[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a line has all of `words`, which are in lower case."""
    patterns = [re.compile(rf"\b{re.escape(word)}\b") for word in words]
    return lambda line: all(pattern.search(line) for pattern in patterns)


@cache
def _of_text(entry: Entry) -> frozenset[str]:
    return _distinctive(f"{entry.title} {entry.text}")


def _distinctive(text: str) -> frozenset[str]:
    """Return the words of a text without those that are in messages about anything."""
    return frozenset(_words(text)) - _STOP_WORDS


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())

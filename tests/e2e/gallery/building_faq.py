"""Questions and answers on building in Sweden, in English, as a package ships them, by subject."""

import csv
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass

from .package_files import file_of

#: Its texts are by Zaragoza AB, under CC BY 4.0.
_PACKAGE = "zaragoza-construction-faq==1.2.1"


@dataclass(frozen=True)
class Question:
    """A question of the FAQ: its id, its subject such as "bygglov", its text, and its answer's."""

    id: str
    subject: str
    text: str
    answer: str


def questions() -> list[Question]:
    """Return all questions in the order of the FAQ."""
    table = csv.DictReader(io.StringIO(file_of(_PACKAGE, "data/faq-en.csv").decode("utf-8-sig")))
    return [Question(row["id"], row["category"], row["q"], row["a"]) for row in table]


def with_other_answers(pool: Sequence[Question], others: int, seed: int = 0) -> list[tuple[Question, ...]]:
    """Return for each question of a pool a tuple with it and questions of its subject, in a random order.

    The order is always the same for the same `seed`.
    """
    order = random.Random(seed)
    groups = []
    for question in pool:
        rest = [other for other in pool if other.subject == question.subject and other is not question]
        group = [question, *order.sample(rest, others)]
        order.shuffle(group)
        groups.append(tuple(group))
    return groups

"""Spans of a text that may answer a question, how well they do in numbers, and the weights that annotations teach."""

import re

import numpy
from scipy.optimize import minimize

#: Between two sentences; and between two clauses, for annotators who mark less than a sentence.
_SENTENCE = r"(?<=[.!?])(?<!approx\.)(?<!e\.g\.)(?<!i\.e\.)[\"')\]]*\s+(?=[\"'(\[]*[^a-z\s])|(?<!\s)\s*\n\s*"
ENDS = {
    "sentence": re.compile(_SENTENCE),
    "clause": re.compile(_SENTENCE + r"|(?<=[,;:])\s+|(?<!\s)\s+(?=[(–—])|(?<=\))\s+"),
}
#: The most units (sentences or clauses) in a span.
LONGEST = 8
#: Weights before a training, of the first features of a span: its similarity, that of its best unit, and shared words.
UNTRAINED = (15.0, 0.0, 1.5)
#: How strongly a training is held to the weights from before it: of few annotations it changes little.
HOLD = 0.001


def units(text, unit):
    """Return the (start, end) of each sentence or clause of a text, without the blanks around it."""
    starts, ends = [0], []
    for match in ENDS[unit].finditer(text):
        ends.append(match.start() + len(match[0].rstrip()))
        starts.append(match.end())
    found = []
    for start, end in zip(starts, [*ends, len(text)]):
        part = text[start:end]
        if part.strip():
            found.append((start + len(part) - len(part.lstrip()), start + len(part.rstrip())))
    return found


def runs(count, longest=LONGEST):
    """Return the (first, last) unit of each span of up to `longest` of `count` units."""
    return [(first, last) for first in range(count) for last in range(first, min(count, first + longest))]


def features(question, passages, question_vector, vectors, candidates):
    """Return an array with a row of numbers for each candidate span.

    `passages` are the texts of the units, `vectors` their embeddings, each of length 1. A candidate is the pair of its
    first and last unit.
    """
    similarity = vectors @ question_vector
    asked = set(_words(question))
    shared = numpy.array([_share(asked, _words(passage)) for passage in passages])
    lengths = numpy.array([len(_words(passage)) for passage in passages])
    padded = numpy.vstack([numpy.zeros_like(vectors[:1]), vectors, numpy.zeros_like(vectors[:1])])
    near = numpy.sum(
        padded[:-1] * padded[1:], axis=1
    )  # of each unit to the one before it; 0 at both ends of the text
    rows = []
    for first, last in candidates:
        within = slice(first, last + 1)
        whole = vectors[within].sum(axis=0)
        mean = whole / (numpy.linalg.norm(whole) or 1)
        joined = near[first + 1 : last + 1]
        numbers = [
            mean @ question_vector,
            similarity[within].max(),
            shared[within].max(),
            similarity[first],
            similarity[within].min(),
            numpy.log1p(lengths[within].sum()),
            last - first,
            (vectors[within] @ mean).mean(),
            near[first],
            near[last + 1],
            joined.min() if len(joined) else 1.0,
            float(first == 0),
            float(last == len(vectors) - 1),
        ]
        # How answers begin: the first unit does, and the one behind the span, which may begin another answer.
        rows.append(numpy.concatenate([numbers, 0.7 * padded[first + 1], 0.7 * padded[last + 2]]))
    return numpy.array(rows)


def untrained(count):
    """Return the weights of `count` features before a training."""
    return numpy.array([*UNTRAINED, *[0.0] * (count - len(UNTRAINED))])


def learned_weights(tasks):
    """Return weights with which the annotated span of each task has the highest score among its candidates.

    `tasks` has for each the features of its candidates and the index of the annotated one. It is a conditional logit
    model, held to the weights from before a training.
    """
    start = untrained(tasks[0][0].shape[1])

    def loss(change):
        total, gradient = HOLD * change @ change, 2 * HOLD * change
        for rows, right in tasks:
            scores = rows @ (start + change)
            shares = numpy.exp(scores - scores.max())
            total += (numpy.log(shares.sum()) + scores.max() - scores[right]) / len(tasks)
            gradient = gradient + (shares / shares.sum() @ rows - rows[right]) / len(tasks)
        return total, gradient

    return start + minimize(loss, numpy.zeros(len(start)), jac=True, method="L-BFGS-B").x


def some(rows, right, most, random):
    """Return the features of a task's spans and the index of the annotated one; of more than `most`, random others.

    `random` is NumPy's generator. At least one other span is kept.
    """
    if len(rows) <= most:
        return rows, right
    others = [at for at in random.permutation(len(rows)) if at != right]
    return rows[[right, *others[: max(1, most - 1)]]], 0


def overlap(one, other):
    """Return the F1 of the characters that two (start, end) spans share."""
    common = min(one[1], other[1]) - max(one[0], other[0])
    return max(0.0, 2 * common / max(1, one[1] - one[0] + other[1] - other[0]))


def _share(asked, words):
    """Return which part of the question's words a unit has; long words count more, as they are rarer."""
    weight = sum(map(len, asked)) or 1
    return sum(len(word) for word in asked & set(words)) / weight


def _words(text):
    return re.findall(r"\w+", text.lower())

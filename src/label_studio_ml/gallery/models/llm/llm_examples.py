"""Which annotated tasks are examples in a prompt."""

import json
import re
from heapq import nlargest
from itertools import zip_longest


def interleaved(examples):
    """Return the examples such that the first ones, however many, have each kind of answer about equally often.

    Two answers are of one kind if they have the same labels. Otherwise the order is kept.
    """
    kinds = {}
    for example in examples:
        kinds.setdefault(json.dumps([_labels(value) for value in example["answer"].values()]), []).append(
            example
        )
    return [example for row in zip_longest(*kinds.values()) for example in row if example is not None]


def chosen(examples, count, text=None):
    """Return `count` of the examples: the first ones, or those (of `with_words`) that share most words with `text`.

    The most similar one is the last, next to the text itself in the prompt.
    """
    if text is None:
        return examples[:count]
    words = _words(text)

    def similarity(example):
        shared = len(words & example["words"])
        return shared / (len(words) + len(example["words"]) - shared or 1)

    return nlargest(count, examples, key=similarity)[::-1]


def with_words(examples):
    """Return the examples with the `words` that `chosen` compares, so that they are split once."""
    return [{**example, "words": _words(example["text"])} for example in examples]


def _labels(value):
    """Return the labels of an answer's property: of choices themselves, of spans theirs, of numbers and texts none."""
    if isinstance(value, list):
        return sorted({item["label"] if isinstance(item, dict) else item for item in value})
    return value if isinstance(value, int | str) and len(str(value)) <= 40 else None


def _words(text):
    return set(re.findall(r"\w+", text.lower()))

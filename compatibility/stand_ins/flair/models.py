"""Taggers."""

from flair.nn import Classifier


class SequenceTagger(Classifier):
    pass

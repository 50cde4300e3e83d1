"""Taggers."""

from flair.nn import Classifier


class SequenceTagger(Classifier):
    def __init__(self, **kwargs):
        pass

    @classmethod
    def load(cls, path):
        with open(path):
            return cls()

    def evaluate(self, sentences, **kwargs):
        return 1.0

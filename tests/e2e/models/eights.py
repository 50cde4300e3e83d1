# mypy: ignore-errors
"""The model of `seed_class`, which takes eight tasks at a time."""

from seed_class import WordModel


class EightsModel(WordModel):
    max_batch_size = 8

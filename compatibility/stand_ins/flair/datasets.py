"""Data sets."""


class SentenceDataset(list):
    pass

"""Collators."""


class DataCollator:
    def __init__(self, config, **kwargs):
        pass

"""Sessions."""


class Config:
    def __init__(self, **kwargs):
        pass

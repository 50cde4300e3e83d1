"""Language models."""


class OpenAI:
    def __init__(self, **kwargs):
        pass

"""A stand-in for IBM watsonx.ai."""


class Credentials:
    def __init__(self, **kwargs):
        self.__dict__.update(kwargs)

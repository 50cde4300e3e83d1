"""The base class of callbacks."""


class BaseCallbackHandler:
    pass

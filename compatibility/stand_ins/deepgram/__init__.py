"""A stand-in for Deepgram's client: speech is the text's bytes."""

from types import SimpleNamespace


class DeepgramClient:
    def __init__(self, api_key=None):
        audio = SimpleNamespace(generate=lambda text, **kwargs: iter([text.encode()]))
        self.speak = SimpleNamespace(v1=SimpleNamespace(audio=audio))

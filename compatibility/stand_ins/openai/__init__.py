"""A stand-in for OpenAI's client: it answers with the last word of what it is asked."""

from types import SimpleNamespace


class OpenAI:
    def __init__(self, **kwargs):
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create))

    def _create(self, messages, model, n=1, **kwargs):
        word = messages[-1]["content"].split()[-1].strip('"')
        return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content=word))] * n)


AzureOpenAI = OpenAI

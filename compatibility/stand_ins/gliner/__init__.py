"""A stand-in for GLiNER: capitalized words are of the first label; a trained model scores them higher."""

import os
from types import SimpleNamespace


class GLiNER:
    def __init__(self, score):
        self.score = score
        self.config = SimpleNamespace()
        self.data_processor = SimpleNamespace(transformer_tokenizer=None)

    @classmethod
    def from_pretrained(cls, name, local_files_only=False, **kwargs):
        if local_files_only and not os.path.isdir(name):
            raise FileNotFoundError(name)
        return cls(0.9 if local_files_only else 0.75)

    def to(self, device):
        return self

    def predict_entities(self, text, labels, threshold=0.5):
        found, position = [], 0
        for word in text.split():
            start = text.index(word, position)
            position = start + len(word)
            if word[0].isupper():
                entity = {"start": start, "end": position, "text": word, "label": labels[0]}
                found.append({**entity, "score": self.score})
        return found

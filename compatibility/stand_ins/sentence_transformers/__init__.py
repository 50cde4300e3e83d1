"""A stand-in for sentence-transformers: counts of letters."""

import numpy as np
import torch


class SentenceTransformer:
    def __init__(self, name, **kwargs):
        pass

    def encode(self, texts, convert_to_tensor=False, **kwargs):
        rows = [self._one(text) for text in ([texts] if isinstance(texts, str) else texts)]
        vectors = torch.as_tensor(np.array(rows, np.float32).reshape(len(rows), 26))
        return vectors[0] if isinstance(texts, str) else vectors

    def _one(self, text):
        return [text.lower().count(chr(ord("a") + number)) for number in range(26)]

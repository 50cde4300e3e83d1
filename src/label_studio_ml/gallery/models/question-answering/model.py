"""Marks the answer to a task's question in its text, and learns from the answers that people mark."""

import logging
from pathlib import Path

import joblib
import numpy
from answer_spans import features, learned_weights, overlap, runs, some, units, untrained
from text_encoder import text_encoder

from label_studio_ml import regions
from label_studio_ml.errors import BackendError, LabelConfigError, TrainingDataError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

TEXTS = ("Text", "HyperText", "Paragraphs")
#: Tasks that a training learns from at most; of more, random ones.
MOST_TASKS = 2000
#: Spans of all these tasks together, among which answers are learnt: each takes about 6 kB of memory.
MOST_SPANS = 40_000


class QuestionAnswering(LabelStudioMLBase):
    """Fills `<Labels>` on a text with the span that answers the question in another text of the label config."""

    max_batch_size = 16  # each text may have hundreds of sentences to embed
    params = {
        "question": Param("", "field of the tasks with the question; empty: the text without the labels"),
        "max_tokens": Param(256, "tokens of a sentence that are read, from its beginning", ge=8, le=512),
        "max_units": Param(
            200, "sentences or clauses of a text that are read, from its beginning", ge=1, le=1000
        ),
        "min_score": Param(0.0, "score below which no answer is marked", ge=0, le=1),
    }

    def setup(self):
        """Find the control and the question, and load what the last training has learnt."""
        self.control = self.controls.first(("Labels", "HyperTextLabels", "ParagraphLabels"), on=TEXTS)
        names = {label.name.casefold(): label.name for label in self.control.labels}
        self.label = names.get("answer") or next(iter(names.values()), "Answer")
        others = [item for item in self.controls.objects if item.tag in TEXTS and item != self.control.object]
        self.question = self.params.question or (others[0].field if others else "")
        if not self.question:
            raise LabelConfigError(
                "No text of the label config has the question",
                fix="Add a <Text> with it, or set QUESTION to the field of the tasks with it",
                field="label_config",
            )
        self.learned = joblib.load(self.train_output["weights"]) if self.train_output else None

    def predict(self, tasks, **kwargs):
        """Return a prediction for each task, or in its place the error that says what the task lacks."""
        return [self.answer(task) for task in tasks]

    def answer(self, task):
        """Return a task's prediction with the span that answers best, or the error of this task."""
        try:
            (entry,) = self.inputs(self.control, [task])
            content, question = entry.content, self.asked(task)
        except BackendError as error:
            return error
        except (KeyError, ValueError) as error:
            return ValueError(f"Task {task.get('id')}: {error.args[0]}")
        # Before a training, an answer is one sentence.
        unit, longest = (self.learned["unit"], None) if self.learned else ("sentence", 1)
        spans, rows = self.candidates(question, content.text, unit, longest)
        if not spans:
            return regions.prediction()
        scores = rows @ (self.learned["weights"] if self.learned else untrained(rows.shape[1]))
        shares = numpy.exp(scores - scores.max())
        best, score = spans[int(shares.argmax())], float(1 / shares.sum())
        return regions.prediction(
            content.span(*best, self.label, score=score) if score >= self.params.min_score else None
        )

    def fit(self, annotations, workdir, job=None, **kwargs):
        """Learn which spans answer; return the file of the weights, the unit of spans, and the number of tasks."""
        marked = []
        for example in annotations.targets(self.control, empty=False, unfetched="drop", unknown="drop"):
            spans = [(span.start, span.end) for span in example.spans if span.label == self.label]
            try:
                question = self.asked(example.task)
            except (KeyError, ValueError) as error:
                logging.warning("Task %s is not learnt from: %s", example.task_id, error.args[0])
                continue
            if spans and example.text.strip():
                marked.append((question, example.text, spans[0]))
        if not marked:
            raise TrainingDataError(f"Training needs tasks in which a span is labelled {self.label!r}")
        random = numpy.random.default_rng(0)
        marked = [marked[at] for at in sorted(random.permutation(len(marked))[:MOST_TASKS])]
        fitting = {unit: self.mean_fit(marked, unit) for unit in ("sentence", "clause")}
        unit = "clause" if fitting["clause"] > fitting["sentence"] + 0.05 else "sentence"
        tasks = []
        for question, text, answer in marked:
            if job is not None and job.cancelled:
                return None
            spans, rows = self.candidates(question, text, unit, None)
            overlaps = [overlap(span, answer) for span in spans]
            if any(overlaps):  # else the answer is behind the part of the text that is read
                tasks.append(some(rows, int(numpy.argmax(overlaps)), MOST_SPANS // len(marked), random))
        if not tasks:
            raise TrainingDataError(
                f"Training needs answers among the first {self.params.max_units} sentences of texts"
            )
        path = Path(workdir) / "weights.joblib"
        joblib.dump({"weights": learned_weights(tasks), "unit": unit}, path)
        return {"weights": str(path), "unit": unit, "tasks": len(tasks)}

    def asked(self, task):
        """Return a task's question. Raises KeyError and ValueError."""
        question = task["data"].get(self.question)
        if not isinstance(question, str) or not question.strip():
            raise ValueError(f"its field {self.question!r}, which has the question, is empty or no text")
        return question

    def candidates(self, question, text, unit, longest):
        """Return the (start, end) of spans that may answer, and their features."""
        parts = units(text, unit)[: self.params.max_units]
        pairs = runs(len(parts), longest) if longest else runs(len(parts))
        if not parts:
            return [], None
        passages = [text[start:end] for start, end in parts]
        vectors = text_encoder().embed([question, *passages], self.params.max_tokens)
        spans = [(parts[first][0], parts[last][1]) for first, last in pairs]
        return spans, features(question, passages, vectors[0], vectors[1:], pairs)

    def mean_fit(self, marked, unit):
        """Return how well the best spans of units fit the marked answers: the mean F1 of their characters."""
        best = []
        for _, text, answer in marked:
            parts = units(text, unit)[: self.params.max_units]
            best.append(max(overlap((parts[a][0], parts[b][1]), answer) for a, b in runs(len(parts))))
        return numpy.mean(best)

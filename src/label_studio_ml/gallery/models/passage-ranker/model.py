"""Ranks the items of a task by how well they answer its query, and learns from the rankings that people make."""

import logging
import re
from pathlib import Path

import joblib
import numpy
from passage_features import UNTRAINED, features, learned_order, untrained
from passages import item_texts, plain_text, preferences, query_field, ranked_controls, sampled
from sklearn.linear_model import LogisticRegression
from text_encoder import text_encoder

from label_studio_ml import regions
from label_studio_ml.errors import LabelConfigError, TrainingDataError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

#: Names of buckets for items that do not answer the query.
REJECTING = re.compile(r"not?\b|not?_|un|ir|bad|reject|wrong|other", re.IGNORECASE)
#: Tasks that a training learns from at most for a control; of more, random ones.
MOST_TASKS = 1000
#: Pairs of items, and items with their groups, of all these tasks together: each takes about 6 kB of memory.
MOST_ROWS = 20_000


class PassageRanker(LabelStudioMLBase):
    """Fills each `<Ranker>`, each `<Pairwise>` of texts, and `<Choices>` among texts or entries of the task."""

    max_batch_size = 16  # each task may have tens of items to embed
    params = {
        "query": Param("", "field of the tasks with the query; empty: the text before the items"),
        "min_similarity": Param(
            0.5, "similarity from which an item is relevant before a training", ge=0, le=1
        ),
        "max_tokens": Param(256, "tokens of a text that are read, from its beginning", ge=8, le=512),
    }

    def setup(self):
        """Find the controls, and load what the last training has learnt for each of them."""
        self.ranked = ranked_controls(self.controls)
        if not self.ranked:
            needed = "a <Ranker>, a <Pairwise> of texts, or <Choices> with a <Text> for each label"
            raise LabelConfigError(f"The label config needs {needed}", field="label_config")
        for control in self.ranked:
            if control.tag == "Ranker" and not (self.params.query or query_field(self.controls, control)):
                raise LabelConfigError(
                    f"No text of the label config says what the items of {control} are ranked for",
                    fix="Add a <Text> with the query, or set QUERY to the field of the tasks with it",
                    field="label_config",
                )
        self.learned = joblib.load(self.train_output["weights"]) if self.train_output else {}

    def predict(self, tasks, **kwargs):
        """Return a prediction for each task, or in its place the error that says what the task lacks."""
        results = []
        for task in tasks:
            try:
                results.append(regions.prediction(*[self.value(control, task) for control in self.ranked]))
            except (KeyError, ValueError) as error:
                results.append(ValueError(f"Task {task.get('id')}: {error.args[0]}"))
        return results

    def value(self, control, task):
        """Return the region of a control: an order, groups, a selection, or one of two; None if it has no items."""
        items, rows = self.items(control, task)
        learned = self.learned.get(control.name, {})
        scores = rows @ learned.get("order", untrained(rows.shape[1]))
        ranked = [list(items)[at] for at in numpy.argsort(-scores, kind="stable")]
        if not items or (control.tag == "Pairwise" and scores[0] == scores[1]):
            return None
        if control.tag == "Pairwise":
            return regions.pair(control, ranked[0], score=float(1 / (1 + numpy.exp(-numpy.ptp(scores)))))
        if control.tag == "Ranker" and not control.buckets:
            return regions.ranking(control, task, order=ranked)
        if control.tag == "Choices" and not control.is_multiple:
            return regions.choices(control.for_task(task), ranked[0])
        group_of = dict(zip(items, self.groups(control, rows, learned.get("groups"))))
        groups = {name: [item for item in ranked if group_of[item] == name] for name in group_of.values()}
        if control.tag == "Ranker":
            known = [bucket.name for bucket in control.buckets]
            return regions.buckets(control, task, {name: groups[name] for name in groups if name in known})
        return regions.choices(control.for_task(task), *groups["yes"]) if "yes" in groups else None

    def groups(self, control, rows, learned):
        """Return the group of each item: the name of its bucket ("_": none), or whether it is chosen ("yes", "no")."""
        present = {"yes", "no", "_", *(bucket.name for bucket in control.buckets)}
        if learned is not None and present.issuperset(learned.classes_):  # else the label config has changed
            return [str(name) for name in learned.predict(rows)]
        taking, rejecting = "yes", "no"
        if control.tag == "Ranker":
            rest = next((bucket.name for bucket in control.buckets if bucket.is_default), "_")
            names = [bucket.name for bucket in control.buckets if bucket.name != rest]
            taking = next((name for name in names if not REJECTING.match(name)), rest)
            rejecting = next((name for name in names if REJECTING.match(name)), rest)
        similarities = rows @ untrained(rows.shape[1]) / UNTRAINED[0]
        return [taking if each >= self.params.min_similarity else rejecting for each in similarities]

    def fit(self, annotations, workdir, job=None, **kwargs):
        """Learn the weights for each control; return their file, and the number of tasks by control."""
        self.learned, tasks = {}, {}
        for control in self.ranked:
            differences, importance, grouped, names, tasks[control.name] = [], [], [], [], 0
            for row_of, pairs, groups in self.preferred(control, annotations):
                if job is not None and job.cancelled:
                    return None
                differences += [row_of[one] - row_of[other] for one, other, _ in pairs]
                importance += [weight for _, _, weight in pairs]
                grouped += [row_of[item] for item, _ in groups]
                names += [name for _, name in groups]
                tasks[control.name] += bool(pairs or groups)
            learned = {"order": learned_order(numpy.array(differences), importance)} if differences else {}
            if len(set(names)) > 1:
                learned["groups"] = LogisticRegression(C=10, max_iter=1000).fit(numpy.array(grouped), names)
            if learned:
                self.learned[control.name] = learned
        if not self.learned:
            raise TrainingDataError(
                "Training needs tasks in which a person ranked or chose some items before others"
            )
        path = Path(workdir) / "weights.joblib"
        joblib.dump(self.learned, path)
        return {"weights": str(path), "tasks": tasks}

    def preferred(self, control, annotations):
        """Yield features by item, pairs in order, and items with their groups, of each task that is learnt from."""
        random = numpy.random.default_rng(0)
        examples = annotations.targets(control, empty=control.is_multiple, files=False)
        count = sum(1 for _ in examples)
        chosen = set(random.permutation(count)[:MOST_TASKS].tolist())
        most = MOST_ROWS // max(1, len(chosen))
        for at, example in enumerate(examples):
            if at not in chosen:
                continue
            try:
                items, rows = self.items(control, example.task)
            except (KeyError, ValueError) as error:
                logging.warning("Task %s is not learnt from: %s", example.task_id, error.args[0])
                continue
            pairs, groups = preferences(control, example, list(items))
            groups = sampled([*groups.items()], most, random)
            yield dict(zip(items, rows)), sampled(pairs, most, random), groups

    def items(self, control, task):
        """Return the texts of a task's items by id, side or label, and their features. Raises KeyError, ValueError."""
        field = self.params.query or query_field(self.controls, control)
        query = plain_text(task["data"].get(field) or "") if field else ""
        if not query and control.tag != "Pairwise":
            raise ValueError(f"its field {field!r}, which has the query, is empty or missing")
        texts = item_texts(self.controls, control, task)
        if texts and not any(texts.values()):
            raise ValueError("its items have no text; pictures are not read")
        vectors = text_encoder().embed([query, *texts.values()], self.params.max_tokens)
        # Without a query, nothing is similar to it.
        rows = features(query, list(texts.values()), vectors[0] if query else 0 * vectors[0], vectors[1:])
        return texts, rows

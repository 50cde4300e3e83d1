"""A model on another server, by the open inference protocol or plain JSON, fills `<Choices>` or `<Number>`."""

import base64
from pathlib import Path
from typing import Any, ClassVar

from model_server import ModelServer, ServerError

from label_studio_ml import regions
from label_studio_ml.errors import BackendError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

#: Objects whose content can be sent.
SHOWN = ("Text", "HyperText", "Paragraphs", "Table", "Image", "Audio", "Video")


class RemoteModel(LabelStudioMLBase):
    """Sends texts, rows of numbers or files to a model server, and reads labels, probabilities or numbers."""

    max_batch_size = 32  # of these, `json` asks 16 at a time: two timeouts are shorter than the longest call
    params: ClassVar[Any] = {
        "server_url": Param(
            "http://localhost:8000",
            "the address of the model server, without /v2 or /v1",
            operator_only=True,
        ),
        "server_protocol": Param(
            "v2", "open inference protocol, its predecessor, or JSON", choices=("v2", "v1", "json")
        ),
        "server_model": Param("model", "the name of the model on that server; not for json"),
        "server_token": Param("", "a bearer token for the server", secret=True),
        "server_timeout": Param(30.0, "how long to wait for an answer, in seconds", gt=0, le=80),
        "input": Param(
            "", "v2: the name of the input tensor; by default the first that the server's metadata name"
        ),
        "output": Param("", "v2: the name of the output tensor; by default the first of the answer"),
        "answer_path": Param(
            "", "v1, json: keys and indices to the answer, such as result.label; empty: all of it"
        ),
        "column_names": Param(
            [], "of a <Table>: the columns to send, in this order; by default all numbers", type=list
        ),
        "labels": Param(
            [], "the labels in the order of the model's classes; by default the project's", type=list
        ),
    }

    def setup(self):
        """Find the control. The server is first asked when tasks are predicted."""
        self.control = self.controls.first(("Choices", "Number"), on=SHOWN, per_region=False)
        self.server = ModelServer(self.params)

    def predict(self, tasks, **kwargs):
        """Return the server's answer for each task, or the exception that says why there is none."""
        contents = self.contents(tasks)
        sent = [at for at, content in enumerate(contents) if not isinstance(content, Exception)]
        answers = self.server.answers([contents[at] for at in sent]) if sent else []
        results = list(contents)  # of tasks that are not sent, the exceptions
        for at, answer in zip(sent, answers):
            results[at] = self.answered(tasks[at], answer)
        return results

    def contents(self, tasks):
        """Return what is sent for each task, or the exception that says what the task lacks."""
        try:
            entries = self.inputs(self.control, tasks)
            if len(entries) != len(tasks):
                raise ValueError("One file of each task is sent, and a task has none or several")
            return [self.content(each) for each in entries]
        except (BackendError, ValueError, OSError) as error:
            return [error] if len(tasks) == 1 else [self.contents([task])[0] for task in tasks]

    def content(self, entry):
        """Return what is sent for a task: a text, numbers, a file as base64 or, for `json`, all its data."""
        if entry.path is not None and entry.text is None:
            content = {"b64": base64.b64encode(Path(entry.path).read_bytes()).decode()}
        else:
            content = entry.value if entry.text is None else entry.text
        if self.params.server_protocol == "json":
            return {**entry.task["data"], self.control.field: content}
        return self.numbers(content) if self.control.object.tag == "Table" else content

    def numbers(self, row):
        """Return the numbers of a row of a table, in the order of the setting `column_names`."""
        if not isinstance(row, dict):
            raise ValueError(f"The field {self.control.field!r} must be an object with the columns")
        names = self.params.column_names or [
            name for name, value in row.items() if isinstance(value, int | float)
        ]
        if lacking := [name for name in names if row.get(name) is None]:
            raise ValueError(f"The row in the field {self.control.field!r} lacks the column {lacking[0]!r}")
        return [float(row[name]) for name in names]

    def answered(self, task, answer):
        """Return the prediction that an answer means, or the exception that says why it means none."""
        if isinstance(answer, ServerError):
            return answer
        try:
            return regions.prediction(self.region(self.control.for_task(task), answer))
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            said, cause = self.server.masked(str(answer))[:100], self.server.masked(str(error))
            return ServerError(f"The server's answer {said} does not fit: {cause}")

    def region(self, control, answer):
        """Return a region of an answer: a number, a label, a class's number, or probabilities of all labels."""
        if isinstance(answer, list) and len(answer) == 1:
            (answer,) = answer
        if control.tag == "Number":
            return regions.quantity(control, float(answer))
        control = control.map_labels(unknown="drop")
        labels = self.params.labels or control.label_names
        if isinstance(answer, dict):
            return regions.best_choices(control, list(answer.values()), list(answer))
        if isinstance(answer, list) and not all(isinstance(each, str) for each in answer):
            if len(answer) != len(labels):
                raise ValueError(
                    f"name a label for each class of the model in the setting labels; classes: {len(answer)}"
                )
            return regions.best_choices(control, answer, labels)
        if isinstance(answer, int | float):
            if answer not in range(len(labels)):
                raise ValueError(f"it is no number of a class; classes: {len(labels)}")
            answer = labels[int(answer)]
        return regions.choices(control, *(answer if isinstance(answer, list) else [answer]))

"""A model behind the open inference protocol (v2) of KServe, Triton and MLServer fills `<Choices>` or `<Number>`."""

import base64
from pathlib import Path
from typing import Any, ClassVar

import requests

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param


class RemoteModel(LabelStudioMLBase):
    """Sends texts, rows of numbers or files to a model server, and reads labels, probabilities or numbers."""

    params: ClassVar[Any] = {
        "server_url": Param("http://localhost:8000", "the address of the model server, without /v2"),
        "server_model": Param("model", "the name of the model on that server"),
        "server_token": Param("", "a bearer token for the server", secret=True),
        "input": Param(
            "", "the name of the input tensor; by default the first that the server's metadata name"
        ),
        "output": Param("", "the name of the output tensor; by default the first of the answer"),
        "column_names": Param(
            [], "of a <Table>: the columns to send, in this order; by default all numbers", type=list
        ),
        "labels": Param(
            [], "the labels in the order of the model's classes; by default the project's", type=list
        ),
        "server_timeout": Param(30.0, "how long to wait for an answer, in seconds", gt=0),
    }

    def setup(self):
        """Find the control. The server is first asked when tasks are predicted."""
        self.control = self.controls.first(("Choices", "Number"), per_region=False)
        self.model_url = f"{self.params.server_url.rstrip('/')}/v2/models/{self.params.server_model}"
        self.input = self.params.input

    def predict(self, tasks, **kwargs):
        """Return the server's answer for each task, in one request for all."""
        entries = self.inputs(self.control, tasks)
        if not self.input:
            named = self.ask("get", self.model_url).get("inputs") or [{"name": "input-0"}]
            self.input = named[0]["name"]
        request = {"inputs": [{"name": self.input, **self.tensor(entries)}]}
        if self.params.output:
            request["outputs"] = [{"name": self.params.output}]
        outputs = self.ask("post", f"{self.model_url}/infer", json=request).get("outputs") or []
        output = next((each for each in outputs if self.params.output in ("", each["name"])), None)
        if output is None:
            names = ", ".join(each["name"] for each in outputs) or "none"
            raise ValueError(f"The server's answer has no output {self.params.output!r}; it has {names}")
        values = flat(output["data"])
        width, rest = divmod(len(values), len(entries))
        if rest or not width:
            raise ValueError(
                f"The answer cannot be divided among the tasks: values: {len(values)}, tasks: {len(entries)}"
            )
        rows = [values[at * width : (at + 1) * width] for at in range(len(entries))]
        return [self.prediction(each.task, row) for each, row in zip(entries, rows)]

    def tensor(self, entries):
        """Return datatype, shape and data of what the control's object shows of the tasks."""
        if self.control.object.tag == "Table":
            rows = [self.numbers(each.value) for each in entries]
            if len({len(row) for row in rows}) > 1:
                raise ValueError(
                    "The rows have different numbers of columns: name them in the setting column_names"
                )
            return {"datatype": "FP64", "shape": [len(rows), len(rows[0])], "data": flat(rows)}
        if entries[0].text is not None:
            return {"datatype": "BYTES", "shape": [len(entries), 1], "data": [each.text for each in entries]}
        contents = [base64.b64encode(Path(each.path).read_bytes()).decode() for each in entries]
        form = {"content_type": "base64"}
        return {"datatype": "BYTES", "shape": [len(entries), 1], "data": contents, "parameters": form}

    def numbers(self, row):
        """Return the numbers of a row of a table, in the order of the setting `column_names`."""
        names = self.params.column_names or [
            name for name, value in row.items() if isinstance(value, int | float)
        ]
        if lacking := [name for name in names if name not in row]:
            raise ValueError(f"The row lacks the column {lacking[0]!r}")
        return [float(row[name]) for name in names]

    def prediction(self, task, row):
        """Return the prediction for one task: of a label, of the probabilities of all labels, or of a number."""
        if self.control.tag == "Number":
            return regions.prediction(regions.quantity(self.control, float(row[0])))
        control = self.control.for_task(task).map_labels(unknown="drop")
        labels = self.params.labels or control.label_names
        if len(row) > 1:
            if len(row) != len(labels):
                raise ValueError(
                    f"Name a label for each class of the model in the setting labels; classes: {len(row)}"
                )
            return regions.prediction(regions.best_choices(control, row, labels))
        label = row[0] if isinstance(row[0], str) else labels[int(row[0])]
        return regions.prediction(regions.choices(control, label))

    def ask(self, method, url, **options):
        """Return the server's answer as a dict. Raises RuntimeError with the server's own words for an error."""
        token = self.params.server_token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = requests.request(method, url, headers=headers, timeout=self.params.server_timeout, **options)
        if not answer.ok:
            raise RuntimeError(f"{url} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()


def flat(data):
    """Return the values of a tensor, which may be nested, as one list."""
    return [value for each in data for value in (flat(each) if isinstance(each, list) else [each])]

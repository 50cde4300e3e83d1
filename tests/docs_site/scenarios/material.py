"""Models and tasks that several scenarios use."""

from typing import Any

from label_studio_ml import samples
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.training.dataset import LabelledTasks

Task = dict[str, Any]

#: Moods of texts.
MOODS = """<View><Text name="text" value="$text"/>
<Choices name="mood" toName="text"><Choice value="Good"/><Choice value="Bad"/></Choices></View>"""


def untrained(label_config: str) -> LabelStudioMLBase:
    """Return a model without a `predict`, for what `self` has in the blocks."""
    return LabelStudioMLBase(label_config=label_config)


def a_task(label_config: str) -> Task:
    """Return a sample task of the label config, its files included."""
    (task,) = samples.tasks(label_config, 1)
    return task


def labelled(label_config: str, results: list[list[Any]], **data: list[Any]) -> list[Task]:
    """Return sample tasks with an annotation for each result, and with values of `data` in place of the samples'."""
    tasks = samples.tasks(label_config, len(results))
    for number, (task, result) in enumerate(zip(tasks, results, strict=True)):
        task["data"] |= {field: values[number] for field, values in data.items()}
        task["annotations"] = [{"id": 100 + number, "result": result}]
    return tasks


def collection(tasks: list[Task]) -> LabelledTasks:
    """Return what `fit` gets of labelled tasks."""
    return LabelledTasks.from_tasks(tasks)

"""Labelled texts for the tests of exports."""

from typing import Any

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.training.dataset import LabelledTasks

CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Labels name="ner" toName="text"><Label value="PER"/><Label value="ORG"/><Label value="Job Title"/></Labels>
  <Choices name="mood" toName="text"><Choice value="glad"/><Choice value="sad"/></Choices>
  <Choices name="topics" toName="text" choice="multiple"><Choice value="art"/><Choice value="war"/></Choices>
  <Choices name="own" toName="text" value="$options"/>
  <Taxonomy name="tree" toName="text"><Choice value="a"><Choice value="b"/></Choice></Taxonomy>
  <Rating name="stars" toName="text"/>
  <Number name="age" toName="text"/>
  <TextArea name="summary" toName="text"/>
  <DateTime name="when" toName="text"/>
</View>"""
CONTROLS = Controls(CONFIG)


def task(text: str, *spans: tuple[int, int, str], number: int = 1, others: tuple[Any, ...] = ()) -> Any:
    """A text with spans, and with other regions."""
    entry = {"id": number, "data": {"text": text, "options": ["p", "q"]}}
    labelled = regions.labelled_text(CONTROLS["ner"], entry)
    result = [*(labelled.span(start, end, label) for start, end, label in spans), *others]
    return {**entry, "annotations": [{"id": 10, "completed_by": 3, "result": result}]}


def collection(*tasks: Any) -> LabelledTasks:
    """The tasks as what `fit` gets."""
    return LabelledTasks.from_tasks(list(tasks))

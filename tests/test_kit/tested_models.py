"""Model classes under test, without a process of their own: what `TestedClass` has of them."""

import os
from pathlib import Path
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.test_kit.check_catalogue import Phase
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.child_plan import Plan

TEXTS = """<View><Text name="text" value="$text"/><Choices name="kind" toName="text"><Choice value="a"/>
<Choice value="b"/></Choices></View>"""
TASKS = [{"id": 1, "data": {"text": "one"}}, {"id": 2, "data": {"text": "two"}}]

#: A model file; each task is predicted by `predicted(tasks, task)`.
_MODEL = """from label_studio_ml.model import LabelStudioMLBase
import threading
KEPT = []
class Model(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        {call}
        return [{{"result": [{{"from_name": "kind", "to_name": "text", "type": "choices",
                 "value": {{"choices": [{choice}]}}}}]}} for task in tasks]
"""


def class_under_test(folder: Path, call: str = "pass", choice: str = "'a'", **options: Any) -> TestedClass:
    """Return a class of which `call` is a statement of `predict`, and `choice` the expression of a task's choice."""
    script = folder / "model.py"
    script.write_text(_MODEL.format(call=call, choice=choice))
    settings = Settings(
        backend_dir=folder,
        script=script,
        class_name="Model",
        model_dir=folder / "data",
        log_dir=folder / "logs",
        document_root=folder,
        threads=os.cpu_count() or 1,
    )
    plan = Plan(phase=Phase.PREDICT, label_config=TEXTS, checks=[], tasks=TASKS, **options)
    tested = TestedClass(settings, plan)
    tested.load()
    tested.model = tested.build()
    return tested

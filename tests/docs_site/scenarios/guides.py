"""docs/guides: classes of the guides on GPUs, cloud storage and several models. torch is a stand-in."""

import sys
from types import ModuleType
from typing import Any

from label_studio_ml.validation import check_prediction

from ..snippets import Snippet, scenario
from .material import a_task

BOTH = """<View><Text name="text" value="$text"/>
<Labels name="entities" toName="text"><Label value="PER"/></Labels>
<Choices name="mood" toName="text"><Choice value="Good"/><Choice value="Bad"/></Choices></View>"""
PICTURES = """<View><Image name="image" value="$image"/>
<Choices name="kind" toName="image"><Choice value="Large"/></Choices></View>"""


class StandInNet:
    """A network that knows its device."""

    device = "cpu"

    def to(self, device: str) -> "StandInNet":
        self.device = device
        return self


@scenario("docs/guides/gpu.md", "class OnDevice(LabelStudioMLBase):")
def a_network_on_its_device(snippet: Snippet) -> None:
    torch: Any = ModuleType("torch")
    torch.nn = ModuleType("torch.nn")
    torch.nn.Linear = lambda *sizes: StandInNet()
    torch.cuda = ModuleType("torch.cuda")
    snippet.patch.setitem(sys.modules, "torch", torch)
    on_device = snippet.run()["OnDevice"]
    for available, device in ((True, "cuda"), (False, "cpu")):
        torch.cuda.is_available = lambda available=available: available
        assert on_device(label_config=BOTH).net.device == device


@scenario("docs/guides/cloud-storage.md", "class Sizes(LabelStudioMLBase):")
def files_of_tasks(snippet: Snippet) -> None:
    model = snippet.run()["Sizes"](label_config=PICTURES)
    task = a_task(PICTURES)
    lost = {**task, "id": 2, "data": {"image": "https://no-such-host.invalid/a.png"}}
    snippet.patch.setenv("FILES_TIMEOUT", "1")
    predictions = model.predict([task, lost])
    assert [each["score"] for each in predictions] == [1.0, 0.0]


@scenario("docs/guides/several-models.md", "class Both(Combined):")
def two_models_of_a_file(snippet: Snippet) -> None:
    task = a_task(BOTH)
    (prediction,) = snippet.run()["Both"](label_config=BOTH).predict([task])
    assert [region["from_name"] for region in prediction["result"]] == ["entities", "mood"]
    check_prediction(BOTH, task, prediction)

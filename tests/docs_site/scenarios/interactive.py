"""docs/interactive.md and its guide: values computed once, clicks, the next tasks."""

from typing import Any

import numpy as np

from label_studio_ml import regions

from ..blocks import block_of
from ..snippets import Snippet, scenario
from .material import a_task, untrained

CONFIG = """<View><Image name="photo" value="$image"/>
<BrushLabels name="mask" toName="photo"><Label value="Car"/></BrushLabels>
<KeyPointLabels name="click" toName="photo" smart="true"><Label value="Car"/></KeyPointLabels></View>"""

CLICKS = block_of("docs/guides/interactive.md", "xml").text


class StandInEncoder:
    """An encoder that counts its calls, with the file's length as its features."""

    calls = 0

    def __call__(self, content: bytes) -> Any:
        self.calls += 1
        return np.array([len(content)])

    def encode(self, path: str) -> Any:
        return self(load(path))


def load(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


@scenario("docs/interactive.md", 'embedding = self.once(tasks[0], "embedding", self.encode)')
def once_for_each_file(snippet: Snippet) -> None:
    encoder = StandInEncoder()
    model = snippet.model(CONFIG, globals={"load": load, "height": 30, "width": 40}, encoder=encoder)
    task = a_task(CONFIG)
    model.predict([task])
    model.predict([task])
    assert encoder.calls == 1
    assert model.once(task, "embedding", model.encode)["size"] == [30, 40]


@scenario("docs/interactive.md", "self.once(task, f")
def shared_by_all_versions(snippet: Snippet) -> None:
    encoder = StandInEncoder()
    model: Any = untrained(CONFIG)
    model.checkpoint, model.encode = "tiny.pt", encoder.encode
    task = a_task(CONFIG)
    snippet.run(self=model, task=task)
    snippet.run(self=model, task=task)
    assert encoder.calls == 1


@scenario("docs/guides/interactive.md", 'self.click = self.controls.first("KeyPointLabels", on="Image")')
def a_click(snippet: Snippet) -> None:
    encoder = StandInEncoder()
    asked = []

    def decode(self: Any, embedding: Any, point: tuple[float, float], *, positive: bool) -> Any:
        asked.append((point, positive))
        inside = np.zeros((40, 50), bool)
        inside[10:20, 5:15] = True
        return inside

    model = snippet.model(CLICKS, decode=decode, encode=lambda self, path: encoder.encode(path))
    task = a_task(CLICKS)
    assert model.predict([task]) == []
    click = regions.key_point(model.click, xy=(7, 12), size=(50, 40), label="Coin")
    assert click is not None
    (prediction,) = model.predict([task], context={"result": [dict(click)]})
    (mask,) = prediction["result"]
    assert (mask["type"], mask["score"]) == ("brushlabels", 0.9)
    assert regions.mask_of(mask).sum() == 100
    ((point, positive),) = asked
    assert (*(round(number) for number in point), positive) == (7, 12, True)


@scenario("docs/interactive.md", "def prewarm(self, task):")
def the_next_task(snippet: Snippet) -> None:
    encoder = StandInEncoder()
    model = snippet.model(CONFIG, encode=lambda self, path: encoder.encode(path))
    model.prewarm(a_task(CONFIG))
    assert encoder.calls == 1

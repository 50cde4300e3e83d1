"""A named fake: a small ML backend in the style of a web framework, without this package's server, right by default.

Each method answers one call; a test replaces one of them to plant a fault. Names and labels are taken from the label
config of each request; the label is chosen by the length of the task's text, so that tasks have different predictions.
"""

import base64
import json
import threading
from collections.abc import Callable
from typing import Any, Self

from label_studio_ml.protocol.label_config import parse_label_config
from studio.fake import Asked, FakeServer, Reply

TEXTS = """<View><Text name="text" value="$text"/>
<Choices name="label" toName="text"><Choice value="good"/><Choice value="bad"/><Choice value="odd"/></Choices></View>"""
BOXES = """<View><Image name="image" value="$image"/>
<RectangleLabels name="box" toName="image"><Label value="cat"/><Label value="dog"/></RectangleLabels></View>"""
#: Boxes that an annotator draws are sent to the backend.
SMART = BOXES.replace('name="box"', 'name="box" smart="true"')

VERSION = "7"

Json = dict[str, Any]
Answering = Callable[["FakeBackend", Asked], Reply]


def error(status: int, cause: str) -> Reply:
    """Return an error as JSON."""
    return Reply.of({"status": status, "detail": cause}, status)


def html(status: int) -> Reply:
    """Return a web page."""
    return Reply(status, b"<!doctype html><title>page</title>", {"Content-Type": "text/html"})


def closed() -> Reply:
    """Close the connection without an answer."""
    return Reply(raw=lambda stream: None)


class FakeBackend(FakeServer):
    """The fake. `answers` are the functions that answer the calls, by path; `login` is what they need, if anything.

    `released` ends the waiting of calls that hang. `asked_meanwhile` is set when /health was asked during a prediction.
    """

    def __init__(self, *, login: tuple[str, str] | None = None) -> None:
        super().__init__()
        self.login = login
        self.events: list[Json] = []
        self.label_config = ""
        self.calls = 0
        self.projects: set[object] = set()
        self.released = threading.Event()
        self.asked_meanwhile = threading.Event()
        self.one_at_a_time = threading.Lock()
        self.answers: dict[str, Answering] = {
            "/health": FakeBackend.health,
            "/setup": FakeBackend.setup,
            "/predict": FakeBackend.predict,
            "/versions": FakeBackend.versions,
            "/webhook": FakeBackend.webhook,
        }
        for path in self.answers:
            self.routes[path] = self._answer
        self.on("/login", html(200))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.released.set()
        self.stop()

    def _answer(self, asked: Asked) -> Reply:
        if asked.path != "/webhook" and not self.admits(asked):
            return error(401, "wrong login")
        return self.answers[asked.path](self, asked)

    def admits(self, asked: Asked) -> bool:
        """Tell whether a request has the login."""
        if self.login is None:
            return True
        return asked.authorization == f"Basic {base64.b64encode(':'.join(self.login).encode()).decode()}"

    def hang(self) -> None:
        """Wait until the test is over."""
        self.released.wait(60)

    def health(self, asked: Asked) -> Reply:
        """Answer GET /health."""
        return Reply.of({"status": "UP"})

    def versions(self, asked: Asked) -> Reply:
        """Answer GET /versions."""
        return Reply.of({"versions": [VERSION]})

    def setup(self, asked: Asked) -> Reply:
        """Answer POST /setup, and remember the label config of the last project, which no answer here uses."""
        body = parsed(asked)
        if body is None or "project" not in body:
            return error(400, "not an object with project")
        self.label_config = body["schema"]
        return Reply.of({"model_version": VERSION})

    def predict(self, asked: Asked) -> Reply:
        """Answer POST /predict with the label config of the request."""
        body = parsed(asked)
        if body is None or not isinstance(body.get("tasks"), list):
            return error(400, "not an object with tasks")
        return Reply.of({"results": [prediction(task, body["label_config"]) for task in body["tasks"]]})

    def webhook(self, asked: Asked) -> Reply:
        """Answer POST /webhook: keep the event."""
        body = parsed(asked)
        if body is None or "action" not in body:
            return error(400, "not an object with action")
        self.events.append(body)
        return Reply.of({"job": str(len(self.events))}, 201)


def parsed(asked: Asked) -> Json | None:
    """Return the body as an object; None if it is none."""
    try:
        body = json.loads(asked.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def prediction(task: Json, label_config: str) -> Json:
    """Return the prediction for a task; without regions for one without data."""
    if not task["data"]:
        return {"result": [], "model_version": VERSION}
    (name, control), *_ = parse_label_config(label_config).items()
    size = len(str(task["data"]))
    label = control["labels"][size % len(control["labels"])]
    kind = control["type"].lower()
    value: Json = {kind: [label]}
    if kind == "rectanglelabels":
        value |= {"x": size % 50, "y": 20, "width": 30, "height": 40, "rotation": 0}
    region = {"id": "r1", "from_name": name, "to_name": control["to_name"][0], "type": kind, "value": value}
    return {"result": [region], "score": 0.5, "model_version": VERSION}

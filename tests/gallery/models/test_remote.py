"""The gallery's remote model against a made-up server: what it sends of texts and files, and what it reads."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .model_file import model_class

Json = dict[str, Any]

CONFIG = """<View><{0} name="shown" value="$shown"/><Choices name="kind" toName="shown"><Choice value="Good"/>
<Choice value="Bad" alias="bad"/></Choices></View>"""
NUMBER = """<View><Text name="shown" value="$shown"/><Number name="size" toName="shown"/></View>"""
TASKS = [{"id": 1, "data": {"shown": "one"}}, {"id": 2, "data": {"shown": "two"}}]


class FakeServer(ThreadingHTTPServer):
    """Answers every inference with `outputs`, and keeps what it was asked."""

    outputs: list[Json]
    asked: list[Json]
    token: str | None


class _Handler(BaseHTTPRequestHandler):
    server: FakeServer

    def do_GET(self) -> None:
        self._answer({"name": "model", "inputs": [{"name": "words"}]})

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.token = self.headers["Authorization"]
        self._answer({"model_name": "model", "outputs": self.server.outputs})

    def _answer(self, body: Json) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(("127.0.0.1", 0), _Handler) as made:
        made.outputs, made.asked, made.token = [], [], None
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def model(server: FakeServer, config: str, **settings: Any) -> Any:
    url = f"http://127.0.0.1:{server.server_port}/"
    return model_class("remote")(label_config=config, server_url=url, **settings)


def output(name: str, datatype: str, data: list[Any]) -> Json:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


def choices(predictions: list[Json]) -> list[list[str]]:
    return [[label for item in each["result"] for label in item["value"]["choices"]] for each in predictions]


def test_texts_are_sent_at_once_and_labels_are_read(server: FakeServer) -> None:
    server.outputs = [output("label", "BYTES", ["good", "bad"])]
    made = model(server, CONFIG.format("Text"), server_token="secret")
    assert choices(made.predict(TASKS)) == [["Good"], ["bad"]]
    tensor = {"name": "words", "datatype": "BYTES", "shape": [2, 1], "data": ["one", "two"]}
    assert server.asked == [{"inputs": [tensor]}]
    assert server.token == "Bearer secret"


def test_nested_probabilities_of_a_named_output(server: FakeServer) -> None:
    server.outputs = [output("other", "INT64", [0, 0]), output("p", "FP32", [[0.25, 0.75], [0.9, 0.1]])]
    predictions = model(server, CONFIG.format("Text"), output="p", labels=["bad", "Good"]).predict(TASKS)
    assert choices(predictions) == [["Good"], ["bad"]]
    assert [each["score"] for each in predictions] == [0.75, 0.9]


def test_numbers_of_classes_and_a_label_that_the_project_lacks(server: FakeServer) -> None:
    server.outputs = [output("class", "INT64", [1, 2])]
    made = model(server, CONFIG.format("Text"), labels=["bad", "Good", "Ugly"])
    assert choices(made.predict(TASKS)) == [["Good"], []]


def test_files_are_sent_as_base64(server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "sound.wav").write_bytes(b"abc")
    server.outputs = [output("label", "BYTES", ["Good"])]
    made = model(server, CONFIG.format("Audio"))
    made.get_local_path = lambda url, **kwargs: str(tmp_path / "sound.wav")
    assert choices(made.predict(TASKS[:1])) == [["Good"]]
    (tensor,) = server.asked[0]["inputs"]
    assert (tensor["data"], tensor["parameters"]) == (["YWJj"], {"content_type": "base64"})


def test_a_number_is_read(server: FakeServer) -> None:
    server.outputs = [output("size", "FP64", [1.5, 2])]
    predictions = model(server, NUMBER).predict(TASKS)
    assert [each["result"][0]["value"]["number"] for each in predictions] == [1.5, 2]


def test_answers_that_do_not_fit_say_why(server: FakeServer) -> None:
    server.outputs = [output("p", "FP32", [0.1, 0.2, 0.7])]
    with pytest.raises(ValueError, match="cannot be divided among the tasks: values: 3, tasks: 2"):
        model(server, CONFIG.format("Text")).predict(TASKS)
    with pytest.raises(ValueError, match=r"Name a label for each class .* classes: 3"):
        model(server, CONFIG.format("Text")).predict(TASKS[:1])
    with pytest.raises(ValueError, match="no output 'q'; it has p"):
        model(server, CONFIG.format("Text"), output="q").predict(TASKS[:1])

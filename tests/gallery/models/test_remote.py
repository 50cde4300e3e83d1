"""The gallery's remote model against a made-up server: what it sends of texts and files, and what it reads."""

import contextlib
import json
import threading
import time
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
    """Answers every inference with `content`, `answer` or `outputs`, and keeps what it was asked.

    `statuses` are what it answers first instead, with the header Retry-After. It waits while `silent` is not set,
    and `pause` seconds between the bytes of an answer.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.outputs: list[Json] = []
        self.answer: Json | None = None
        self.content: bytes | None = None
        self.pause = 0.0
        self.statuses: list[tuple[int, str]] = []
        self.asked: list[Json] = []
        self.paths: list[str] = []
        self.token: str | None = None
        self.silent = threading.Event()
        self.silent.set()


class _Handler(BaseHTTPRequestHandler):
    server: FakeServer

    def do_GET(self) -> None:
        self._answer({"name": "model", "inputs": [{"name": "words"}]})

    def do_POST(self) -> None:
        made = self.server
        made.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        made.paths.append(self.path)
        made.token = self.headers["Authorization"]
        made.silent.wait(30)
        self._answer(made.answer or {"model_name": "model", "outputs": made.outputs})

    def _answer(self, body: Json) -> None:
        content = self.server.content or json.dumps(body).encode()
        status, patience = self.server.statuses.pop(0) if self.server.statuses else (200, "")
        with contextlib.suppress(ConnectionError):  # the client may have given up
            self.send_response(status)
            if patience:
                self.send_header("Retry-After", patience)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            for at in range(len(content) if self.server.pause else 0):
                self.wfile.write(content[at : at + 1])
                time.sleep(self.server.pause)
            self.wfile.write(b"" if self.server.pause else content)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as made:
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


def test_a_missing_or_wrong_answer_says_why(server: FakeServer) -> None:
    server.outputs = [output("p", "FP32", [0.1, 0.2, 0.7])]
    with pytest.raises(Exception, match="cannot be divided among the tasks: values: 3, tasks: 2"):
        model(server, CONFIG.format("Text")).predict(TASKS)
    (error,) = model(server, CONFIG.format("Text")).predict(TASKS[:1])
    assert "name a label for each class" in str(error)
    with pytest.raises(Exception, match="no output 'q'; it has p"):
        model(server, CONFIG.format("Text"), output="q").predict(TASKS[:1])
    server.outputs = [output("class", "INT64", [1, -1])]
    good, bad = model(server, CONFIG.format("Text")).predict(TASKS)
    assert choices([good]) == [["bad"]]
    assert "no number of a class; classes: 2" in str(bad)
    server.answer = {"error": "none"}
    with pytest.raises(Exception, match="has no 'outputs'"):
        model(server, CONFIG.format("Text")).predict(TASKS)


def test_instances_of_the_first_protocol(server: FakeServer) -> None:
    server.answer = {"predictions": [{"label": "Good"}, {"label": "bad"}]}
    made = model(server, CONFIG.format("Text"), server_protocol="v1", server_model="m", answer_path="label")
    assert choices(made.predict(TASKS)) == [["Good"], ["bad"]]
    assert server.asked == [{"instances": ["one", "two"]}]
    assert server.paths == ["/v1/models/m:predict"]
    server.answer = {"predictions": [{"label": "Good"}]}
    with pytest.raises(Exception, match="predictions: 1, tasks: 2"):
        made.predict(TASKS)


def test_plain_json_gets_the_data_of_each_task(server: FakeServer) -> None:
    server.answer = {"result": [{"probabilities": {"bad": 0.25, "Good": 0.75}}]}
    made = model(server, CONFIG.format("Text"), server_protocol="json", answer_path="result.0.probabilities")
    (prediction,) = made.predict(TASKS[:1])
    assert (choices([prediction]), prediction["score"]) == ([["Good"]], 0.75)
    assert server.asked == [{"shown": "one"}]
    server.answer = {"result": []}
    (error,) = made.predict(TASKS[:1])
    assert "no 'result.0.probabilities'" in str(error)


def test_a_busy_server_is_asked_again(server: FakeServer) -> None:
    server.outputs = [output("label", "BYTES", ["good"])]
    server.statuses = [(429, "0"), (503, "0")]
    made = model(server, CONFIG.format("Text"), input="words")
    assert choices(made.predict(TASKS[:1])) == [["Good"]]
    assert len(server.asked) == 3


@pytest.mark.parametrize(("status", "patience"), [(429, "3600"), (500, "")])
def test_a_refusal_is_told_without_the_token(server: FakeServer, status: int, patience: str) -> None:
    server.statuses = [(status, patience)] * 3
    server.answer = {"seen": "secret"}
    made = model(server, CONFIG.format("Text"), input="words", server_token="secret")
    if status == 500:  # The same request may succeed for each task alone, so it is an exception of the call.
        with pytest.raises(Exception, match="answered 500") as raised:
            made.predict(TASKS)
        message = str(raised.value)
    else:
        first, second = made.predict(TASKS)
        assert str(first) == str(second)
        message = str(first)
    assert f"answered {status}" in message
    assert "[token]" in message
    assert "secret" not in message


@pytest.mark.parametrize("path", ["label", "seen"])
def test_an_answer_that_repeats_the_token_is_told_without_it(server: FakeServer, path: str) -> None:
    server.answer = {"seen": "Bearer secret"}
    made = model(server, NUMBER, server_protocol="json", server_token="secret", answer_path=path)
    (error,) = made.predict(TASKS[:1])
    assert "[token]" in str(error)
    assert "secret" not in str(error)


def test_a_server_that_is_away_or_slow_is_asked_once(server: FakeServer) -> None:
    server.silent.clear()
    made = model(server, CONFIG.format("Text"), input="words", server_timeout=0.2)
    first, second = made.predict(TASKS)
    server.silent.set()
    assert "did not answer in time (SERVER_TIMEOUT is 0.2 s)" in str(first)
    assert first is second
    url = "http://user:word@127.0.0.1:1/path?key=secret"
    errors = model_class("remote")(label_config=CONFIG.format("Text"), server_url=url, input="words").predict(
        TASKS
    )
    assert "cannot be reached" in str(errors[0])
    assert "word" not in str(errors[0]).replace("words", "")
    assert "secret" not in str(errors[0])


def test_what_is_no_json_is_told(server: FakeServer) -> None:
    server.content = b"<html>Sign in</html>"
    with pytest.raises(Exception, match="answered no JSON: <html>Sign in"):
        model(server, CONFIG.format("Text"), input="words").predict(TASKS)


@pytest.mark.parametrize(
    "answer",
    [{"outputs": "abc"}, {"outputs": [{}]}, {"outputs": [{"name": "o", "data": None}]}, [1]],
    ids=["text", "no name", "no data", "list"],
)
def test_an_answer_of_another_form_is_told(server: FakeServer, answer: Any) -> None:
    server.content = json.dumps(answer).encode()
    for asked in ("", "words"):  # with and without the server's metadata
        with pytest.raises(
            Exception, match=r"answer (is none of SERVER_PROTOCOL=v2|has no|cannot be divided)"
        ):
            model(server, CONFIG.format("Text"), input=asked).predict(TASKS)


def test_an_answer_is_read_as_utf_8(server: FakeServer) -> None:
    server.content = b"bad token secret123!"  # whose bytes another encoding reads as Chinese
    server.statuses = [(401, "")]
    made = model(server, CONFIG.format("Text"), input="words", server_token="secret123")
    with pytest.raises(Exception, match=r"answered 401: bad token \[token\]!"):
        made.predict(TASKS)


def test_an_endless_answer_is_given_up(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.content, server.pause = b"x" * 1000, 0.05
    made = model(server, CONFIG.format("Text"), input="words", server_timeout=0.2)
    assert "did not answer in time (SERVER_TIMEOUT is 0.2 s)" in str(made.predict(TASKS)[0])
    server.content, server.pause = b"x" * (2 << 20), 0.0
    monkeypatch.setitem(type(made.server).ask.__globals__, "LONGEST_ANSWER", 1 << 20)
    with pytest.raises(Exception, match="answered more than 1 MiB"):
        made.predict(TASKS)


def test_deep_json_is_told(server: FakeServer) -> None:
    server.content = b"[" * 100_000
    with pytest.raises(Exception, match="answered no JSON"):
        model(server, CONFIG.format("Text"), input="words").predict(TASKS)


@pytest.mark.parametrize("url", ["host:8000", "file:///etc/passwd", "http://", "http://host:99999"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="SERVER_URL has to be an address"):
        model_class("remote")(label_config=CONFIG.format("Text"), server_url=url)


def test_a_row_without_a_named_column_is_told(server: FakeServer) -> None:
    config = '<View><Table name="row" value="$row"/><Number name="size" toName="row"/></View>'
    made = model(server, config, column_names=["a", "b"])
    (error,) = made.predict([{"id": 1, "data": {"row": {"a": 1, "b": None}}}])
    assert "the field 'row' lacks the column 'b'" in str(error)
    (error,) = made.predict([{"id": 1, "data": {"row": 3}}])
    assert "The field 'row' must be an object" in str(error)
    assert server.asked == []


def test_tasks_that_cannot_be_sent_cost_no_request(server: FakeServer) -> None:
    server.outputs = [output("label", "BYTES", ["good", "bad"])]
    broken = [{"id": 3, "data": {"shown": None}}, {"id": 4, "data": {}}]
    first, null, second, missing = model(server, CONFIG.format("Text"), input="words").predict(
        [TASKS[0], broken[0], TASKS[1], broken[1]]
    )
    assert choices([first, second]) == [["Good"], ["bad"]]
    assert "Task 3" in str(null)
    assert "Task 4" in str(missing)
    assert len(server.asked) == 1


def test_a_control_of_what_can_be_sent_is_filled(server: FakeServer) -> None:
    server.outputs = [output("label", "BYTES", ["good", "bad"])]
    config = CONFIG.format("Text").replace(
        "<View>",
        '<View><Pdf name="page" value="$page"/><Choices name="first" toName="page"><Choice value="x"/></Choices>',
    )
    assert choices(model(server, config, input="words").predict(TASKS)) == [["Good"], ["bad"]]


def test_the_name_of_the_model_is_no_other_path(server: FakeServer) -> None:
    server.outputs = [output("label", "BYTES", ["good"])]
    made = model(server, CONFIG.format("Text"), input="words", server_model="../a b?c#d")
    made.predict(TASKS[:1])
    assert server.paths == ["/v2/models/..%2Fa%20b%3Fc%23d/infer"]
    with pytest.raises(Exception, match="SERVER_MODEL has to be the name of a model"):
        model(server, CONFIG.format("Text"), server_model="..")

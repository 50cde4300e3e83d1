"""The gallery's language model against endpoints that misbehave: each named behaviour of `FakeEndpoint` below."""

import asyncio
import importlib.util
import json
import logging
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.errors import ParamsError
from label_studio_ml.gallery.catalogue import model_named
from label_studio_ml.params.class_params import resolve
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.job import TrainingJob
from label_studio_ml.validation import check_prediction

Json = dict[str, Any]
KEY = "sk-do-not-show-me"
FOLDER = model_named("llm").folder
CONFIG = """<View><Text name="review" value="$text"/>
<Choices name="sentiment" toName="review"><Choice value="Positive"/><Choice value="Negative"/></Choices></View>"""
ALL = """<View><Text name="review" value="$text"/>
<Choices name="topics" toName="review" choice="multiple"><Choice value="Price"/><Choice value="Sound"/></Choices>
<Labels name="parts" toName="review"><Label value="Device"/><Label value="Feature"/></Labels>
<TextArea name="summary" toName="review"/><Rating name="stars" toName="review" maxRating="5"/>
<Number name="price" toName="review" min="0"/></View>"""
POSITIVE = {"sentiment": "Positive"}


class FakeEndpoint(ThreadingHTTPServer):
    """An endpoint whose answer to each request is up to `behave`, a function of the handler and the request's body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behave: Callable[[_Handler, Json], None] = lambda handler, body: handler.answer(POSITIVE)
        self.bodies: list[Json] = []
        self.keys: list[str | None] = []
        self.running = self.most_running = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing about connections that a test cuts."""


class _Handler(BaseHTTPRequestHandler):
    server: FakeEndpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.keys.append(self.headers.get("Authorization"))
            self.server.running += 1
            self.server.most_running = max(self.server.most_running, self.server.running)
        try:
            assert self.path == "/v1/chat/completions"
            self.server.behave(self, body)
        finally:
            with self.server.lock:
                self.server.running -= 1

    def answer(self, content: Any) -> None:
        """Send a chat completion of 100 and 10 tokens; `content` is a text or the object that it should be."""
        text = content if isinstance(content, str) else json.dumps(content)
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        self.send(200, {"choices": [{"message": {"content": text}}], "usage": usage})

    def send(self, status: int, body: Any, **headers: str) -> None:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(raw)

    def cut(self) -> None:
        """Reset the connection in the middle of a response."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing."""


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    server = FakeEndpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model's file, imported as the backend does it, with nothing spent yet."""
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("gallery_llm", FOLDER / "model.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    for name in ("requests", "prompt_tokens", "answer_tokens", "cost"):
        monkeypatch.setattr(made.SPENT, name, 0)
    return made


@pytest.fixture
def build(module: Any, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that makes a model for the endpoint."""
    monkeypatch.setenv("LLM_API_KEY", KEY)

    def make(config: str = CONFIG, train_output: Json | None = None, **params: Any) -> Any:
        params = {"llm_url": endpoint.url, **params}
        return module.LanguageModel(label_config=config, train_output=train_output, **params)

    return make


def tasks_of(*texts: Any) -> list[Json]:
    return [{"id": number, "data": {"text": text}} for number, text in enumerate(texts)]


def predict(model: Any, *texts: Any) -> list[Any]:
    return list(asyncio.run(model.predict(tasks_of(*texts))))


def choice(prediction: Any) -> str:
    return str(prediction["result"][0]["value"]["choices"][0])


def only_for(word: str, misbehave: Callable[[_Handler], None]) -> Callable[[_Handler, Json], None]:
    """Return a behaviour for texts with `word`; others are answered well."""

    def behave(handler: _Handler, body: Json) -> None:
        if word in body["messages"][-1]["content"]:
            misbehave(handler)
        else:
            handler.answer(POSITIVE)

    return behave


def expect_only_the_second_to_fail(predictions: list[Any], cause: str) -> None:
    assert choice(predictions[0]) == choice(predictions[2]) == "Positive"
    assert isinstance(predictions[1], Exception)
    assert cause in str(predictions[1])


class TestMisbehaviour:
    def test_a_429_is_repeated_after_the_seconds_that_it_asks_for(
        self, endpoint: FakeEndpoint, build: Callable[..., Any]
    ) -> None:
        times: list[float] = []

        def limit(handler: _Handler) -> None:
            times.append(time.monotonic())
            if len(times) == 1:
                handler.send(429, {"error": "slow down"}, Retry_After="1")
            else:
                handler.answer(POSITIVE)

        endpoint.behave = only_for("busy", limit)
        assert [choice(one) for one in predict(build(), "one", "busy", "three")] == ["Positive"] * 3
        assert len(times) == 2
        assert times[1] - times[0] >= 1

    def test_a_429_that_asks_to_wait_too_long_fails_at_once(
        self, endpoint: FakeEndpoint, build: Callable[..., Any]
    ) -> None:
        late = formatdate(time.time() + 3600, usegmt=True)
        endpoint.behave = only_for("busy", lambda handler: handler.send(429, "quota", Retry_After=late))
        expect_only_the_second_to_fail(predict(build(), "one", "busy", "three"), "answered 429: quota")
        assert len(endpoint.bodies) == 3

    def test_a_500_is_repeated_and_costs_only_its_own_task(
        self, endpoint: FakeEndpoint, build: Callable[..., Any]
    ) -> None:
        endpoint.behave = only_for("broken", lambda handler: handler.send(500, "internal"))
        expect_only_the_second_to_fail(
            predict(build(llm_retries=1), "one", "broken", "three"), "answered 500: internal"
        )
        assert len(endpoint.bodies) == 4

    def test_a_401_is_not_repeated(self, endpoint: FakeEndpoint, build: Callable[..., Any]) -> None:
        endpoint.behave = only_for("secret", lambda handler: handler.send(401, "no"))
        expect_only_the_second_to_fail(predict(build(), "one", "secret", "three"), "answered 401")
        assert len(endpoint.bodies) == 3

    def test_a_slow_answer_is_given_up(self, endpoint: FakeEndpoint, build: Callable[..., Any]) -> None:
        released = threading.Event()
        endpoint.behave = only_for("slow", lambda handler: [released.wait(60)].clear())
        predictions = predict(build(llm_timeout=1.5), "one", "slow", "three")
        released.set()
        expect_only_the_second_to_fail(predictions, "did not answer in time (LLM_TIMEOUT is 1.5 s)")

    @pytest.mark.parametrize("content", ['{"sentiment": "Posi', "Sure! It is positive.", "[1]", "{}"])
    def test_broken_json_costs_only_its_own_task(
        self, endpoint: FakeEndpoint, build: Callable[..., Any], content: str
    ) -> None:
        endpoint.behave = only_for("odd", lambda handler: handler.answer(content))
        expect_only_the_second_to_fail(predict(build(), "one", "odd", "three"), "")

    def test_a_response_that_is_no_chat_completion_costs_only_its_own_task(
        self, endpoint: FakeEndpoint, build: Callable[..., Any]
    ) -> None:
        endpoint.behave = only_for("odd", lambda handler: handler.send(200, "<html>login</html>"))
        expect_only_the_second_to_fail(predict(build(), "one", "odd", "three"), "no chat completion: <html>")

    @pytest.mark.parametrize("usage", ["many", [1], {"prompt_tokens": "12", "completion_tokens": -5}])
    def test_a_usage_that_is_none_is_estimated(
        self, endpoint: FakeEndpoint, build: Callable[..., Any], module: Any, usage: Any
    ) -> None:
        content = {"choices": [{"message": {"content": json.dumps(POSITIVE)}}], "usage": usage}
        endpoint.behave = lambda handler, body: handler.send(200, content)
        assert choice(predict(build(), "one")[0]) == "Positive"
        assert module.SPENT.prompt_tokens > 0

    def test_an_endless_response_is_given_up(
        self, endpoint: FakeEndpoint, build: Callable[..., Any], module: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(module.Endpoint._post.__globals__, "LONGEST_RESPONSE", 1 << 20)
        endpoint.behave = only_for("odd", lambda handler: handler.send(200, "x" * (2 << 20)))
        expect_only_the_second_to_fail(predict(build(), "one", "odd", "three"), "longer than 1 MiB")

    @pytest.mark.parametrize(
        "content",
        ['{"sentiment":' + "[" * 100_000 + "]" * 100_000 + "}", '{"stars": Infinity}', '{"parts": [null]}'],
        ids=["deep", "infinite", "no span"],
    )
    def test_an_answer_that_no_model_should_give_says_so(
        self, endpoint: FakeEndpoint, build: Callable[..., Any], content: str
    ) -> None:
        answer = {"topics": [], "parts": [], "summary": "", "stars": 1, "price": 1}
        if len(content) < 100:
            content = content.replace(
                "{", json.dumps(answer)[:-1] + ", ", 1
            )  # of two values, the last one counts
        endpoint.behave = lambda handler, body: handler.answer(content)
        (error,) = predict(build(ALL), "one")
        assert type(error).__name__ == "AnswerError"

    @pytest.mark.parametrize(
        "url", ["localhost:8080", "ftp://host/v1", "http://host:99999/v1", "http://[::1/v1"]
    )
    def test_what_is_no_address_is_refused(self, build: Callable[..., Any], url: str) -> None:
        with pytest.raises(ValueError, match="LLM_URL has to be an address such as"):
            build(llm_url=url)

    def test_a_label_that_does_not_exist_costs_only_its_own_task(
        self, endpoint: FakeEndpoint, build: Callable[..., Any]
    ) -> None:
        endpoint.behave = only_for("odd", lambda handler: handler.answer({"sentiment": "Ironic"}))
        expect_only_the_second_to_fail(
            predict(build(), "one", "odd", "three"), "'sentiment' has no label 'Ironic'"
        )

    def test_a_cut_connection_is_repeated_and_costs_only_its_own_task(
        self, endpoint: FakeEndpoint, build: Callable[..., Any]
    ) -> None:
        endpoint.behave = only_for("cut", lambda handler: handler.cut())
        expect_only_the_second_to_fail(
            predict(build(llm_retries=1), "one", "cut", "three"), "cannot be reached"
        )
        assert len(endpoint.bodies) == 4

    def test_without_an_endpoint_each_task_gets_the_cause(self, build: Callable[..., Any]) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
            (prediction,) = predict(build(llm_url=url, llm_retries=0), "one")
        assert f"The endpoint {url} cannot be reached" in str(prediction)

    @pytest.mark.parametrize("text", ["", "  ", None])
    def test_a_task_without_a_text_costs_only_its_own_prediction(
        self, build: Callable[..., Any], text: Any
    ) -> None:
        expect_only_the_second_to_fail(predict(build(), "one", text, "three"), "")

    def test_a_task_without_the_field_costs_only_its_own_prediction(self, build: Callable[..., Any]) -> None:
        tasks = [*tasks_of("one"), {"id": 8, "data": {}}, *tasks_of("three")]
        expect_only_the_second_to_fail(list(asyncio.run(build().predict(tasks))), "text")


class TestKey:
    def test_it_is_sent_and_is_in_no_message_or_log(
        self, endpoint: FakeEndpoint, build: Callable[..., Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        endpoint.behave = only_for("secret", lambda handler: handler.send(401, f"wrong key {KEY}"))
        model = build()
        predictions = predict(model, "one", "secret", "three")
        assert set(endpoint.keys) == {f"Bearer {KEY}"}
        expect_only_the_second_to_fail(predictions, "wrong key [key]")
        assert KEY not in caplog.text + repr(predictions) + repr(model.params)

    def test_a_password_in_the_address_is_in_no_message(self, build: Callable[..., Any]) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            model = build(llm_url=f"http://me:hidden@127.0.0.1:{port}/v1", llm_retries=0)
            (prediction,) = predict(model, "one")
        assert f"The endpoint http://127.0.0.1:{port}/v1 cannot be reached" in str(prediction)
        assert "hidden" not in str(prediction)

    @pytest.mark.parametrize(
        "login",
        [
            "CANARY",
            "me:CANARY/CANARY",
            "me:CANARY#CANARY",
            "me:CA?NARY",
            "me:CA@NARY",
            "me:CA%2FNARY",
            "me:CA/12@NARY",
        ],
    )
    def test_no_part_of_a_login_is_in_a_message(self, build: Callable[..., Any], login: str) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{unused.getsockname()[1]}/v1"
            try:
                (prediction,) = predict(build(llm_url=f"http://{login}@{address}", llm_retries=0), "one")
                message = str(prediction)
            except ValueError as error:
                message = str(error)
        assert f"http://{address}" in message
        assert not re.search("CA|NARY|me:", message)

    @pytest.mark.parametrize(
        "place",
        ["http://127.0.0.1:{port}/v1/@cf/model", "http://127.0.0.1:{port}/v1"],
    )
    def test_an_at_sign_after_the_port_is_no_login(self, build: Callable[..., Any], place: str) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = place.format(port=unused.getsockname()[1])
            (prediction,) = predict(build(llm_url=url, llm_retries=0), "one")
        assert f"The endpoint {url} cannot be reached" in str(prediction)

    def test_it_is_not_in_what_a_training_stores(self, build: Callable[..., Any], tmp_path: Path) -> None:
        output = build().fit(annotated("good"), workdir=tmp_path)
        assert output["examples"] == 1
        assert all(KEY not in path.read_text() for path in tmp_path.rglob("*"))
        assert KEY not in repr(output)


class TestLimits:
    def test_no_more_requests_than_allowed_are_made_at_a_time(
        self, endpoint: FakeEndpoint, build: Callable[..., Any]
    ) -> None:
        together = threading.Barrier(2)

        def behave(handler: _Handler, body: Json) -> None:
            together.wait(30)  # two are let through together, so that two are seen to run
            handler.answer(POSITIVE)

        endpoint.behave = behave
        assert len(predict(build(llm_concurrency=2), *"abcdef")) == 6
        assert endpoint.most_running == 2

    def test_a_spent_budget_of_tokens_ends_the_requests(
        self, endpoint: FakeEndpoint, build: Callable[..., Any]
    ) -> None:
        predictions = predict(build(llm_token_budget=200, llm_concurrency=1), *"abcd")
        failures = [one for one in predictions if isinstance(one, Exception)]
        assert len(failures) == 2
        assert all("The budget of 200 tokens is spent" in str(failure) for failure in failures)
        assert len(endpoint.bodies) == 2

    def test_a_spent_budget_of_cost_ends_the_requests(
        self, endpoint: FakeEndpoint, build: Callable[..., Any]
    ) -> None:
        model = build(llm_cost_budget=0.0011, llm_price_prompt=10, llm_price_answer=10, llm_concurrency=1)
        (prediction,), (refused,) = predict(model, "a"), predict(model, "b")
        assert prediction["usage"] == {"prompt_tokens": 100, "answer_tokens": 10, "cost": 0.0011}
        assert "The budget of 0.0011 is spent" in str(refused)

    def test_tokens_and_cost_are_logged(
        self, build: Callable[..., Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        predict(build(llm_price_prompt=10), "a", "b")
        assert (
            "2 answers, 200 + 20 tokens, cost 0.002000; since this process started 2 answers" in caplog.text
        )


ANSWER: Json = {
    "topics": ["sound"],
    "parts": [
        {"quote": "radio", "label": "Device"},
        {"quote": "the BASS", "label": "Feature"},
        {"quote": "radio", "label": "Device"},
        {"quote": "not in the text", "label": "Device"},
        {"quote": "loud", "label": "Unheard of"},
    ],
    "summary": "A radio.",
    "stars": 4,
    "price": 12.5,
}


class TestAnswers:
    def test_each_control_gets_its_value(self, endpoint: FakeEndpoint, build: Callable[..., Any]) -> None:
        endpoint.behave = lambda handler, body: handler.answer(ANSWER)
        (task,) = tasks_of("😀 A radio: the\nbass is loud. Buy this radio!")
        (prediction,) = asyncio.run(build(ALL).predict([task]))
        check_prediction(ALL, task, prediction)
        values = [(region["from_name"], region["value"]) for region in prediction["result"]]
        spans = [value for name, value in values if name == "parts"]
        assert [task["data"]["text"][value["start"] : value["end"]] for value in spans] == [
            "radio",
            "the\nbass",
            "radio",
        ]
        assert spans[0]["start"] < spans[2]["start"]
        others = {name: value for name, value in values if name != "parts"}
        assert others == {
            "topics": {"choices": ["Sound"]},
            "summary": {"text": ["A radio."]},
            "stars": {"rating": 4},
            "price": {"number": 12.5},
        }

    def test_the_schema_comes_from_the_label_config(
        self, endpoint: FakeEndpoint, build: Callable[..., Any]
    ) -> None:
        endpoint.behave = lambda handler, body: handler.answer(ANSWER)
        predict(build(ALL), "radio")
        asked = endpoint.bodies[0]["response_format"]["json_schema"]
        assert asked["strict"] is True
        properties = asked["schema"]["properties"]
        assert asked["schema"]["required"] == ["topics", "parts", "summary", "stars", "price"]
        assert properties["topics"] == {
            "type": "array",
            "items": {"type": "string", "enum": ["Price", "Sound"]},
        }
        assert properties["parts"]["items"]["properties"]["label"]["enum"] == ["Device", "Feature"]
        assert properties["stars"] == {"type": "integer", "enum": [1, 2, 3, 4, 5]}

    def test_labels_of_a_task_are_those_that_are_asked_for(
        self, endpoint: FakeEndpoint, build: Callable[..., Any]
    ) -> None:
        config = CONFIG[: CONFIG.index("<Choices")] + (
            '<Choices name="sentiment" toName="review" value="$options"/></View>'
        )
        endpoint.behave = lambda handler, body: handler.answer({"sentiment": "tea"})
        tasks = [{"id": 1, "data": {"text": "a cup", "options": [{"value": "tea"}, {"value": "coffee"}]}}]
        (prediction,) = asyncio.run(build(config).predict(tasks))
        assert choice(prediction) == "tea"
        schema = endpoint.bodies[0]["response_format"]["json_schema"]["schema"]
        assert schema["properties"]["sentiment"]["enum"] == ["tea", "coffee"]

    def test_an_answer_within_other_text_is_found(
        self, endpoint: FakeEndpoint, build: Callable[..., Any]
    ) -> None:
        endpoint.behave = lambda handler, body: handler.answer('```json\n{"sentiment": "negative"}\n```')
        (prediction,) = predict(build(llm_format="text"), "one")
        assert choice(prediction) == "Negative"
        assert "response_format" not in endpoint.bodies[0]


class TestExamples:
    def test_annotated_tasks_are_in_the_prompt_the_most_similar_last(
        self, endpoint: FakeEndpoint, build: Callable[..., Any], tmp_path: Path
    ) -> None:
        output = build().fit(annotated("a good radio", "tea", "a radio"), workdir=tmp_path)
        predict(build(train_output=output, llm_examples=2, llm_examples_by="similarity"), "this is a radio")
        chat = [message["content"] for message in endpoint.bodies[0]["messages"][1:]]
        assert chat == [
            "Text: a good radio",
            '{"sentiment": "Negative"}',
            "Text: a radio",
            '{"sentiment": "Negative"}',
            "Text: this is a radio",
        ]
        assert endpoint.bodies[0]["messages"][0]["role"] == "system"

    def test_by_label_each_label_has_its_share_of_them(
        self, endpoint: FakeEndpoint, build: Callable[..., Any], tmp_path: Path
    ) -> None:
        tasks = [*annotated("a", "b", "c"), *annotated("d", "e", label="Positive")]
        different = [{**task, "id": number} for number, task in enumerate(tasks)]
        output = build().fit(LabelledTasks.from_tasks(different), workdir=tmp_path)
        predict(build(train_output=output, llm_examples=4), "text")
        chat = [message["content"] for message in endpoint.bodies[0]["messages"][1:]]
        assert chat[::2] == ["Text: a", "Text: d", "Text: b", "Text: e", "Text: text"]

    def test_without_examples_wanted_there_are_none(
        self, endpoint: FakeEndpoint, build: Callable[..., Any], tmp_path: Path
    ) -> None:
        output = build().fit(annotated("a good radio"), workdir=tmp_path)
        predict(build(train_output=output, llm_examples=0), "this is a radio")
        assert len(endpoint.bodies[0]["messages"]) == 2

    def test_without_an_example_there_is_no_new_version(
        self, build: Callable[..., Any], tmp_path: Path
    ) -> None:
        with pytest.raises(ValueError, match="No task has an answer"):
            build().fit(LabelledTasks.from_tasks([]), workdir=tmp_path)

    def test_a_cancelled_training_ends(self, build: Callable[..., Any], tmp_path: Path) -> None:
        job = TrainingJob("1", tmp_path, asked=lambda: True)
        assert build().fit(annotated("a good radio"), workdir=tmp_path, job=job) is None
        assert not list(tmp_path.iterdir())


def annotated(*texts: str, label: str = "Negative") -> Any:
    """Return tasks with these texts, each annotated with the label."""
    region = {
        "id": "r",
        "from_name": "sentiment",
        "to_name": "review",
        "type": "choices",
        "value": {"choices": [label]},
    }
    return LabelledTasks.from_tasks(
        [{**task, "annotations": [{"id": task["id"], "result": [region]}]} for task in tasks_of(*texts)]
    )


@pytest.mark.parametrize("name", ["llm_url", "llm_token_budget", "llm_cost_budget"])
def test_a_project_can_neither_move_the_key_nor_lift_the_budget(module: Any, name: str) -> None:
    with pytest.raises(ParamsError, match=f"{name} can be set only where the backend runs"):
        resolve(module.LanguageModel, {name: "http://elsewhere/v1" if name == "llm_url" else 0}, {})
    assert resolve(module.LanguageModel, {"llm_model": "other"}, {}) is not None

"""The program that runs the older package's examples (`make compat`), on a made-up checkout of two."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from runner import cases, compare, own_tests, studio, table
from runner.backends import Backend, BackendFailed
from runner.checkout import Checkout, Example
from runner.session import Prediction, Record, Session, Training

from e2e.processes import wait_until
from studio.fake import Asked, FakeServer, Reply

PROGRAM = Path(__file__).resolve().parents[2] / "compatibility" / "run.py"

GOOD = """
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse


class Counting(LabelStudioMLBase):
    def setup(self):
        self.set("model_version", "counting-1")

    def predict(self, tasks, context=None, **kwargs):
        from_name, to_name, value = self.label_interface.get_first_tag_occurence("Choices", "Text")
        choice = "good"
        region = {"from_name": from_name, "to_name": to_name, "type": "choices", "value": {"choices": [choice]}}
        return ModelResponse(predictions=[{"result": [region], "score": 0.5} for _ in tasks])
"""

WSGI = """
from label_studio_ml.api import init_app
from model import {name}

app = init_app(model_class={name})
"""

CASES = """
[good]
label_config = '''<View><Text name="t" value="$text"/>
<Choices name="c" toName="t"><Choice value="good"/><Choice value="bad"/></Choices></View>'''
tasks = [{ text = "one" }]

[broken]
label_config = '''<View><Text name="t" value="$text"/></View>'''
tasks = [{ text = "one" }]
"""


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """A checkout with an example that works, one that cannot be imported, and one without input."""
    for name, model in (
        ("good", GOOD),
        ("broken", "import no_such_package_anywhere\n" + GOOD),
        ("new", GOOD),
    ):
        folder = tmp_path / "checkout" / "label_studio_ml" / "examples" / name
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(model)
        (folder / "_wsgi.py").write_text(WSGI.format(name="Counting"))
    (tmp_path / "cases.toml").write_text(CASES)
    return tmp_path / "checkout"


@pytest.mark.timeout(600)
def test_the_table_of_a_made_up_checkout(made_up: Path, tmp_path: Path) -> None:
    before = sorted(path for path in made_up.rglob("*"))
    command = [
        sys.executable,
        str(PROGRAM),
        str(made_up),
        "--cases",
        str(tmp_path / "cases.toml"),
        "--jobs",
        "2",
    ]
    # The older package is stood in for by this one: what is looked at is the program, not the comparison.
    command += ["--venv", sys.prefix, "--reference-venv", sys.prefix]
    done = subprocess.run(command, capture_output=True, text=True, timeout=560, check=False)
    rows = {
        line.split()[0]: line for line in done.stdout.split("example ", 1)[-1].splitlines() if line.strip()
    }
    assert rows["good"].split() == ["good", "2.x", "ok", "ok", "yes"], done.stdout + done.stderr
    assert rows["broken"].split()[:5] == ["broken", "2.x", "no", "no", "-"], done.stdout
    assert "No module named 'no_such_package_anywhere'" in " ".join(done.stdout.split())
    assert "cases.toml has no input for it" in done.stdout
    assert "Of 3 examples 2 were run. 1 run to the end below `start`, 1 below gunicorn;" in done.stdout
    assert done.returncode == 1
    assert sorted(path for path in made_up.rglob("*")) == before, "the checkout is left as it was"


@pytest.mark.parametrize("keep", [False, True])
def test_it_ends_when_it_is_told_to(made_up: Path, tmp_path: Path, keep: bool) -> None:
    """The example's other ways are not begun, and nothing is left that is not to be kept."""
    model = made_up / "label_studio_ml" / "examples" / "good" / "model.py"
    model.write_text(f"import threading\nthreading.Event().wait()\n{GOOD}")
    command = [sys.executable, str(PROGRAM), str(made_up), "--cases", str(tmp_path / "cases.toml")]
    command += ["--only", "good", "--venv", sys.prefix, "--reference-venv", sys.prefix]
    program = subprocess.Popen(
        [*command, *(["--keep"] if keep else [])], env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    try:
        wait_until(lambda: any(tmp_path.glob("compatibility-*/good/start/log.txt")), "a backend is started")
        program.terminate()
        assert program.wait(120) == 143
    finally:
        program.kill()
        program.wait()
    logs = [log.parent.name for log in tmp_path.glob("compatibility-*/good/*/log.txt")]
    assert logs == (["start"] if keep else [])


def test_what_an_example_is(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "_wsgi.py").touch()
    (folder / "model.py").write_text("class M:\n    def fit(self, completions, workdir=None): ...\n")
    (example,) = Checkout(tmp_path).examples()
    assert (example.name, example.generation, example.trains) == ("old", "1.x", True)
    assert "_wsgi:app" in example.gunicorn_command
    (folder / "start.sh").write_text(
        "#!/bin/sh\nexec gunicorn --bind :$PORT --threads 4 model_wsgi:application\n"
    )
    assert Example("old", folder).gunicorn_command.split()[-3:] == [
        "--threads",
        "4",
        "model_wsgi:application",
    ]
    (folder / "model.py").write_text("class M:\n    def fit(self, event, data): ...\n")
    assert Example("old", folder).generation == "2.x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]\ntasks = [{}]", r"\[a\] needs label_config and tasks"),
        ("[a]\nlabel = 'x'", r"\[a\]: there is no field 'label'"),
        ("[a\n", "no TOML"),
        ("a = 1", r"\[a\] must be a table"),
        ("[a]\nlabel_config = 'x'\ntasks = [{}]\nannotations = [[], []]", "more annotations than tasks"),
    ],
)
def test_a_case_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "cases.toml").write_text(text)
    with pytest.raises(cases.InvalidCase, match=message):
        cases.load(tmp_path / "cases.toml")


def test_the_cases_that_are_there() -> None:
    known = cases.load()
    assert {"yolo", "flair", "spacy"} <= set(known)
    assert cases.filled({"a": ["{studio}/x{y}"]}, {"studio": "http://s"}) == {"a": ["http://s/x{y}"]}


def _record(results: Any, **changes: Any) -> Record:
    fields = {"version": "v1", "version_after": "v1", "predicted": [Prediction("before", 200, results)]}
    return Record(**{**fields, **changes})


def _region(name: str = "r1", **value: Any) -> dict[str, Any]:
    return {"id": name, "from_name": "c", "type": "choices", "value": {"choices": ["good"], **value}}


def test_results_are_compared_but_for_their_ids() -> None:
    left = [{"result": [_region("a"), {"from_id": "a", "to_id": "b"}], "score": 0.5}]
    right = [{"result": [_region("x"), {"from_id": "x", "to_id": "y"}], "score": 0.5, "model_version": "v1"}]
    assert compare.compare(_record(left), _record(right)).differences == []
    mixed = [{"result": [_region("x"), {"from_id": "y", "to_id": "x"}], "score": 0.5}]
    assert compare.compare(_record(left), _record(mixed)).differences == [
        "/predict before: results[0].result[1].from_id is 'id 2', not 'id 1'"
    ]
    assert compare.compare(_record(left), _record([{**right[0], "score": 0.75}])).differences == [
        "/predict before: results[0].score is 0.75, not 0.5"
    ]
    unscored = compare.compare(_record([{"result": [_region()]}]), _record(right[:1]))
    assert "a prediction without a score gets one" in unscored.improvements
    assert compare.compare(_record(left), _record([])).differences == ["/predict before: 0 results, not 1"]


def test_what_else_is_compared() -> None:
    one = [{"result": [_region()], "score": 0.5}]
    failed = [Prediction("before", 500, None, "500 it broke")]
    assert compare.compare(_record(one), _record(one, predicted=failed)).differences == [
        "/predict before: 500 it broke"
    ]
    better = compare.compare(_record(one, predicted=failed), _record(one))
    assert better.same
    assert "answers /predict before" in better.improvements[0]
    assert not compare.compare(_record(one), _record(one, version="v2")).same
    renamed = compare.compare(_record(one, version_after="v2"), _record(one, version_after="v3"))
    assert renamed.differences == ["/setup after the training: 'v3', not 'v2'"]
    older = _record(one, version_after=1700000000)
    assert compare.compare(older, _record(one, version_after="20261128-1")).same
    assert not compare.compare(older, _record(one)).same, "no new version"
    generated = _record(one, version_after="6fb78c97")
    assert compare.compare(generated, _record(one, version_after="18671461")).same
    ok, broken = Training("START_TRAINING", 201, "ok"), Training("START_TRAINING", 201, "failed", "KeyError")
    worse = compare.compare(_record(one, trainings=[ok]), _record(one, trainings=[broken]))
    assert worse.differences == ["START_TRAINING: the training failed: KeyError"]
    both = compare.compare(_record(one, trainings=[broken]), _record(one, trainings=[broken]))
    assert both.improvements == ["the training on START_TRAINING fails on either: KeyError"]
    assert both.same
    unanswered = compare.compare(_record(one, predicted=failed), _record(one, predicted=failed))
    assert "/predict before fails on either: 500 it broke" in unanswered.improvements
    trained = _record(
        one,
        trainings=[ok],
        version_after="v2",
        predicted=[Prediction("before", 200, one), Prediction("after the training", 200, [])],
    )
    untrained = _record(
        one,
        trainings=[broken],
        predicted=[Prediction("before", 200, one), Prediction("after the training", 200, one)],
    )
    assert compare.compare(untrained, trained).improvements == [
        "trains on START_TRAINING, where it failed: KeyError"
    ]
    assert compare.compare(untrained, trained).same
    assert compare.compare(_record([]), _record([])).improvements == ["predicts nothing on either"]


def test_the_table_goes_into_the_document(tmp_path: Path) -> None:
    file = tmp_path / "doc.md"
    file.write_text("# Title\n\nBefore.\n")
    rows = [
        table.Row("one", "2.x", "ok", "ok", "yes", ["a|b"]),
        table.Row("two", "2.x", notes=["not run: no"]),
    ]
    for _ in range(2):
        table.write_into(file, "2.x", table.as_markdown(rows, "Caption."))
    text = file.read_text()
    assert text.startswith("# Title\n\nBefore.\n")
    assert text.count("| one | 2.x | ok | ok | yes | a\\|b |") == 1
    assert "Of 2 examples 1 were run." in text
    assert "1 of the 1 that could be compared answer as on the older package" in text
    rows = table.merged(file, "2.x", [table.Row("two", "2.x", "ok", "no", "no", ["x < y"])])
    assert [row.cells for row in rows] == [
        ("one", "2.x", "ok", "ok", "yes", "a|b"),
        ("two", "2.x", "ok", "no", "no", "x < y"),
    ]
    table.write_into(file, "2.x", table.as_markdown(rows, "Caption."))
    assert [row.cells for row in table.merged(file, "2.x", [])] == [row.cells for row in rows]
    assert [row.example for row in table.merged(file, "1.x", [])] == []


CASE = cases.Case(
    "<View/>", ({"text": "one"},), annotations=(({"type": "choices", "value": {"choices": ["bad"]}},),)
)


class Answers:
    """A named fake of a backend that trains. With `older`, it answers as release 1.0.9 does."""

    def __init__(self, server: FakeServer, *, older: bool = False) -> None:
        self.events: list[dict[str, Any]] = []
        self.older = older
        self.version: Any = "v0"
        for path in ("/", "/health"):
            server.on(path, Reply.of({"status": "UP", "model_class": "M"}))
        server.on("/setup", lambda _: Reply.of({"model_version": self.version}))
        server.on("/predict", Reply.of({"results": [{"result": []}]}))
        server.on("/webhook", self._webhook)
        server.on("/jobs", Reply.of({"jobs": [{"job": "late"}]}))
        server.on("/jobs/one", lambda _: self._job("finished", model_version="v1"))
        server.on("/jobs/late", lambda _: self._job("failed", error="it broke"))

    def _webhook(self, asked: Asked) -> Reply:
        self.events.append(json.loads(asked.body))
        if self.older:
            self.version = len(self.events)
            return Reply.of({"job_id": self.version}, 201)
        return Reply.of({"job": "one" if len(self.events) == 1 else None}, 201)

    def _job(self, state: str, **fields: Any) -> Reply:
        self.version = fields.get("model_version", self.version)
        return Reply.of({"job_status": state, **fields})


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[FakeServer]:
    (tmp_path / "log.txt").write_text("line\nKeyError: 'annotation'\nlast line\n")
    server = FakeServer()
    yield server
    server.stop()


def _session(server: FakeServer, tmp_path: Path) -> Record:
    running = Backend(server.port, cast("Any", None), tmp_path / "log.txt")
    with studio.StudioStandIn(CASE) as stand_in:
        return Session(running, stand_in).run(trains=True)


def test_trainings_are_followed(backend: FakeServer, tmp_path: Path) -> None:
    answers = Answers(backend)
    record = _session(backend, tmp_path)
    assert [event["action"] for event in answers.events] == ["ANNOTATION_CREATED", "START_TRAINING"]
    assert answers.events[0]["annotation"]["result"][0]["value"] == {"choices": ["bad"]}
    # The second event waited on the disk of the backend: its job is found in the list.
    assert record.trainings == [
        Training("ANNOTATION_CREATED", 201, "ok"),
        Training("START_TRAINING", 201, "failed", "it broke"),
    ]
    assert (record.version, record.version_after) == ("v0", "v1")
    assert [prediction.step for prediction in record.predicted] == ["before", "after the training"]


def test_trainings_of_the_first_generation_are_followed(backend: FakeServer, tmp_path: Path) -> None:
    Answers(backend, older=True)
    record = _session(backend, tmp_path)
    assert [training.ended for training in record.trainings] == ["ok", "ok"]
    assert (record.version, record.version_after) == ("v0", 2)


def test_contexts_are_sent_in_order_and_take_texts_of_answers(backend: FakeServer, tmp_path: Path) -> None:
    contexts: list[Any] = []

    def predict(asked: Asked) -> Reply:
        contexts.append(json.loads(asked.body)["params"]["context"])
        region = {"type": "track_started", "value": {"session_id": f"s{len(contexts)}", "frames": [1]}}
        return Reply.of({"results": [{"result": [region]}]})

    Answers(backend)
    backend.on("/predict", predict)
    events = ({"event": "track"}, {"event": "progress", "session_id": "{answer.session_id}"})
    case = cases.Case("<View/>", ({"text": "one"},), contexts=events)
    running = Backend(backend.port, cast("Any", None), tmp_path / "log.txt")
    with studio.StudioStandIn(case) as stand_in:
        record = Session(running, stand_in).run(trains=False)
    assert contexts == [None, {"event": "track"}, {"event": "progress", "session_id": "s2"}]
    assert [prediction.step for prediction in record.predicted] == [
        "before",
        "before, context 1 (track)",
        "before, context 2 (progress)",
    ]


def test_uploaded_files_are_given_to_who_is_logged_in() -> None:
    with studio.StudioStandIn(CASE) as server:
        address = f"{server.url}/data/upload/1/image.png"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(address, timeout=60)
        request = urllib.request.Request(address, headers={"Authorization": f"Token {studio.TOKEN}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.read() == studio.png()


def test_a_request_without_an_answer_is_named(backend: FakeServer, tmp_path: Path) -> None:
    Answers(backend)
    backend.on("/setup", Reply.of({"detail": "no"}, 500))
    with pytest.raises(BackendFailed, match=r"/setup: 500 .*KeyError: 'annotation'"):
        _session(backend, tmp_path)


@pytest.mark.parametrize(
    ("name", "reference", "remark"),
    [
        ("test_api.test_predict", None, "on purpose: tasks that are no list"),
        ("test_api.test_predict_twice", None, None),
        ("test_unit_model.test_preload_task_data[this is a text]", None, "on purpose: a text"),
        ("test_api.test_other", own_tests.Outcome("", "passed"), None),
        (
            "test_api.test_other",
            own_tests.Outcome("", "failed", "no port"),
            "fails on the older package, too: no port",
        ),
    ],
)
def test_which_failures_are_ours(name: str, reference: own_tests.Outcome | None, remark: str | None) -> None:
    found = own_tests._remark(own_tests.Outcome(name, "failed"), reference)
    assert (found or "").startswith(remark or "")
    assert (found is None) == (remark is None)


def test_the_stand_in_for_label_studio() -> None:
    case = cases.Case("<View/>", ({"image": "{studio}/files/image.png"},) * 3, annotations=((),) * 3)
    with studio.StudioStandIn(case, annotated=2) as server:

        def get(path: str) -> Any:
            with urllib.request.urlopen(f"{server.url}{path}", timeout=60) as answer:
                return json.loads(answer.read())

        query = json.dumps({"filters": {"items": [{"filter": "filter:tasks:completed_at", "value": False}]}})
        page = f"/api/tasks?project=1&query={urllib.parse.quote(query)}"
        assert [task["id"] for task in get(page)["tasks"]] == [1, 2]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(f"{page}&page=2")
        assert get("/api/projects/1/")["num_tasks_with_annotations"] == 2
        assert get("/api/tasks/3")["data"]["image"] == f"{server.url}/files/image.png"
        assert server.unknown == [f"GET {page}&page=2"]


def test_the_generation_of_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "label_studio_ml"
    package.mkdir()
    (package / "model.py").touch()
    assert (Checkout(tmp_path).generation, Checkout(tmp_path).commit) == ("1.x", "unknown commit")
    (package / "response.py").touch()
    (tmp_path / "COMMIT").write_text("abc of a day\n")
    assert (Checkout(tmp_path).generation, Checkout(tmp_path).commit) == ("2.x", "abc of a day")
    assert Checkout(tmp_path).own_tests is None

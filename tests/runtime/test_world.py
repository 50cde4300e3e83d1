"""The world that user code runs in: its folder, what it imports, what it prints, and how what it starts ends."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from e2e.backend import CLI, Backend, clean_environment
from e2e.processes import wait_until
from live import CONFIG, TOKEN, FakeStudio, Live, alive, start_training, uid

WHERE = """\
import os
import redis
from label_studio_ml.model import LabelStudioMLBase


class Mine(LabelStudioMLBase):
    def __init__(self, checkpoint_file=None, **kwargs):
        super().__init__(**kwargs)
        self.weights = open(checkpoint_file).read()

    def predict(self, tasks, **kwargs):
        return [{"result": [], "here": os.getcwd(), "weights": self.weights, "redis": redis.word} for _ in tasks]

    def fit(self, annotations, workdir="", **kwargs):
        return {"here": os.getcwd(), "weights": self.weights, "redis": redis.word}
"""


@pytest.fixture
def make_model(tmp_path: Path, studio: FakeStudio) -> Iterator[Callable[..., Live]]:
    """Make a backend of a model file's text; it is started in the folder above it and leaves nothing behind."""
    lives: list[Live] = []

    def prepare(text: str, *arguments: str, **env: str) -> Live:
        folder = tmp_path / "be"
        folder.mkdir()
        (folder / "model.py").write_text(text)
        backend = Backend(folder, tmp_path / "be.log", arguments=arguments, env=env)
        lives.append(Live(backend, studio, tmp_path / "control"))
        return lives[-1]

    yield prepare
    for live in lives:
        assert not live.backend.stop()


def trained(live: Live, project: int) -> dict[str, Any]:
    """Train a project and return what `fit` returned."""
    job = live.send(start_training(project))
    done = live.wait(job)
    assert done["job_status"] == "finished", done
    return dict(done)


def test_all_processes_stand_where_the_command_was_started_and_import_what_is_ours(
    make_model: Callable[..., Live], tmp_path: Path
) -> None:
    """The folder also has what is imported first where `python -m` is used, and the model's has a `redis.py`."""
    live = make_model(WHERE, "--with", "checkpoint_file=m.pth")
    (tmp_path / "m.pth").write_text("weights")
    for name in ("label_studio_ml/__init__", "redis", "rq", "msgspec"):
        for folder in (tmp_path, live.folder):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / f"{name}.py").write_text("raise RuntimeError('not this one')")
    (live.folder / "redis.py").write_text("word = 'my own'")
    checked = subprocess.run(
        [*CLI, "start", "be", "--check", "--with", "checkpoint_file=m.pth"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert checked.stdout.startswith("OK: Mine of "), checked.stderr
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    expected = {"here": str(tmp_path), "weights": "weights", "redis": "my own"}
    assert live.predict(1).items() >= expected.items()
    done = trained(live, 1)
    [manifest] = (live.model_dir / "versions").glob("*/*/manifest.json")
    assert done["model_version"]
    for name, value in expected.items():
        assert f'"{name}":"{value}"' in manifest.read_text().replace('": ', '":')


IMPORTS = """\
from label_studio_ml.model import LabelStudioMLBase
from helpers.words import word


class Mine(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        return [{"result": [], "word": word} for _ in tasks]

    def fit(self, annotations, workdir="", **kwargs):
        return {"word": word}
"""


def test_a_model_file_below_the_folder_imports_from_the_folder(make_model: Callable[..., Live]) -> None:
    """As its `_wsgi.py` does when it is run."""
    live = make_model(IMPORTS)
    for place in ("src", "helpers"):
        (live.folder / place).mkdir()
    (live.folder / "model.py").rename(live.folder / "src" / "model.py")
    (live.folder / "helpers" / "words.py").write_text("word = 'found'")
    (live.folder / "_wsgi.py").write_text(
        "from label_studio_ml.api import init_app\nfrom src.model import Mine\napp = init_app(model_class=Mine)\n"
    )
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    assert live.predict(1)["word"] == "found"
    trained(live, 1)


STARTS = """\
import asyncio, json, logging, multiprocessing, os, signal, sqlite3, subprocess, sys, threading, time
from label_studio_ml.model import LabelStudioMLBase


async def answer():
    return "from the loop"


class Mine(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.database = sqlite3.connect(":memory:")
        self.local = threading.local()
        self.local.value = "made by the constructor"
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.pools = []

    def predict(self, tasks, **kwargs):
        return [{"result": [], "said": getattr(self, task["data"]["text"])()} for task in tasks]

    def fit(self, annotations, workdir="", **kwargs):
        sleeper = subprocess.Popen(["sleep", "600"])
        sleeper.send_signal(signal.SIGINT)
        return {"status": sleeper.wait(60)}

    def bound_to_the_thread(self):
        row = self.database.execute("select 'from the database'").fetchone()
        return [*row, self.local.value, asyncio.get_event_loop().run_until_complete(answer())]

    def children(self):
        with multiprocessing.Pool(2) as pool:
            squares = pool.map(abs, [-1, -2, -3])
        sleeper = subprocess.Popen(["sleep", "600"])
        sleeper.terminate()
        return [squares, sleeper.wait(60)]

    def leave(self):
        pool = multiprocessing.Pool(1)
        self.pools.append(pool)
        deaf = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
        own_session = subprocess.Popen(deaf, start_new_session=True)
        shell = subprocess.run(["sh", "-c", "sleep 600 >&2 & echo $!"], capture_output=False, stdout=subprocess.PIPE)
        return [pool.apply(os.getpid), own_session.pid, int(shell.stdout)]

    def speak(self):
        print("1 printed")
        logging.getLogger("mine").warning("2 logged")
        print("3 to standard error", file=sys.stderr)
        subprocess.run(["echo", "4 by a program"])
        os.write(1, b"5 by C code\\n")
        print("a bar 1%\\ra bar 50%\\r6 a bar 100%")
        print("7 äöü", end="\\n")
        return os.getpid()

    def hold(self):
        print("before the gate")
        while os.path.exists("gate"):
            time.sleep(0.01)
        return "held"
"""


def ask(live: Live, what: str) -> Any:
    """Let `predict` do something; return what came of it."""
    body = {"tasks": [{"id": 1, "data": {"text": what}}], "project": uid(1), "label_config": CONFIG}
    answer = live.post("/predict", body)
    assert answer.status_code == 200, answer.text
    [entry] = answer.json()["results"]
    return entry["said"]


def test_predict_runs_in_the_thread_of_the_constructor_and_ends_what_it_starts(
    make_model: Callable[..., Live],
) -> None:
    live = make_model(STARTS)
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    mine = ["from the database", "made by the constructor", "from the loop"]
    assert ask(live, "bound_to_the_thread") == mine
    assert ask(live, "children") == [[1, 2, 3], -signal.SIGTERM]
    done = trained(live, 1)  # a second model beside the first one
    wait_until(lambda: live.setup(1) == done["model_version"], "the new version is served")
    assert ask(live, "bound_to_the_thread") == mine
    assert ask(live, "children") == [[1, 2, 3], -signal.SIGTERM]
    [manifest] = (live.model_dir / "versions").glob("*/*/manifest.json")
    assert json.loads(manifest.read_text())["train_output"]["status"] == -signal.SIGINT


@pytest.mark.parametrize("end", ["stop the server", "kill the server", "kill the model process"])
def test_nothing_that_predict_started_outlives_it(make_model: Callable[..., Live], end: str) -> None:
    live = make_model(STARTS)
    live.backend.start()
    live.setup(1)
    left = ask(live, "leave")
    assert [alive(pid) for pid in left] == [True, True, True]
    program = live.backend.program
    assert program is not None
    if end == "stop the server":
        assert live.backend.stop() == []
    elif end == "kill the server":
        os.kill(program.process.pid, signal.SIGKILL)
    else:
        os.kill(ask(live, "speak"), signal.SIGKILL)
    wait_until(lambda: not any(alive(pid) for pid in left), "they have ended")


def test_what_predict_prints_is_in_the_log_and_on_the_terminal_in_its_order(
    make_model: Callable[..., Live], tmp_path: Path
) -> None:
    live = make_model(STARTS)
    live.backend.start()
    live.setup(1)
    ask(live, "speak")
    log = live.folder / "logs" / "server.log"
    said = [
        "1 printed",
        "2 logged",
        "3 to standard error",
        "4 by a program",
        "5 by C code",
        "6 a bar 100%",
        "7 äöü",
    ]

    def lines(text: str) -> list[str]:
        ends = [line.rpartition("] ")[2].rpartition("\r")[2] for line in text.splitlines()]
        return [line for line in ends if line[:2] in {word[:2] for word in said}]

    wait_until(lambda: "7 äöü" in log.read_text(), "all is in the log")
    assert lines(log.read_text()) == said
    assert lines(live.backend.output().replace("\r", "\n")) == said
    (tmp_path / "gate").touch()
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(ask, live, "hold")
        try:
            wait_until(lambda: "before the gate\n" in log.read_text(), "a line is there at once")
        finally:
            (tmp_path / "gate").unlink()
        assert held.result() == "held"


def test_json_logs_hold_what_is_printed_as_records(make_model: Callable[..., Live]) -> None:
    live = make_model(STARTS, LOG_FORMAT="json")
    live.backend.start()
    live.setup(1)
    pid = ask(live, "speak")
    log = live.folder / "logs" / "server.log"
    wait_until(lambda: "7 äöü" in log.read_text(), "all is in the log")
    records = {record["message"]: record for record in map(json.loads, log.read_text().splitlines())}
    assert records["1 printed"]["logger"] == records["5 by C code"]["logger"] == "output"
    assert (records["2 logged"]["logger"], records["2 logged"]["process"]) == ("mine", pid)


FORKS = """\
import os, sys
from label_studio_ml.model import LabelStudioMLBase


def status_of(work):
    child = os.fork()
    if child == 0:
        work()
        return None
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fails():
    raise ValueError("in the child")


class Mine(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        with open("calls", "a") as calls:
            calls.write(f"{len(tasks)}\\n")
        statuses = [status_of(work) for work in (lambda: sys.exit(7), sys.exit, fails)]
        if None in statuses:
            raise RuntimeError("a child came here")
        if (returned := status_of(lambda: None)) is None:
            return []
        return [{"result": [], "said": [*statuses, returned]} for _ in tasks]

    def fit(self, annotations, workdir="", **kwargs):
        return {"status": status_of(lambda: sys.exit(7))}
"""


def test_a_child_that_user_code_forks_ends_where_that_code_ends(
    make_model: Callable[..., Live], tmp_path: Path
) -> None:
    """It does not answer in the place of its parent, nor call `predict` again."""
    live = make_model(FORKS)
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    body = {"tasks": [{"id": 1}, {"id": 2}], "project": uid(1), "label_config": CONFIG}
    answer = live.post("/predict", body)
    assert answer.status_code == 200, answer.text
    assert [entry["said"] for entry in answer.json()["results"]] == [[7, 0, 1, 0]] * 2
    assert (tmp_path / "calls").read_text() == "2\n"
    wait_until(
        lambda: "ValueError: in the child" in live.backend.output(), "the child's traceback is printed"
    )
    trained(live, 1)
    [manifest] = (live.model_dir / "versions").glob("*/*/manifest.json")
    assert json.loads(manifest.read_text())["train_output"]["status"] == 7


READS_SETUP = """\
from label_studio_ml.model import LabelStudioMLBase

SAID = {}


class Mine(LabelStudioMLBase):
    def setup(self):
        from flask import has_request_context, request

        if has_request_context():
            SAID.update(request.get_json(silent=True) or {})

    def predict(self, tasks, **kwargs):
        return [{"result": [], "said": dict(SAID)} for _ in tasks]
"""


@pytest.mark.parametrize("token", [TOKEN, "another-token"])
def test_setup_reads_the_body_of_the_last_setup_request(make_model: Callable[..., Live], token: str) -> None:
    """The interactive video example of the event generation learns Label Studio's address and a token so."""
    live = make_model(READS_SETUP)
    live.backend.start()
    live.setup(1)
    body = {
        "project": uid(1),
        "schema": CONFIG,
        "hostname": live.studio.url,
        "access_token": token,
        "extra_params": {"threshold": 0.5},
    }
    assert live.post("/setup", body).status_code == 200

    def is_known() -> bool:
        return bool(live.predict(1)["said"].get("access_token") == token)

    wait_until(is_known, "the model has the later token")
    assert live.predict(1)["said"] == body


PARSES = """\
import argparse, sys
import code
from label_studio_ml.model import LabelStudioMLBase

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.5)
RATE = parser.parse_args().rate


class Mine(LabelStudioMLBase):
    def setup(self):
        import flask

        self.project = flask.request.get_json()["project"]

    def predict(self, tasks, **kwargs):
        return [{"result": [], "said": [RATE, code.word, self.project, len(sys.argv)]} for _ in tasks]

    def fit(self, annotations, **kwargs):
        return {"said": [RATE, code.word]}
"""


def test_arguments_of_our_processes_are_not_the_users_and_a_code_py_is(
    make_model: Callable[..., Live],
) -> None:
    """Flask, which the class makes us use, has a use for the standard module `code`, and for `socketserver`."""
    live = make_model(PARSES)
    (live.folder / "code.py").write_text("word = 'mine'")
    (live.folder / "socketserver.py").write_text("raise RuntimeError('not this one')")
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    assert live.predict(1)["said"] == [0.5, "mine", uid(1), 1]
    trained(live, 1)

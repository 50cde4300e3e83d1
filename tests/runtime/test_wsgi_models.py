"""Models below gunicorn and other WSGI servers: what a version's name promises is what answers."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from e2e.processes import wait_until
from live import CONFIG, Live, created, start_training, uid

from .gunicorn_server import start_gunicorn, start_program

Make = Callable[..., Live]

PLAIN = """
from label_studio_ml.api import init_app
from globals_model import Globals

app = init_app(model_class=Globals{arguments})
"""


def _answered(live: Live, data: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the prediction that one request gets, on a connection of its own."""
    body = {
        "tasks": [{"id": 1, "data": data or {"text": "x"}}],
        "project": uid(1),
        "label_config": CONFIG,
        "params": {"context": {"result": []}},
    }
    answer = requests.post(
        f"{live.backend.url}/predict", json=body, timeout=90, headers={"Connection": "close"}
    )
    assert answer.status_code == 200, answer.text
    (entry,) = answer.json()["results"]
    return dict(entry)


def _train(live: Live, number: int) -> dict[str, Any]:
    done = live.wait(live.send(created(1, number)))
    assert done["job_status"] == "finished", done
    return done


@pytest.mark.parametrize("options", [("--preload",), pytest.param((), marks=pytest.mark.soak)])
def test_the_name_of_a_version_is_that_of_the_weights_that_answer(
    make: Make, options: tuple[str, ...]
) -> None:
    live = make("globals_model")
    start_gunicorn(live, PLAIN.format(arguments=""), *options, workers=2)
    assert live.setup(1) == "0.0.1"
    expected = {"0.0.1": "untrained"} | {f"2.0.{n}": f"weights {n} of small" for n in (1, 2)}
    assert _answered(live)["seen"]["weights"] == "untrained"
    for number in (1, 2):
        assert _train(live, number)["model_version"] == f"2.0.{number}"
        latest: dict[int, str] = {}

        def served(version: str = f"2.0.{number}", latest: dict[int, str] = latest) -> bool:
            with ThreadPoolExecutor(6) as threads:
                for entry in threads.map(lambda _: _answered(live), range(6)):
                    assert entry["seen"]["weights"] == expected[entry["model_version"]]
                    latest[entry["seen"]["pid"]] = entry["model_version"]
            return list(latest.values()).count(version) >= 2

        wait_until(served, f"both workers serve version {number}")


def test_constructor_arguments_reach_prediction_and_training(make: Make) -> None:
    live = make("globals_model")
    start_gunicorn(live, PLAIN.format(arguments=", size='large'"))
    live.setup(1)
    assert _answered(live)["seen"]["size"] == "large"
    version = _train(live, 1)["model_version"]
    entry = live.wait_served(1, lambda entry: bool(entry["model_version"] == version))
    assert entry["seen"]["weights"] == "weights 1 of large"


def test_an_argument_that_json_cannot_hold_keeps_the_model_in_the_process_and_refuses_trainings(
    make: Make,
) -> None:
    live = make("globals_model")
    start_gunicorn(live, PLAIN.format(arguments=", size={1, 2}"))
    live.setup(1)
    body = {"tasks": [{"id": 1, "data": {"text": "x"}}], "project": uid(1), "label_config": CONFIG}
    answer = live.post("/predict", body)
    assert answer.status_code == 200, answer.text
    refused = live.post("/webhook", start_training(1))
    assert refused.status_code == 500
    assert "the constructor argument size (set)" in refused.json()["detail"]
    assert "is not trained: JSON cannot hold" in live.backend.output()
    assert not (live.model_dir / "broker").exists()


def test_a_class_made_in_a_function_runs_in_the_process_and_says_that_it_is_not_trained(make: Make) -> None:
    live = make("globals_model")
    wsgi = PLAIN.replace(
        "app = init_app", "def made():\n    class Inner(Globals): ...\n    return Inner\n\napp = init_app"
    )
    start_gunicorn(live, wsgi.replace("model_class=Globals{arguments}", "model_class=made()"))
    live.setup(1)
    assert live.predict(1)["seen"]["weights"] == "untrained"
    refused = live.post("/webhook", start_training(1))
    assert refused.status_code == 500
    assert "has no Inner at its top level" in refused.json()["detail"]


def test_a_program_that_defines_its_class_keeps_the_old_name_with_the_old_weights(make: Make) -> None:
    live = make("globals_model")
    program = (live.folder / "globals_model.py").read_text() + (
        "\n\nif __name__ == '__main__':\n"
        "    from label_studio_ml.api import init_app\n"
        "    from werkzeug.serving import run_simple\n"
        f"    run_simple('127.0.0.1', {live.backend.port}, init_app(model_class=Globals), threaded=True)\n"
    )
    (live.folder / "program.py").write_text(program)
    start_program(live, [sys.executable, "program.py"])
    live.setup(1)
    assert _answered(live)["model_version"] == "0.0.1"
    assert _train(live, 1)["model_version"] == "2.0.1"
    told = "version 2.0.1 is served after a restart only"
    wait_until(lambda: told in live.backend.output(), "it says that a restart is needed")
    entry = _answered(live)
    assert (entry["model_version"], entry["seen"]["weights"]) == ("0.0.1", "untrained")
    assert live.setup(1) == "0.0.1"
    live.backend.stop()
    start_program(live, [sys.executable, "program.py"])
    entry = _answered(live)
    assert (entry["model_version"], entry["seen"]["weights"]) == ("2.0.1", "weights 1 of small")


def test_debugging_imports_the_model_afresh_for_a_new_version(make: Make) -> None:
    live = make("globals_model", env={"LABEL_STUDIO_ML_CLASS": "Globals"}, arguments=["--debug"])
    live.backend.start()
    wait_until(lambda: live.setup(1) == "0.0.1", "the class is known")
    before = _answered(live)
    assert (before["model_version"], before["seen"]["weights"]) == ("0.0.1", "untrained")
    assert _train(live, 1)["model_version"] == "2.0.1"
    entry = live.wait_served(1, lambda entry: bool(entry["model_version"] == "2.0.1"))
    assert (entry["seen"]["weights"], entry["seen"]["pid"]) == ("weights 1 of small", before["seen"]["pid"])


def _most_at_a_time(live: Live, name: str, meet: int) -> list[dict[str, Any]]:
    """Send three interactive requests at once to class `name`, each of which waits for `meet` calls in `predict`."""
    start_gunicorn(live, PLAIN.format(arguments="").replace("Globals", name), threads=4)
    return _asked_at_once(live, meet)


def _asked_at_once(live: Live, meet: int) -> list[dict[str, Any]]:
    live.setup(1)
    with ThreadPoolExecutor(3) as threads:
        return [entry["seen"] for entry in threads.map(lambda _: _answered(live, {"meet": meet}), range(3))]


def test_the_threads_of_gunicorn_are_the_calls_that_run_at_a_time(make: Make) -> None:
    seen = _most_at_a_time(make("globals_model"), "Meeting", meet=3)
    assert all(entry["met"] for entry in seen)


def test_a_class_that_says_one_call_at_a_time_gets_one(make: Make) -> None:
    seen = _most_at_a_time(make("globals_model"), "Alone", meet=1)
    assert {entry["most"] for entry in seen} == {1}


def test_start_takes_a_number_of_threads(make: Make) -> None:
    live = make("globals_model", env={"LABEL_STUDIO_ML_CLASS": "Meeting"}, arguments=["--threads", "3"])
    live.backend.start()
    assert all(entry["met"] for entry in _asked_at_once(live, meet=3))


#: As the `init` of release 1.0.9 wrote it.
OLD_WSGI = """
import os
import argparse
import logging
import logging.config

from label_studio_ml.api import init_app
from seed_model import Counter

_DEFAULT_CONFIG_PATH = os.path.join(os.path.dirname(__file__), 'config.json')

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description='Label studio')
    parser.add_argument('-p', '--port', dest='port', type=int, default=9090)
    parser.add_argument('--host', dest='host', type=str, default='0.0.0.0')
    parser.add_argument('--model-dir', dest='model_dir', default=os.path.dirname(__file__))
    args = parser.parse_args()
    app = init_app(
        model_class=Counter,
        model_dir=os.environ.get('MODEL_DIR', args.model_dir),
        redis_queue=os.environ.get('RQ_QUEUE_NAME', 'default'),
        redis_host=os.environ.get('REDIS_HOST', 'localhost'),
        redis_port=os.environ.get('REDIS_PORT', 6379),
    )
    app.run(host=args.host, port=args.port, debug=False)
else:
    app = init_app(
        model_class=Counter,
        model_dir=os.environ.get('MODEL_DIR', os.path.dirname(__file__)),
        redis_queue=os.environ.get('RQ_QUEUE_NAME', 'default'),
        redis_host=os.environ.get('REDIS_HOST', 'localhost'),
        redis_port=os.environ.get('REDIS_PORT', 6379),
    )
"""


@pytest.mark.parametrize("server", ["gunicorn", pytest.param("python", marks=pytest.mark.soak)])
def test_a_folder_of_release_1_0_9_trains_without_a_redis(make: Make, server: str) -> None:
    live = make("seed_model")
    live.studio.add(1, 11, 12)
    if server == "gunicorn":
        start_gunicorn(live, OLD_WSGI, "--preload")
    else:
        (live.folder / "_wsgi.py").write_text(OLD_WSGI)
        words = ["--host", "127.0.0.1", "--port", str(live.backend.port)]
        start_program(live, [sys.executable, "_wsgi.py", *words])
    live.setup(1)
    done = live.wait(live.send(start_training(1)))
    assert (done["job_status"], done.get("error")) == ("finished", None)
    entry = live.wait_served(1, lambda entry: bool(entry["model_version"] == done["model_version"]))
    assert entry["seen"]["weights"] == "2 tasks"
    assert (live.folder / "data" / "versions").is_dir(), "where `start` keeps them"


def test_a_training_that_no_redis_took_is_no_success(make: Make) -> None:
    live = make("seed_model", env={"REDIS_URL": "redis://127.0.0.1:1/0"})
    live.studio.add(1, 11)
    start_gunicorn(live, OLD_WSGI)
    live.setup(1)
    answer = live.post("/webhook", start_training(1))
    assert answer.status_code == 503
    assert "The training waits on this server's disk" in answer.json()["detail"]
    assert len(list((live.model_dir / "spool").glob("*.json"))) == 1
    kept = live.post("/webhook", created(1, 11))
    assert (kept.status_code, kept.json()["status"], kept.json()["job"]) == (201, "kept", None)


def test_start_takes_arguments_and_environment_of_the_wsgi_file_to_prediction_and_training(
    make: Make,
) -> None:
    live = make("globals_model", env={"LABEL_STUDIO_ML_CLASS": "Globals"})
    wsgi = "import os\nos.environ['SIZE'] = 'huge'\n" + PLAIN.format(arguments=", size=os.environ['SIZE']")
    (live.folder / "_wsgi.py").write_text(wsgi)
    live.backend.start()
    wait_until(lambda: live.setup(1) == "0.0.1", "the class is known")
    assert _answered(live)["seen"]["size"] == "huge"
    version = _train(live, 1)["model_version"]
    entry = live.wait_served(1, lambda entry: bool(entry["model_version"] == version))
    assert entry["seen"]["weights"] == "weights 1 of huge"


def test_what_a_model_logs_and_raises_is_on_standard_output_below_gunicorn(make: Make) -> None:
    live = make("seed_model", env={"LABEL_STUDIO_ML_CLASS": "Counter"})
    wsgi = PLAIN.format(arguments="").replace("globals_model", "seed_model").replace("Globals", "Counter")
    (live.folder / "_wsgi.py").write_text(wsgi)
    errors = live.folder / "stderr.txt"
    bind = f"127.0.0.1:{live.backend.port}"
    shell = f'exec "{sys.executable}" -m gunicorn --bind {bind} _wsgi:app 2>stderr.txt'
    start_program(live, ["sh", "-c", shell])
    live.setup(1)
    _answered(live, {"text": "x", "log": True})
    wait_until(lambda: "logged by predict" in live.backend.output(), "standard output has the line")
    body = {"tasks": [{"id": 1}], "project": uid(1), "label_config": CONFIG}
    assert live.post("/predict", body).status_code == 500
    wait_until(lambda: "KeyError: 'data'" in live.backend.output(), "standard output has the cause")
    assert "logged by predict" not in errors.read_text()

"""Parameters of a class in a running backend: in Label Studio's calls, in every model process, in trainings."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from e2e.processes import wait_until
from live import CONFIG, TOKEN, FakeStudio, Live, make_live, start_training, uid

WRONG = (
    "threshold must be a number from 0 to 1, not 1.5 (extra params in Label Studio). Correct the extra params"
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, studio: FakeStudio) -> Iterator[Live]:
    live = make_live(
        tmp_path_factory.mktemp("params") / "backend",
        studio,
        "param_model",
        env={"RATE": "0.3"},
        arguments=("--model-workers", "2", "--with", "labels=a,b", "threshold=0.6"),
    )
    live.backend.start()
    yield live
    assert not live.backend.stop()


def _setup(live: Live, project: int, extra_params: Any, agent: str = "tests") -> requests.Response:
    body = {
        "project": uid(project),
        "schema": CONFIG,
        "hostname": live.studio.url,
        "access_token": TOKEN,
        "extra_params": extra_params,
    }
    headers = {"User-Agent": agent}
    return requests.post(f"{live.backend.url}/setup", json=body, headers=headers, timeout=90)


def _values(live: Live, project: int, count: int = 12) -> list[dict[str, Any]]:
    """Return the values that the model has in some predictions at a time, which several processes answer."""
    with ThreadPoolExecutor(count) as threads:
        return [entry["values"] for entry in threads.map(lambda _: live.predict(project), range(count))]


def _agree(live: Live, project: int, **expected: Any) -> None:
    """See that both model processes have the expected values."""
    wait_until(lambda: _values(live, project, 1)[0]["threshold"] == expected["threshold"], "they are loaded")
    pids: set[int] = set()

    def both() -> bool:
        for values in _values(live, project):
            assert {name: values[name] for name in expected} == expected
            pids.add(values["pid"])
        return len(pids) == 2

    wait_until(both, "both processes have answered", every=0)


def _refused(live: Live, project: int, extra_params: Any, former: Any) -> requests.Response:
    """Return the refusal of wrong extra params; if the machine is too busy, send the former ones and try again."""

    def refusal() -> list[requests.Response]:
        answer = _setup(live, project, extra_params)
        if answer.status_code == 400:
            return [answer]
        _setup(live, project, former)
        return []

    return wait_until(refusal, "wrong extra params are refused")[0]


def test_values_come_from_label_studio_the_command_line_and_the_environment(live: Live) -> None:
    assert _setup(live, 1, None).status_code == 200
    _agree(live, 1, threshold=0.6, labels=["a", "b"], rate=0.3)
    assert _setup(live, 1, '{"threshold": 0.8}').status_code == 200
    _agree(live, 1, threshold=0.8, labels=["a", "b"], rate=0.3)
    assert _setup(live, 2, {"labels": ["z"], "rate": 2}).status_code == 200
    _agree(live, 2, threshold=0.6, labels=["z"], rate=2.0)
    _agree(live, 1, threshold=0.8, labels=["a", "b"], rate=0.3)


def test_wrong_values_are_the_answer_to_setup_and_are_not_kept(live: Live) -> None:
    refused = _refused(live, 3, {"threshold": 1.5}, {"threshold": 1.5})
    assert refused.json()["field"] == "threshold"
    assert WRONG in refused.json()["detail"]
    prediction = live.post("/predict", {"tasks": [{"id": 1, "data": {}}], "project": uid(3), "params": None})
    assert prediction.status_code == 400, "no model was built with it"

    assert _setup(live, 3, {"threshold": 0.7}).status_code == 200
    _agree(live, 3, threshold=0.7)
    _refused(live, 3, {"threshold": 1.5}, {"threshold": 0.7})
    _agree(live, 3, threshold=0.7)
    shown = _setup(live, 3, {"threshold": 1.5}, agent="heartex/1.23.2").url
    assert (
        "/problem/400/threshold-must-be-a-number-from-0-to-1,-not-1.5-(extra-params-in-Label-Studio)" in shown
    )


def test_a_training_has_the_values_and_a_refused_one_marks_no_version(live: Live) -> None:
    live.studio.add(4, 40, 41)
    assert _setup(live, 4, {"threshold": 0.9}).status_code == 200
    _refused(live, 4, {"threshold": 1.5}, {"threshold": 0.9})
    job = live.wait(live.send(start_training(4)))
    assert job["job_status"] == "finished", job
    trained = live.wait_served(4, lambda entry: bool(entry["values"]["trained_with"]))
    values = {"threshold": 0.9, "labels": ["a", "b"], "rate": 0.3}
    assert trained["values"]["trained_with"] == {**values, "tasks": 2}

    version = trained["model_version"]
    refused = _refused(live, 4, {"rate": 0}, {"threshold": 0.9})
    assert refused.json()["field"] == "rate", "though a version is served"
    changed = _setup(live, 4, {"rate": 0.5, "threshold": 0.1})
    assert changed.json() == {"model_version": version}
    _agree(live, 4, threshold=0.1, rate=0.5, trained_with=trained["values"]["trained_with"])


def test_a_training_with_a_wrong_value_is_tried_again(live: Live) -> None:
    live.studio.add(5, 50)
    _refused(live, 5, {"threshold": 1.5}, {"threshold": 1.5})
    job = live.send(start_training(5))
    record = wait_until(lambda: [found for found in [live.job(job)] if WRONG in str(found)], "it says why")[0]
    assert record["job_status"] in ("queued", "started"), record
    assert _setup(live, 5, {"threshold": 0.4}).status_code == 200
    assert live.wait(job)["job_status"] == "finished"


def test_a_wrong_value_of_the_command_line_is_in_the_log_from_the_start(
    launch: Callable[..., Live],
) -> None:
    live = launch("param_model", arguments=("--with", "rate=0"))
    said = "Without extra params in Label Studio, no model can be built: rate must be a number above 0, not 0 (--with)"
    wait_until(lambda: said in live.backend.output(), "the log says it")

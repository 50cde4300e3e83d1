"""What people are told of an MLflow that cannot be used: by the real client, of servers that are something else."""

from collections.abc import Iterator

import pytest

from label_studio_ml.trackers.messages import RunDescription
from label_studio_ml.trackers.mlflow_tracker.mlflow_errors import FIX_ADDRESS, FIX_HOST, FIX_LOGIN
from label_studio_ml.trackers.mlflow_tracker.mlflow_run import open_run
from label_studio_ml.trackers.tracked_run import Unavailable
from studio.fake import FakeServer, Reply

from ..mlflow_stand_in import API
from ..packages import package

PAGE = b"<!doctype html>\n<html><head><title>Our\n intranet</title></head><body>" + b"<p>x</p>" * 500


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    package("mlflow")
    server = FakeServer()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield server
    server.stop()


def _refusal(monkeypatch: pytest.MonkeyPatch, address: str) -> Unavailable:
    """Return the error of a run that is to be opened in MLflow at an address where it is not."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(Unavailable) as raised:
        open_run(RunDescription(job="j1", name="project-7-j1"))
    assert "CANARY" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("reply", "words", "fix"),
    [
        (Reply(200, PAGE), "is not MLflow's address: it answers with a web page (Our intranet)", FIX_ADDRESS),
        (Reply(404, PAGE), "it answers with a web page (Our intranet) and status 404", FIX_ADDRESS),
        (Reply(404, b"<html><body>"), "it answers with a web page and status 404", FIX_ADDRESS),
        (Reply(404, b"not here"), "it answers with not here and status 404", FIX_ADDRESS),
        (Reply.of({"detail": "Not Found"}, 404), "it answers with {'detail': 'Not Found'}", FIX_ADDRESS),
        (Reply.of({"status": "UP"}), "it answers with something else than the experiment", FIX_ADDRESS),
        (Reply(200), "it answers with something else than the experiment", FIX_ADDRESS),
        (Reply.of([]), "it answers with []", FIX_ADDRESS),
        (Reply(401, b"You are not authenticated."), "refuses access (status 401): You are not", FIX_LOGIN),
        (Reply(403, PAGE), "refuses access (status 403): a web page (Our intranet)", FIX_LOGIN),
        (Reply(403, b"Invalid Host header - possible"), "(status 403): Invalid Host header", FIX_HOST),
        (Reply(502, PAGE), "answers with status 502", ""),
        (Reply(507, PAGE), "answers with a web page (Our intranet) and status 507", ""),
    ],
)
def test_what_is_no_mlflow_is_named_with_what_to_do(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, reply: Reply, words: str, fix: str
) -> None:
    server.on(f"{API}/experiments/get-by-name", reply)
    error = _refusal(monkeypatch, server.url.replace("://", "://user:CANARY-password@"))
    assert str(error).startswith(f"{server.url} ")
    assert words in str(error)
    assert error.fix == fix
    assert len(str(error)) < 250


def test_a_run_without_an_id_is_none(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = {"experiment_id": "3", "name": "label-studio-ml", "lifecycle_stage": "active"}
    server.on(f"{API}/experiments/get-by-name", Reply.of({"experiment": experiment}))
    for name in ("runs/search", "runs/create"):
        server.on(f"{API}/{name}", Reply.of({}))
    assert "it answers with an empty run" in str(_refusal(monkeypatch, server.url))


@pytest.mark.parametrize(
    ("address", "words", "fix"),
    [
        ("http://user:CANARY@127.0.0.1:1", "http://127.0.0.1:1 cannot be reached: Connection refused", ""),
        ("localhost:5000", "MLFLOW_TRACKING_URI=localhost:5000 has no http:// or https://", FIX_ADDRESS),
        ("http://127.0.0.1:1 ", "MLFLOW_TRACKING_URI=http://127.0.0.1:1  is not the address", FIX_ADDRESS),
        (
            "http://127.0.0.1:1/#/experiments/1",
            "MLFLOW_TRACKING_URI has a # with the name of a page behind it",
            "Set MLFLOW_TRACKING_URI=http://127.0.0.1:1 and start the backend again",
        ),
    ],
)
def test_an_address_without_a_server_is_named_with_the_cause(
    monkeypatch: pytest.MonkeyPatch, address: str, words: str, fix: str
) -> None:
    package("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    error = _refusal(monkeypatch, address)
    assert str(error).startswith(words)
    assert error.fix == fix


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(cut=10), "IncompleteRead"),
        (Reply(raw=lambda _: None), "Remote end closed connection without response"),
    ],
)
def test_a_server_that_breaks_off_is_named(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, reply: Reply, words: str
) -> None:
    server.on(f"{API}/experiments/get-by-name", reply)
    assert str(_refusal(monkeypatch, server.url)).startswith(f"{server.url} cannot be reached: {words}")

"""What Label Studio trusts us with stays where it belongs; and what comes without login is only a hint."""

from collections.abc import Callable
from typing import Any

import pytest
import redis
import requests

from live import (
    CANARIES,
    CONFIG,
    TOKEN,
    Live,
    annotation,
    created,
    created_in_bulk,
    start_training,
    task,
    texts_below,
    uid,
)

AUTH = ("somebody", "CANARY-backend-password")


def _redis(live: Live) -> Any:
    return redis.Redis.from_url((live.model_dir / "broker" / "address").read_text())


def test_no_secret_is_written_down(launch: Callable[..., Live]) -> None:
    live = launch(auth=AUTH, env={"LABEL_STUDIO_API_KEY": TOKEN, "LABEL_STUDIO_URL": "http://127.0.0.1:1"})
    live.setup(1)
    control = live.control(1)
    control.close_gate()
    job = live.send(created(1, 1))
    control.wait_for_fit()
    secrets = [word.encode() for word in (*CANARIES, AUTH[1])]
    below = texts_below(live.folder)  # a fit is running: its files are there, too
    assert any("runs" in path.parts for path in below)
    control.open_gate()
    assert live.wait(job)["source"] == "webhook events"
    live.setup(1)
    live.predict(1)
    assert live.post("/webhook", {"action": "NEWS", "project": {}}, login=False).status_code < 500
    below.update(texts_below(live.folder))
    connection = _redis(live)
    dump = b"".join(connection.dump(key) or b"" for key in connection.keys("*"))
    connection.close()
    for secret in secrets:
        assert secret not in dump
        assert [path for path, content in below.items() if secret in content] == []
    projects = live.model_dir / "projects.db"
    assert projects.stat().st_mode & 0o077 == 0


def test_what_comes_without_login_is_read_from_label_studio(launch: Callable[..., Live]) -> None:
    live = launch("event_model", auth=AUTH)
    live.studio.add(2, 21, 22, 23)
    live.setup(2)
    control = live.control(2)
    control.close_gate()
    live.send(created(2, 21))
    control.wait_for_fit()
    lie = created(2, 22)
    lie["task"]["data"]["text"] = "CANARY-lie"
    lie["annotation"]["result"] = [{"value": {"choices": ["CANARY-lie"]}}]
    live.send(lie, login=False)
    made_up = {**created(2, 22), "annotation": {**annotation(22), "id": 4711}}
    live.send(made_up, login=False)
    bulk = created_in_bulk(2, 22, 23)
    bulk["task"][0]["data"]["text"] = "CANARY-lie"
    job = live.send(bulk, login=False)
    connection = _redis(live)
    kept = b"".join(connection.hvals(connection.keys("lsml:*:payloads:*")[0]))
    connection.close()
    assert b"CANARY-lie" not in kept
    control.open_gate()
    assert live.wait(job)["job_status"] == "finished"
    fits = control.fits()
    assert [fit["annotation"] for fit in fits] == [1021, 1022, 1022, 1023]
    assert fits[1]["task"]["data"] == task(22)["data"]


def test_without_login_nothing_starts_for_strangers(launch: Callable[..., Live]) -> None:
    live = launch(auth=AUTH)
    assert live.post("/webhook", created(3, 1), login=False).status_code == 202
    assert list(_redis(live).scan_iter("lsml:*:mailbox:*")) == []
    live.setup(3)
    assert live.post("/webhook", start_training(3), login=False).status_code == 401
    assert live.post("/train", {"project": "3.1"}, login=False).status_code == 401
    assert not live.running(3)


@pytest.mark.parametrize("headers", [{"X-Forwarded-For": "203.0.113.9"}, {"Host": "192.0.2.5"}])
def test_a_label_studio_that_a_stranger_names_is_not_asked(
    launch: Callable[..., Live], headers: dict[str, str]
) -> None:
    """Without a login: a call that a proxy sent on, whether it says so or not, comes from nobody that is known."""
    live = launch()
    live.studio.add(4, 41)
    live.studio.asked.clear()
    body = {"project": uid(4), "schema": CONFIG, "hostname": live.studio.url, "access_token": TOKEN}
    answer = requests.post(f"{live.backend.url}/setup", json=body, headers=headers, timeout=90)
    assert answer.status_code == 200
    refused = live.wait(live.send(start_training(4)))
    assert refused["job_status"] == "failed"
    assert "nobody has confirmed" in refused["error"]
    assert f"Set LABEL_STUDIO_URL={live.studio.url}" in refused["error"]
    assert live.studio.asked == []
    live.setup(4)
    assert live.wait(live.send(start_training(4)))["job_status"] == "finished"
    assert live.studio.asked

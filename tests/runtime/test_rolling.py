"""Two servers behind a proxy, restarted one after the other under load: nothing is lost."""

import threading
from collections.abc import Callable

import requests

from e2e.backend import CLI, Backend
from e2e.processes import Program, wait_until
from label_studio_ml.training.redis.keys import Keys
from live import CONFIG, Live, created, task, uid
from proxy import Proxy
from redis_server import MakeRedis, make_redis

__all__ = ["make_redis"]

Make = Callable[..., Live]


class Load:
    """Threads that ask for predictions and deliver events until told to stop; they note what was not answered."""

    def __init__(self, url: str, askers: int = 3) -> None:
        self._url = url
        self._stop = threading.Event()
        self.predicted = 0
        self.delivered: list[int] = []
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(askers)]
        self._threads.append(threading.Thread(target=self._annotate, daemon=True))
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        body = {"tasks": [task(1)], "project": uid(1), "label_config": CONFIG, "params": None}
        while not self._stop.is_set():
            answer = requests.post(f"{self._url}/predict", json=body, timeout=60)
            if answer.status_code == 200 and len(answer.json()["results"]) == 1:
                self.predicted += 1
            else:
                self.failures.append(f"/predict: {answer.status_code} {answer.text}")
            self._stop.wait(0.01)

    def _annotate(self) -> None:
        number = 100
        while not self._stop.is_set():
            number += 1
            answer = requests.post(f"{self._url}/webhook", json=created(1, number), timeout=60)
            if answer.status_code == 201:
                self.delivered.append(number)
            else:
                self.failures.append(f"/webhook: {answer.status_code} {answer.text}")
            self._stop.wait(0.02)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def test_a_rolling_restart_under_load_loses_nothing(make: Make, make_redis: MakeRedis) -> None:
    redis = make_redis()
    env = {"REDIS_URL": redis.url, "RQ_QUEUE_NAME": "rolling", "LABEL_STUDIO_ML_LINGER": "4"}
    first = make(env=env)
    first.studio.add(1, 11)
    servers = [
        first.backend,
        Backend(first.folder, first.folder.parent / "second.log", env=first.backend.env),
    ]
    for server in servers:
        server.command = "serve"
        server.start()
    proxy = Proxy([server.port for server in servers])
    worker = Program(
        [*CLI, "worker", first.folder.name],
        cwd=first.folder.parent,
        env=first.backend.env,
        log=first.folder.parent / "worker.log",
    )
    load = None
    try:
        wait_until(lambda: len(proxy.ready) == 2, "both are ready")
        first.setup(1)
        load = Load(proxy.url)
        for server in servers:
            before = load.predicted
            assert server.stop() == []
            wait_until(lambda seen=before: load.predicted > seen + 20, "the other one answers")  # type: ignore[misc]
            server.start()
            wait_until(lambda: len(proxy.ready) == 2, "it is ready again")
        load.stop()
        assert load.failures == []
        assert load.predicted > 100
        taken = redis.client(decode_responses=True)
        keys = Keys("rolling")
        wait_until(lambda: not taken.smembers(keys.dirty), "every event has its outcome", 120)
        records = [taken.hgetall(keys.job(job)) for job in taken.lrange(keys.jobs(uid(1)), 0, -1)]
        outcomes = [int(record["events"]) for record in records if record["state"] == "finished"]
        assert sum(outcomes) == len(load.delivered), records
    finally:
        if load is not None:
            load.stop()
        proxy.stop()
        assert worker.stop() == []
        assert servers[1].stop() == []

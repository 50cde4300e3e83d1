"""Three hosts: Redis, an S3 server and a proxy on one, a server and a worker on each of the two others."""

import json
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from label_studio_ml.training.redis.keys import Keys
from live import CONFIG, TOKEN, Control, FakeStudio, Live, make_live, task, uid
from redis_server import RedisServer
from s3_server import S3Server

from .backend import CLI
from .conftest import missing
from .namespaces import Host, Network, run_in
from .processes import Program, free_port, wait_until

MODEL = "weighty_model"
QUEUE = "hosts"

#: Seconds of the lease and between two sweeps: short, so that the tests are.
LEASE, SWEEP = 6.0, 1.0
#: How the folder on the import path of servers and workers reaches this far.
HALTING = Path(__file__).parent.parent / "data" / "halting"

PROXY = """
global
  log stdout format raw local0
defaults
  mode http
  log global
  log-format "%s %ST %tsc %HM %HP %Tt"
  timeout connect 1s
  timeout client 60s
  timeout server 30s
  option redispatch 1
  option httpchk GET /readyz
frontend all
  bind {address}:{port}
  default_backend servers
backend servers
  balance roundrobin
  timeout check 2s
  default-server check inter 500ms fall 2 rise 2 on-marked-down shutdown-sessions
{servers}
"""

_ASK = (
    "import sys, urllib.request as r;"
    "h={'Content-Type': 'application/json'};"
    "print(r.urlopen(r.Request(sys.argv[1], sys.argv[2].encode(), h), timeout=20).read().decode())"
)


@dataclass
class Machine:
    """A host with a server and a worker, and a folder that is its disk."""

    host: Host
    live: Live
    worker: Program

    @property
    def url(self) -> str:
        return self.live.backend.url

    @property
    def near(self) -> Path:
        """Where what was fetched lies."""
        return self.live.folder / "near"

    def ready(self) -> bool:
        """Tell whether its server says so."""
        return requests.get(f"{self.url}/readyz", timeout=10).status_code == 200

    def predict(self, project: int) -> dict[str, Any]:
        """Return its server's answer."""
        answer = requests.post(f"{self.url}/predict", json=asking(project), timeout=60)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["results"][0])

    def predict_inside(self, project: int) -> dict[str, Any]:
        """Return its server's answer to somebody on the same host, who needs no cable."""
        body = json.dumps(asking(project))
        answer = run_in(self.host, sys.executable, "-c", _ASK, f"{self.url}/predict", body)
        return dict(json.loads(answer)["results"][0])


def asking(project: int) -> dict[str, Any]:
    """Return the body of a request for a prediction."""
    return {"tasks": [task(1)], "project": uid(project), "label_config": CONFIG, "params": None}


@dataclass(frozen=True)
class Published:
    """What lies in the store of a version that is committed."""

    name: str
    events: tuple[str, ...]
    digest: str
    source: str


class Site:
    """All of it, running."""

    def __init__(self, folder: Path, network: Network, studio: FakeStudio) -> None:
        self.folder = folder
        self.network = network
        self.studio = studio
        self.control_folder = folder / "control"
        self._halt = folder / "halt"
        self._halt.mkdir()
        middle = network.hosts["c"]
        where: dict[str, Any] = {"host": middle.address, "prefix": middle.prefix}
        kept = ("--appendonly", "yes", "--protected-mode", "no")
        self.redis = RedisServer(folder / "redis", *kept, **where)
        self.s3 = S3Server(folder / "s3", **where)
        self.machines: dict[str, Machine] = {}
        self._proxy: Program | None = None
        self.proxy_url = f"http://{middle.address}:{free_port()}"

    def start(self) -> None:
        self.redis.start()
        self.s3.start()
        for name in ("a", "b"):
            self.machines[name] = self._machine(name, self.network.hosts[name])
        for one in self.machines.values():
            wait_until(one.ready, "a server is ready")
        self._start_proxy(self.network.hosts["c"])

    def _machine(self, name: str, host: Host) -> Machine:
        env = {
            **self.s3.env,
            "MODEL_DIR": self.s3.url,
            "CACHE_DIR": str(self.folder / name / "near"),
            "REDIS_URL": self.redis.url,
            "RQ_QUEUE_NAME": QUEUE,
            "LABEL_STUDIO_ML_LEASE": str(LEASE),
            "LABEL_STUDIO_ML_SWEEP": str(SWEEP),
            "FIT_CONTROL": str(self.control_folder),
            "HALT": str(self._halt),
            # Calls come from the balancer: nobody else confirms a Label Studio with a private address.
            "LABEL_STUDIO_URL": self.studio.url,
        }
        where: dict[str, Any] = {"host": host.address, "prefix": host.prefix}
        live = make_live(self.folder / name, self.studio, MODEL, env=env, paths=[HALTING], **where)
        live.backend.command = "serve"
        live.backend.start()
        worker = Program(
            [*host.prefix, *CLI, "worker", live.folder.name],
            cwd=self.folder,
            env=live.backend.env,
            log=self.folder / f"worker-{name}.log",
        )
        return Machine(host, live, worker)

    def _start_proxy(self, middle: Host) -> None:
        lines = [
            f"  server {name} {machine.url.removeprefix('http://')}"
            for name, machine in self.machines.items()
        ]
        port = self.proxy_url.rpartition(":")[2]
        text = PROXY.format(address=middle.address, port=port, servers="\n".join(lines))
        (self.folder / "haproxy.cfg").write_text(text)
        command = [*middle.prefix, haproxy(), "-f", str(self.folder / "haproxy.cfg")]
        self._proxy = Program(command, cwd=self.folder, env={}, log=self.folder / "haproxy.log")
        self.wait_both_ready()

    def stop(self) -> None:
        """End all of it, and say what did not end by itself."""
        self.s3.wake()
        self.network.mend()
        left: list[Any] = []
        for machine in self.machines.values():
            left += machine.live.backend.stop() + machine.worker.stop()
        if self._proxy is not None:
            self._proxy.stop()
        self.redis.stop()
        self.s3.kill()
        assert not left, left

    # What tests ask

    def control(self, project: int) -> Control:
        return Control(self.control_folder / str(project))

    def setup(self, project: int, *numbers: int) -> None:
        """Give Label Studio a project with labelled tasks, and tell one server of it."""
        self.studio.add(project, *numbers)
        body = {
            "project": uid(project),
            "schema": CONFIG,
            "hostname": self.studio.url,
            "access_token": TOKEN,
            "extra_params": None,
        }
        answer = requests.post(f"{self.proxy_url}/setup", json=body, timeout=60)
        assert answer.status_code == 200, answer.text

    def send(self, event: dict[str, Any]) -> str | None:
        """Deliver an event through the proxy; return its job."""
        answer = requests.post(f"{self.proxy_url}/webhook", json=event, timeout=60)
        assert answer.status_code == 201, answer.text
        job: str | None = answer.json()["job"]
        return job

    def at_work(self, project: int) -> Machine:
        """Return the machine whose worker runs the fit that began last."""
        pid = self.control(project).fits()[-1]["pid"]
        return next(one for one in self.machines.values() if pid in one.worker.descendants())

    def halt(self, way: str) -> None:
        """Let the next version's files halt on their way to the store (`put`) or from there (`get`)."""
        (self._halt / f"{way}.reached").unlink(missing_ok=True)
        (self._halt / way).touch()

    def wait_halted(self, way: str) -> None:
        """Wait until some of them are through, and others are not."""
        wait_until((self._halt / f"{way}.reached").exists, "a version is half on its way", every=0.02)

    def go_on(self) -> None:
        """Let them go on."""
        for way in ("put", "get"):
            (self._halt / way).unlink(missing_ok=True)

    def other(self, machine: Machine) -> Machine:
        return next(one for one in self.machines.values() if one is not machine)

    def published(self, project: int) -> list[Published]:
        """Return the versions in the store, oldest first, as any machine could read them."""
        found = []
        for path in sorted((self.s3.objects / "versions" / uid(project) / "meta").glob("*-*.json")):
            one = json.loads(path.read_text())
            found.append(
                Published(one["name"], tuple(one["events"]), one["train_output"]["digest"], one["source"])
            )
        return found

    def wait_served(self, version: str, project: int, *machines: Machine, deadline: float = 120.0) -> None:
        """Wait until servers answer with a version."""
        for machine in machines or self.machines.values():
            wait_until(
                lambda one=machine: one.predict(project)["model_version"] == version,  # type: ignore[misc]
                f"{version} is served on {machine.host.name}",
                deadline,
            )

    def wait_both_ready(self) -> None:
        """Wait until the proxy sends requests to both."""

        def ready() -> bool:
            found = {self._through_proxy() for _ in range(4)}
            return len(found) == len(self.machines)

        wait_until(ready, "the proxy uses both servers")

    def _through_proxy(self) -> str:
        """Ask through the proxy, and return which server it chose."""
        try:
            requests.get(f"{self.proxy_url}/livez", timeout=60)
        except requests.RequestException:
            return ""
        told = [line.split()[0] for line in self.proxy_log() if " /livez " in line and " 200 " in line]
        return told[-1] if told else ""

    def proxy_log(self) -> list[str]:
        """Return what the proxy said of each request: server, status, how it ended, method, path, ms."""
        return [line for line in self.proxy_said() if re.match(r"\S+ -?\d+ \S{4} ", line)]

    def proxy_said(self) -> list[str]:
        """Return every line of the proxy's."""
        assert self._proxy is not None
        return self._proxy.output().splitlines()

    def waiting_events(self, project: int) -> int:
        """Return how many events lie in Redis."""
        return int(self.redis.client().xlen(Keys(QUEUE).mailbox(uid(project))))

    def spooled(self) -> int:
        """Return how many events lie on servers' disks."""
        return sum(len(list(one.near.glob("spool/*.json"))) for one in self.machines.values())


@dataclass(frozen=True)
class Failure:
    """A request that was not answered, and from when to when it was under way."""

    began: float
    ended: float
    said: str


class Load:
    """Threads that ask for predictions through the proxy, and keep what they were answered."""

    def __init__(self, url: str, askers: int = 3) -> None:
        self._url = url
        self._project = 0
        self._pause = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answers: dict[tuple[int, str, str, str], int] = {}
        self.failures: list[Failure] = []
        self.askers = askers
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(askers)]

    def begin(self, project: int) -> None:
        """Ask about this project from now on."""
        self._project = project
        if not self._threads[0].is_alive():
            for thread in self._threads:
                thread.start()

    def _ask(self) -> None:
        session = requests.Session()
        while not self._stop.wait(0.05):
            project, began = self._project, time.monotonic()
            try:
                answer = session.post(f"{self._url}/predict", json=asking(project), timeout=60)
                said = answer.text if answer.status_code != 200 else ""
            except requests.RequestException as error:
                said = repr(error)
            with self._lock:
                if said:
                    self.failures.append(Failure(began, time.monotonic(), said))
                    continue
                (entry,) = answer.json()["results"]
                seen = entry.get("seen", {"read": "nothing", "written": str(entry)})
                key = (project, entry["model_version"], seen["read"], seen["written"])
                self.answers[key] = self.answers.get(key, 0) + 1

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(60)


class Watch:
    """What healed, and how many seconds that took."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []

    def measure(
        self, what: str, since: float, condition: Callable[[], object], deadline: float = 120.0
    ) -> float:
        """Wait for `condition`, note the seconds since `since`, and return the present."""
        wait_until(condition, what, deadline, every=0.05)
        self.note(what, since)
        return time.monotonic()

    def note(self, what: str, since: float) -> None:
        self.times.append((what, time.monotonic() - since))

    def table(self) -> str:
        """Return it for people."""
        return "\n".join(f"| {what} | {seconds:.1f} |" for what, seconds in self.times)


def haproxy() -> str:
    """Return where the proxy's program is."""
    found = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        missing("no haproxy on PATH")
    return str(found)

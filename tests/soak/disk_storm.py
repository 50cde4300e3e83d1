"""A backend whose disk fills up and whose files are damaged while it trains, and what must be true of it afterwards.

What may be lost: what only the damaged file held (pairs of user code, which webhooks were heard), and a version whose
own files are damaged. What may not: an event that was accepted, a decision about versions, the server.
"""

import contextlib
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from e2e.processes import wait_until
from label_studio_ml.versions.store.local_store import VersionStore
from live import CONFIG, Live, task, uid
from runtime.storm import Sender, Storm

#: Seconds between two faults, at most.
PAUSE = 1.0
#: Seconds for which the disk is full, at most.
FULL = 3.0
#: Statuses that a prediction may have: 503 says that a decision cannot be read, or that the server is busy.
FINE = {200, 503}


#: The last line of a traceback that is not about the disk.
_BUG = re.compile(
    r"^(?:Assertion|Attribute|Index|Key|Name|Recursion|Runtime|Type|UnboundLocal|Unicode\w+|Value)Error\b.*",
    re.MULTILINE,
)


def mount(folder: Path, size: str) -> None:
    """Mount a disk of its own at `folder`; skip the test where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here, that takes root: {mounted.stderr.strip()}")


def unmount(folder: Path) -> None:
    """Take the disk away again, what is still open on it notwithstanding."""
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass
class Watcher:
    """Asks for predictions all the time. `wrongs` are the answers that are wrong, `served` the names of versions.

    Once another version was served in place of one that was rejected, that one must not be served again.
    """

    live: Live
    projects: tuple[int, ...]
    stop: threading.Event = field(default_factory=threading.Event)
    served: dict[int, set[str]] = field(default_factory=dict)
    rejected: dict[int, set[str]] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    #: Whether the database of user code's pairs was damaged.
    pairs_damaged: bool = False
    _gone: dict[int, set[str]] = field(default_factory=dict)

    def run(self) -> None:
        """Ask until `stop` is set."""
        while not self.stop.is_set():
            for project in self.projects:
                self.ask(project)
            self.stop.wait(0.1)

    def ask(self, project: int) -> str:
        """Ask once; return the version that answered, nothing if none did."""
        rejected = set(self.rejected.get(project, ()))
        body = {"tasks": [task(1)], "project": uid(project), "label_config": CONFIG, "params": None}
        try:
            answer = requests.post(f"{self.live.backend.url}/predict", json=body, timeout=90)
        except requests.RequestException:  # it is started again
            return ""
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        if answer.status_code not in FINE and not self._without_pairs(answer.text):
            self._wrong(f"/predict of {project}: {answer.status_code} {answer.text[:500]}")
        if answer.status_code != 200:
            return ""
        name = str(answer.json()["results"][0].get("model_version"))
        gone = self._gone.setdefault(project, set())
        if name in gone:
            self._wrong(f"{name} of project {project} was rejected, and is served again")
        gone |= rejected - {name}
        self.served.setdefault(project, set()).add(name)
        return name

    def _without_pairs(self, answer: str) -> bool:
        """Tell whether a model cannot have its pairs for now: their database was damaged, and another cannot be made.

        What it would predict without them would not be what its version predicts.
        """
        return self.pairs_damaged and "state.db cannot be used" in answer

    def _wrong(self, said: str) -> None:
        if said not in self.wrongs:
            self.wrongs.append(said)


class DiskStorm:
    """Faults of the disk at `live.model_dir`, while events of `storm`'s projects come. `seed` decides on them."""

    def __init__(self, storm: Storm, seed: int, restart: Callable[[bool], None]) -> None:
        self.live = storm.live
        self.storm = storm
        self.random = random.Random(seed)
        self.projects = tuple(sender.project for sender in storm.senders)
        self.watcher = Watcher(self.live, self.projects)
        self.faults: list[str] = []
        self.published: dict[int, set[str]] = {project: set() for project in self.projects}
        self._restart = restart
        self._filler = self.live.model_dir / "filler"
        #: Of the two files that a decision is kept in, one fails, as one disk block would.
        self._decision = self.random.choice(("served.json", "served.json.copy"))

    def rage(self, count: int) -> None:
        """Let events and predictions go on, do so much harm meanwhile, and return when the last event was sent."""
        runners: list[Sender | Watcher] = [*self.storm.senders, self.watcher]
        threads = [threading.Thread(target=runner.run, daemon=True) for runner in runners]
        for thread in threads:
            thread.start()
        try:
            while len(self.faults) < count:
                self.random.choices(
                    (self._fill, self._damage, self._roll_back, self._start_again), (4, 8, 2, 1)
                )[0]()
                time.sleep(self.random.uniform(0, PAUSE))
                self.note_published()
        finally:
            self._free()
            for runner in runners:
                runner.stop.set()
            for thread in threads:
                thread.join(120)

    def note_published(self) -> None:
        """Remember which versions there are: their manifests may be gone later."""
        store = VersionStore(self.live.model_dir)
        for project in self.projects:
            with contextlib.suppress(Exception):
                self.published[project] |= {manifest.name for manifest in store.versions(uid(project))}

    # Faults

    def _fill(self) -> None:
        """Leave no room on the disk, or nearly none, for a while; files are damaged meanwhile at times."""
        size = self.random.choice((1, 4096))
        with contextlib.suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"0" * 4096)
        if size > 1 and self._filler.exists():
            with contextlib.suppress(OSError), self._filler.open("r+b") as file:
                file.truncate(max(0, self._filler.stat().st_size - self.random.choice((4096, 16_384))))
        self.faults.append("full")
        time.sleep(self.random.uniform(0, FULL))
        if self.random.random() < 0.3:
            self._damage()
        self._free()

    def _free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def _damage(self) -> None:
        """Truncate a file, write noise over it or remove it."""
        victims = self._victims()
        if not victims:
            return
        kind = self.random.choice(sorted({kind for kind, _ in victims}))
        path = self.random.choice(sorted(path for found, path in victims if found == kind))
        how = self.random.choice(("truncated", "emptied", "noise", "removed"))
        try:
            size = path.stat().st_size
            if how == "removed":
                path.unlink()
            elif how == "noise":  # in place: a full disk takes it too
                with path.open("r+b") as file:
                    file.write(self.random.randbytes(max(1, size)))
            else:
                with path.open("r+b") as file:
                    file.truncate(0 if how == "emptied" else self.random.randrange(size) if size else 0)
        except OSError:
            return
        self.watcher.pairs_damaged |= path.name.startswith("state.db")
        self.faults.append(f"{path.relative_to(self.live.model_dir)} {how}")

    def _victims(self) -> list[tuple[str, Path]]:
        """Return the files that may be damaged, by kind."""
        folder = self.live.model_dir
        found = [("database", path) for path in folder.glob("*.db")]
        found += [("log of a database", path) for path in folder.glob("*.db-wal")]
        found += [("server", folder / "server.json")]
        versions = folder / "versions"
        found += [("decision", path) for path in versions.glob(f"*/{self._decision}")]
        found += [("hint", path) for path in versions.glob("*/changed")]
        found += [("failure", path) for path in versions.glob("*/*.failed")]
        found += [("manifest", path) for path in versions.glob("*/*/manifest.json")]
        found += [("weights", path) for path in versions.glob("*/*/weights.bin")]
        return [(kind, path) for kind, path in found if path.is_file()]

    def _roll_back(self) -> None:
        """Reject what is served."""
        project = self.random.choice(self.projects)
        with contextlib.suppress(requests.RequestException):
            answer = self.live.post("/versions/rollback", {"project": uid(project)})
            if answer.status_code == 200:
                self.watcher.rejected.setdefault(project, set()).add(answer.json()["instead_of"])
                self.faults.append(f"{answer.json()['instead_of']} of {project} rejected")
            elif answer.status_code >= 500 and "internal error" in answer.text:
                self.watcher.wrongs.append(f"rollback: {answer.text[:500]}")

    def _start_again(self) -> None:
        """End the server, as a power cut would or as its user does, and start it again."""
        killed = self.random.random() < 0.5
        self.faults.append("server killed" if killed else "server stopped")
        self._restart(killed)

    # What must be true afterwards

    def repair(self) -> None:
        """Do what people do afterwards: Label Studio calls /setup, and where no version is decided on, one is."""
        for project in self.projects:
            wait_until(partial(self._decided, project), f"project {project} is served")

    def _decided(self, project: int) -> bool:
        body: dict[str, Any] = {"project": uid(project), "schema": CONFIG, "hostname": self.live.studio.url}
        self.live.post("/setup", body)
        if self.watcher.ask(project):
            return True
        store = VersionStore(self.live.model_dir)
        rejected = self.watcher.rejected.get(project, set())
        for manifest in reversed(store.versions(uid(project))):
            if manifest.name not in rejected and not store.damage(manifest, full=True):
                promote = {"project": uid(project), "version": manifest.id}
                self.live.post("/versions/promote", promote)
                break
        return False

    def check(self) -> None:
        """See that no accepted event is lost, and that what is served was published and not rejected."""
        assert not self.watcher.wrongs, "\n".join(self.watcher.wrongs[:20])
        program = self.live.backend.program
        assert program is not None
        assert program.running
        store = VersionStore(self.live.model_dir)
        for sender in self.storm.senders:
            project = sender.project
            control = self.live.control(project)
            assert control.overlaps == 0
            trained = {fit["annotation"] for fit in control.fits("end")}
            missing = sorted({1000 + number for number in sender.kept} - trained)
            assert not missing, f"project {project}: never trained on {missing}"
            taken_in = [event for manifest in store.history(uid(project)) for event in manifest.events]
            assert len(taken_in) == len(set(taken_in)), "an event is in two versions"
            self.note_published()
            unknown = self.watcher.served.get(project, set()) - self.published[project] - {"0.0.1"}
            unknown -= self._in_jobs(project)
            assert not unknown, f"project {project}: {unknown} was served, and never published"
            name = self.watcher.ask(project)
            assert name
            assert name not in self.watcher.rejected.get(project, set())
        assert requests.get(f"{self.live.backend.url}/health", timeout=90).json()["status"] == "UP"
        log = (self.live.folder / "logs" / "server.log").read_text(errors="replace")
        bugs = _BUG.findall(log)
        assert not bugs, bugs[:10]

    def _in_jobs(self, project: int) -> set[str]:
        """Return the names of versions that job records tell of."""
        job_store = self.storm._job_store()
        try:
            return {str(job.version) for job in job_store.jobs.of(uid(project))}
        finally:
            job_store.redis.close()


def end_server(live: Live, *, killed: bool) -> None:
    """End a backend's server with what belongs to it."""
    program = live.backend.program
    assert program is not None
    if killed:
        program.kill()
    else:
        program.process.send_signal(signal.SIGTERM)
        program.process.wait(120)

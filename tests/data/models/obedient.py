"""A model that does what it is told: by each task (`data.do`), and by files beside it (`on_import`, `on_load`, …).

Orders: `raise`, `exit`, `interrupt`, `kill`, `crash`, `close` (all descriptors, as daemons do), `fork` (and be killed,
leaving a child), `daemon` (start one in a session of its own), `thread` (leave one running, exit), `block NAME`
(until somebody opens the pipe NAME for writing), `gil NAME` (the same, holding the
interpreter lock).
A file `on_load.VERSION` is for that version only.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from label_studio_ml.model import LabelStudioMLBase

HERE = Path(__file__).parent


def obey(order: str) -> None:
    word, _, name = order.partition(" ")
    pid = os.getpid()
    if word == "raise":
        raise ValueError(f"told to {name}")
    if word == "exit":
        sys.exit(f"told to exit {name}")
    if word == "interrupt":
        raise KeyboardInterrupt(f"told to interrupt {name}")
    if word == "kill":
        os.kill(pid, signal.SIGKILL)
        time.sleep(60)
    if word == "crash":
        os._exit(3)
    if word == "close":
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    if word == "fork":
        child = os.fork()
        if child == 0:
            (HERE / "forked").write_text(str(os.getpid()))
            time.sleep(120)
            os._exit(0)
        while not (HERE / "forked").exists() or not (HERE / "forked").read_text():
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
    if word == "daemon":
        daemon = subprocess.Popen(["sleep", "120"], start_new_session=True)
        (HERE / "daemon").write_text(str(daemon.pid))
    if word == "thread":
        threading.Thread(target=time.sleep, args=(120,), name="left behind").start()
        sys.exit("with a thread left behind")
    if word in ("block", "gil"):
        pipe = HERE / name
        with contextlib.suppress(FileExistsError):
            os.mkfifo(pipe)
        (HERE / f"{name}.started").write_text(str(pid))
        library = ctypes.PyDLL(None) if word == "gil" else ctypes.CDLL(None)
        os.close(library.open(os.fsencode(pipe), os.O_RDONLY))


def told(*names: str) -> str:
    found = [HERE / name for name in names if (HERE / name).exists()]
    return found[0].read_text() if found else ""


obey(told("on_import"))


class Tricky(LabelStudioMLBase):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.number = self.train_output.get("number", 0)
        with (HERE / "loads").open("a") as file:
            file.write(f"{os.getpid()} {self.number}\n")
        obey(told(f"on_load.{self.number}", "on_load"))

    def predict(self, tasks, **kwargs):
        with (HERE / "predicts").open("a") as file:
            file.write(f"{[task.get('id') for task in tasks]}\n")
        orders = [task.get("data", {}).get("do", "") for task in tasks]
        if "say nothing" in orders:
            return []
        for order in orders:
            obey(order)
        about = {
            "pid": os.getpid(),
            "number": self.number,
            "labels": sorted(
                label for control in self.parsed_label_config.values() for label in control["labels"]
            ),
            "extra": self.extra_params,
            "context": kwargs.get("context"),
        }
        return [{"result": [{**about, "task": task.get("id")}], "score": 0.5} for task in tasks]

    def fit(self, annotations, **kwargs):
        obey(told("on_fit"))
        return {"number": self.number + 1, "seen": len(list(annotations))}


class TrickyTwice(Tricky):
    concurrency = 2


class TrickyEvents(Tricky):
    def fit(self, event, data, **kwargs):
        obey(told("on_fit"))
        self.set("trained", event)


class TrickyNames(Tricky):
    """Names its version in `predict`, as models do whose prompt or weights came with the request."""

    def predict(self, tasks, **kwargs):
        for task in tasks:
            if name := task.get("data", {}).get("name"):
                self.set("model_version", name)
        return super().predict(tasks, **kwargs)

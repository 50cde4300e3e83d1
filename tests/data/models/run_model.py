"""A model whose fit uses its run object, and ends in every way that a fit can end."""

import ctypes
import logging
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from behave import behave, control

from label_studio_ml.model import LabelStudioMLBase

logger = logging.getLogger(__name__)


class Runner(LabelStudioMLBase):
    def predict(self, tasks: list[dict[str, Any]], **kwargs: Any) -> list[dict[str, Any]]:
        return [{"result": [], "score": 0.5} for _ in tasks]

    def fit(self, annotations: Any, job: Any, **kwargs: Any) -> dict[str, Any]:
        folder = control(self.project_id)
        what = (folder / "do").read_text() if (folder / "do").exists() else "ok"
        behave(self.project_id, previous=job.previous and job.previous.name, job=job.id)
        kind, _, detail = what.partition(":")
        getattr(self, kind)(job, detail)
        (job.workdir / "weights.txt").write_text("w")
        return {"accuracy": 0.75}

    def ok(self, job: Any, detail: str) -> None:
        """Return at once."""

    def unnameable(self, job: Any, detail: str) -> None:
        """Leave a file whose name is no text."""
        with open(os.fsencode(job.workdir) + b"/weights-\xff", "w") as file:
            file.write("w")

    def report(self, job: Any, detail: str) -> None:
        for step in range(1, 6):
            job.log(step=step, loss=1 / step, accuracy=0.5)
            job.progress(step / 10, f"step {step}")
        print(f"the token is {self.access_token}")
        print(f"stderr with {self.access_token}", file=sys.stderr)
        logger.warning("logged with %s", self.access_token)
        subprocess.run(["/bin/sh", "-c", "echo printed by a grandchild"], check=True)
        for percent in range(101):
            sys.stdout.write(f"\rat {percent} %")
        print()
        sys.stdout.write("\rstill working: 10 %")
        sys.stdout.flush()
        while (control(self.project_id) / "hold").exists():
            time.sleep(0.01)

    def polite(self, job: Any, detail: str) -> None:
        while not job.cancelled:
            time.sleep(0.01)

    def raises(self, job: Any, detail: str) -> None:
        self.polite(job, detail)
        raise RuntimeError("stopped in the middle")

    def busy(self, job: Any, detail: str) -> None:
        while True:
            time.sleep(0.01)

    def deaf(self, job: Any, detail: str) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (control(self.project_id) / "deaf").touch()
        self.busy(job, detail)

    def locked(self, job: Any, detail: str) -> None:
        """Hold the interpreter lock in C, with a grandchild that would go on."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        other = subprocess.Popen(["sleep", "600"])
        (control(self.project_id) / "grandchild").write_text(str(other.pid))
        ctypes.PyDLL(None).sleep(600)

    def null(self, job: Any, detail: str) -> None:
        ctypes.string_at(0)

    def interrupt(self, job: Any, detail: str) -> None:
        raise KeyboardInterrupt

    def memory(self, job: Any, detail: str) -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
        kept = []
        while True:
            kept.append(bytearray(1 << 16))

    def flood(self, job: Any, detail: str) -> None:
        line = b"x" * 1023 + b"\n"
        for _ in range(int(detail) * 16):
            os.write(1, line * 64)
        print("the last line")

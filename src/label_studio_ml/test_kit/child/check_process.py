"""Child process of `label-studio-ml test`: its arguments are the descriptor for events and the files of plan and trace.

Each check is announced before it runs, so that the command knows which one a process has ended in. On SIGUSR1, and on
a fatal signal, the stacks of all threads are written into the trace file.
"""

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError
from label_studio_ml.processes.process_table import end_with_parent
from label_studio_ml.test_kit.calls.announced_calls import announce_to
from label_studio_ml.test_kit.check_catalogue import CHECKS, FIRST, Phase, needed_but_skipped
from label_studio_ml.test_kit.child.fit_phase import FitPhase
from label_studio_ml.test_kit.child.predict_phase import PredictPhase, Run
from label_studio_ml.test_kit.child.reload_phase import ReloadPhase
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.child_plan import DESCRIPTOR_LOST, Event, Plan
from label_studio_ml.test_kit.report import Failure

_PHASES: dict[Phase, Any] = {
    Phase.PREDICT: PredictPhase,
    Phase.FIT: FitPhase,
    Phase.RELOAD: ReloadPhase,
}


#: Checks of the import, which runs in the main thread.
_IN_MAIN_THREAD = ("import", "import-network")


class CheckProcess:
    """Runs the checks of a plan and sends an event for each beginning and end.

    As in a server, the model file is imported in the main thread, and a model is built and called in another one, where
    code that needs the main thread fails, such as `signal.signal`. A training runs in the main thread, too.
    """

    def __init__(self, descriptor: int, plan: Plan, tested: TestedClass) -> None:
        self._descriptor = descriptor
        self._pipe = os.fstat(descriptor)
        self._plan = plan
        self._thread = ThreadPoolExecutor(1, "model")
        self._tested = tested
        #: Why checks that need one of these are not run.
        self._not_passed = {check: f"{check} failed" for check in plan.failed}
        self._done: set[str] = set()
        self._sending = threading.Lock()

    def send(self, event: Event) -> None:
        """Write an event as one line; threads of user code do so, too.

        If user code has closed the descriptor, or opened a file that has its number now, the process ends.
        """
        data = msgspec.json.encode(event) + b"\n"
        with self._sending:
            try:
                if not os.path.samestat(os.fstat(self._descriptor), self._pipe):
                    os._exit(DESCRIPTOR_LOST)
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                os._exit(DESCRIPTOR_LOST)

    def run(self, runs: Mapping[str, Run]) -> None:
        """Run the steps that each process begins with, then the plan's checks."""
        for check in (*FIRST, *(name for name in self._plan.checks if name not in FIRST)):
            self._run(check, runs[check])
            if check in FIRST and check in self._not_passed:
                for other in self._plan.checks:
                    if other not in self._done:
                        self.send(Event(ends=other, skipped=self._not_passed[check]))
                break
        self.send(Event(finished=True, values=self._tested.values))

    def _run(self, check: str, run: Run) -> None:
        self._done.add(check)
        reason = next(
            (self._not_passed[need] for need in CHECKS[check].needs if need in self._not_passed), ""
        )
        if need := needed_but_skipped(check, self._plan.skipped):
            self.send(Event(ends=check, skipped=f"it needs {need}, which is left out"))
            return
        if reason:
            self._not_passed[check] = reason
            self.send(Event(ends=check, skipped=reason))
            return
        self.send(Event(begins=check))
        began = time.monotonic()
        is_in_main_thread = check in _IN_MAIN_THREAD or self._plan.phase is Phase.FIT
        failures = self._failures(check, run) if is_in_main_thread else self._in_thread(check, run)
        skipped = self._tested.values.pop("skipped", "")
        if failures or skipped:
            self._not_passed[check] = skipped or f"{check} failed"
        if failures:
            self._tested.failed.add(check)
        seconds = time.monotonic() - began
        self.send(
            Event(ends=check, failures=failures, skipped=skipped, seconds=seconds, values=self._tested.values)
        )

    def _in_thread(self, check: str, run: Run) -> list[Failure]:
        return self._thread.submit(self._failures, check, run).result()

    def _failures(self, check: str, run: Run) -> list[Failure]:
        """Run a check and return its failures; a further model that cannot be built is one of them."""
        failures: list[Failure] = []
        try:
            failures.extend(run())
        except BackendError as error:
            failures.append(self._tested.not_built(check, error))
        return failures


def main() -> int:
    """Run the plan; the process exits without waiting for threads of user code, and with the command on Linux."""
    end_with_parent()  # user code that never returns would outlive a killed command
    descriptor, plan_file, trace_file = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    os.set_inheritable(descriptor, False)
    plan = msgspec.json.decode(plan_file.read_bytes(), type=Plan)
    trace = trace_file.open("w", encoding="utf-8")
    faulthandler.enable(trace, all_threads=True)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, trace, all_threads=True)
    logging.disable()  # each failure is reported by the command
    tested = TestedClass(Settings.from_env(), plan)
    tested.effects.install()
    process = CheckProcess(descriptor, plan, tested)
    announce_to(process.send)
    process.run(_PHASES[plan.phase](tested).checks())
    os._exit(0)


if __name__ == "__main__":
    main()

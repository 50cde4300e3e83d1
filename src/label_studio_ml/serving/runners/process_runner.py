"""Runners: where models run, a process of their own or threads of this one (`thread_runner`).

A runner runs up to `concurrency` (of the class) prediction calls at a time; models load concurrently with them.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import (
    BackendError,
    ModelFileError,
    ModelLoadError,
    ModelProcessDied,
    ParamsError,
    PredictError,
)
from label_studio_ml.model_calls.adapter import ClassInfo, ModelSpec
from label_studio_ml.model_calls.predictor import Answer, Request
from label_studio_ml.processes.exit_status import describe_exit
from label_studio_ml.processes.guard import kill_group
from label_studio_ml.processes.interpreter import command
from label_studio_ml.processes.orphans import GuardedProcess
from label_studio_ml.serving.requests.queue_item import Place, RunnerClosed
from label_studio_ml.serving.runners.futures import fail, settle
from label_studio_ml.serving.runners.inflight import InflightCalls
from label_studio_ml.serving.runners.long_polls import MAX_LONG_POLLS, too_many
from label_studio_ml.serving.runners.messages import (
    Failed,
    Frames,
    FromModel,
    Imported,
    ImportFailed,
    Load,
    Loaded,
    LongPoll,
    Predict,
    Predicted,
    Stop,
    ToModel,
    Unload,
    frame,
    from_model_decoder,
)

logger = logging.getLogger(__name__)

#: Seconds between the exit of a model process and the end of its connection, in either order. A process that user
#: code forked keeps the socket open; a thread that user code left running keeps the process alive.
EXIT_TIMEOUT = 2.0

#: Seconds that one call of `predict` may run before its process is killed and replaced: twice the deadline of its
#: callers, because late results of a large request's parts are still of use.
LONGEST_CALL = 190.0


#: The messages that go to the process's reader.
_TO_READER = (Load, LongPoll)


class ModelRunner(Protocol):
    """Runs models. `info` and `ended` may be awaited by any number of tasks (shielded).

    `ahead`: a second call may be sent while one runs; it starts without a gap, and interactive calls go first.
    `own_memory`: the runner imports the model file itself and shares no class or module with other runners.
    `renewable`: a new runner in its place imports the user's modules again.
    """

    ahead: bool
    own_memory: bool
    renewable: bool
    info: "asyncio.Future[ClassInfo]"
    ended: "asyncio.Future[str]"

    async def start(self) -> None:
        """Start importing the model file; `info` gets the outcome."""

    async def load(self, number: int, spec: ModelSpec, instead_of: int = 0) -> str:
        """Build a model, after removing model `instead_of` (0: none), and return its version's name.

        Raises ModelError or ModelProcessDied.
        """

    async def predict(
        self, number: int, requests: Sequence[Request], place: Place | None = None
    ) -> list[Answer]:
        """Answer `requests` by model `number`, at the `place` that was taken for them.

        Raises ModelError, ModelProcessDied if the process ends during the call, RunnerClosed if it ends before the
        call begins.
        """

    async def long_poll(self, number: int, request: Request, session: str) -> Answer:
        """Answer a long poll by model `number`, beside the runner's other calls.

        Raises like `predict`, and Overloaded if the runner answers `MAX_LONG_POLLS` already.
        """

    def place(self, session: str, patience: float | None) -> Place | None:
        """Return the place for a request of a session (see `runners.sessions`); None if there is only one."""

    def release(self, session: str) -> None:
        """Forget where a session's state is."""

    def unload(self, number: int) -> None:
        """Remove model `number`."""

    async def close(self, grace: float = 5.0) -> None:
        """End the runner, after its running calls or `grace` seconds."""


class ProcessRunner(asyncio.Protocol):
    """Runner in a new interpreter, never a fork. `environment` is added to the environment of the settings.

    A call of `predict` that runs for more than `longest_call` seconds fails, and its process is killed. With
    `log_to_stdout`, standard error of the process goes to standard output of this one. Output of the process is copied
    to logs/server.log, unless `output` is a descriptor that it goes to instead. Without `own_session`, its guard stays
    in the session of this process, and ends with it.
    """

    ahead = True
    own_memory = True
    renewable = True

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str] | None = None,
        *,
        longest_call: float = LONGEST_CALL,
        log_to_stdout: bool = False,
        output: int | None = None,
        own_session: bool = True,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.info: asyncio.Future[ClassInfo] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self._settings = settings
        self._environment = environment or {}
        self._errors = subprocess.STDOUT if log_to_stdout else output
        self._output = output
        self._own_session = own_session
        self._frames = Frames()
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._loads: set[int] = set()
        self._polls: set[int] = set()
        self._next_call = 0
        self._inflight: InflightCalls | None = None
        self._longest_call = longest_call
        self._overdue: set[int] = set()
        self._hung = False
        self._guarded: GuardedProcess | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: socket.socket | None = None
        self._pid = 0
        self._transport: asyncio.Transport | None = None
        self._predictions: asyncio.Transport | None = None
        self._status: int | None = None
        self._lost = False
        self.device = ""

    @property
    def pid(self) -> int | None:
        """The id of the model process, None until its guard has started it."""
        if not self._pid and self._guard is not None:
            with contextlib.suppress(OSError, ValueError):  # not received yet
                self._pid = int(self._guard.recv(64, socket.MSG_DONTWAIT))
        return self._pid or None

    async def start(self) -> None:
        """Start the process; `info` gets the outcome of importing the model file."""
        loop = asyncio.get_running_loop()
        own_end, child_end = socket.socketpair()
        our_predictions, their_predictions = socket.socketpair()
        self._guard, guards = socket.socketpair()
        try:
            page = InflightCalls.descriptor()
            with child_end, their_predictions, guards, _closing(page):
                self._inflight = InflightCalls(page)
                descriptors = [child_end.fileno(), their_predictions.fileno(), page, guards.fileno()]
                arguments = [*descriptors, int(self._output is None)]
                self._guarded = GuardedProcess(
                    command(self._settings, "label_studio_ml.serving.runners.model_process", *arguments),
                    pass_fds=descriptors,
                    stdin=subprocess.DEVNULL,
                    stdout=self._output,
                    stderr=self._errors,
                    env={**self._settings.child_env(), **self._environment, "PYTHONUNBUFFERED": "1"},
                    start_new_session=self._own_session,  # Ctrl-C goes to the server only, which ends this process
                )
                self._process = self._guarded.popen
            own_end.setblocking(False)
            our_predictions.setblocking(False)
            await loop.create_connection(lambda: self, sock=own_end)
            self._predictions, _ = await loop.create_connection(asyncio.Protocol, sock=our_predictions)
        except BaseException as error:
            own_end.close()
            our_predictions.close()
            self._guard.close()
            if self._guarded is not None:
                self._guarded.popen.kill()
                self._guarded.popen.wait()
                self._guarded.ended()
            self._finish_unstarted(error)
            raise
        threading.Thread(
            target=self._watch, args=(loop, self._guarded), daemon=True, name="model process watch"
        ).start()
        loop.call_later(self._longest_call / 10, self._check_duration)

    async def load(self, number: int, spec: ModelSpec, instead_of: int = 0) -> str:
        """Build a model in the process and return its version's name."""
        if instead_of:  # removed by the thread that runs it
            self._send(Unload(instead_of))
        answer = await self._call(lambda call: Load.of(call, number, spec, instead_of))
        self.device = answer.device
        return str(answer.version)

    async def predict(
        self, number: int, requests: Sequence[Request], place: Place | None = None
    ) -> list[Answer]:
        """Answer `requests` in the process."""
        answer = await self._call(lambda call: Predict(call, number, list(requests)))
        answers: list[Answer] = answer.answers
        return answers

    async def long_poll(self, number: int, request: Request, session: str) -> Answer:
        """Answer a long poll in a thread of its own in the process."""
        if len(self._polls) >= MAX_LONG_POLLS:
            raise too_many()
        answer = await self._call(lambda call: LongPoll(call, number, request))
        only: Answer = answer.answers[0]
        return only

    def place(self, session: str, patience: float | None) -> None:
        """Return None: there is only one process."""

    def release(self, session: str) -> None:
        """Do nothing: there is only one process."""

    def unload(self, number: int) -> None:
        """Remove model `number` from the process."""
        self._send(Unload(number))

    async def close(self, grace: float = 5.0) -> None:
        """Ask the process to stop; kill it after `grace` seconds."""
        if self._process is None:
            settle(self.ended, "The model process was never started")
        self._send(Stop())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.ended), grace)
        if not self.ended.done():
            self._kill()
            await asyncio.shield(self.ended)

    async def _call(self, make: Callable[[int], Load | Predict | LongPoll]) -> Any:
        if self.ended.done():
            raise ModelProcessDied(self.ended.result())
        self._next_call += 1
        call = self._next_call
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[call] = future
        message = make(call)
        if isinstance(message, Load):
            self._loads.add(call)
        if isinstance(message, LongPoll):
            self._polls.add(call)  # until its thread is free, even if the caller leaves
        self._send(message)
        try:
            return await future
        finally:
            self._calls.pop(call, None)
            self._loads.discard(call)

    def _send(self, message: ToModel) -> None:
        """Send Load and LongPoll to the process's reader, other messages to the thread that predicts.

        Each of the two keeps its order.
        """
        transport = self._transport if isinstance(message, _TO_READER) else self._predictions
        if transport is not None and not transport.is_closing():
            transport.write(frame(message))

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the connection."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Handle the messages that are complete."""
        for body in self._frames.feed(data):
            self._receive(from_model_decoder.decode(body))

    def connection_lost(self, exc: Exception | None) -> None:
        """Finish if the process has exited; otherwise kill it after `EXIT_TIMEOUT` seconds."""
        self._lost = True
        if self._status is None:
            asyncio.get_running_loop().call_later(EXIT_TIMEOUT, self._kill)
        else:
            self._finish(self._status)

    def _watch(self, loop: asyncio.AbstractEventLoop, guarded: GuardedProcess) -> None:
        """Wait, in a thread, for the guard's exit, and report the exit status to the event loop."""
        status = guarded.popen.wait()
        guarded.ended()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._exited, status)

    def _exited(self, status: int) -> None:
        self._status = status
        self._end_group()
        if self._lost:
            self._finish(status)
        elif self._transport is not None:
            asyncio.get_running_loop().call_later(EXIT_TIMEOUT, self._transport.abort)

    def _check_duration(self) -> None:
        """Kill the process if a call runs for too long: a call that never returns cannot be interrupted otherwise."""
        if self.ended.done() or self._inflight is None:
            return
        overdue = {call for call, seconds in self._inflight.running().items() if seconds > self._longest_call}
        if overdue & self._overdue:
            self._hung = True
            logger.error("predict has run for more than %g s: its process is ended", self._longest_call)
            self._kill()
        self._overdue = overdue
        asyncio.get_running_loop().call_later(self._longest_call / 10, self._check_duration)

    def _kill(self) -> None:
        if self._process is not None and self._status is None:
            if not self.pid:  # its guard has not started it yet
                self._process.kill()
            self._end_group()

    def _end_group(self) -> None:
        """Kill the process and the processes it started, in case its guard was killed; close the guard's socket."""
        if self.pid:
            kill_group(self._pid, signal.SIGKILL)
        if self._guard is not None:
            self._guard.close()

    def _receive(self, message: FromModel) -> None:
        if self._polls and isinstance(message, Failed | Predicted):
            self._polls.discard(message.call)
        if isinstance(message, Imported):
            settle(self.info, message.info)
        elif isinstance(message, ImportFailed):
            fail(self.info, ModelFileError(message.message, fix=message.fix, field=message.field))
        elif isinstance(message, Failed):
            kind = ParamsError if message.of_params else ModelLoadError
            error = kind(message.message, fix=message.fix, field=message.field)
            fail(self._calls.get(message.call), error)
        elif isinstance(message, Loaded | Predicted):
            settle(self._calls.get(message.call), message)

    def _finish_unstarted(self, error: BaseException) -> None:
        """Settle `info` and `ended` after a failed start."""
        self._status = self._status or 0
        fail(self.info, ModelFileError(f"The model process cannot be started: {error}"))
        self.info.exception()
        settle(self.ended, f"The model process cannot be started: {error}")

    def _finish(self, status: int) -> None:
        """Settle `info`, `ended` and all open calls after the process has ended."""
        ending = "was ended after a call that did not return" if self._hung else describe_exit(status)
        cause = f"The model process {ending}"
        fail(self.info, ModelFileError(f"{cause} while it imported the model file"))
        self.info.exception()  # marks it as retrieved: there may be no waiter
        inflight = (
            self._inflight.suspects().keys() & self._calls.keys() if self._inflight is not None else set()
        )
        for call, future in self._calls.items():
            if self._hung and call in self._overdue:
                error: BackendError = PredictError(f"predict ran for more than {self._longest_call:g} s")
            elif inflight and call not in inflight and call not in self._loads:
                error = RunnerClosed(cause)
            else:
                error = ModelProcessDied(cause)
            fail(future, error)
        if self._predictions is not None:
            self._predictions.abort()
        settle(self.ended, cause)


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)

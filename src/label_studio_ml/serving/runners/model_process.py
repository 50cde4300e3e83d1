"""Process that runs the user's code for predictions. Its arguments are four descriptors and a number.

The descriptors are two sockets for the frames of `messages`, the shared memory of `inflight` for the running calls, and
the socket to the guard. Load and LongPoll messages arrive on the first socket, all others on the second; all answers
go to the first one. A reader thread waits at the first one and exits the process when it closes, because the server
has ended; it passes each long poll to a thread beside those that predict. A new version is built in its own thread
while the old one predicts. If the number is 1, output goes through the guard to the terminal and to logs/server.log; if
it is 0, to where the starter has redirected it.
"""

import collections
import contextlib
import logging
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn, TypeAlias

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, NoLabelConfig, ParamsError
from label_studio_ml.model_calls.adapter import reason
from label_studio_ml.model_calls.used_device import used_device
from label_studio_ml.monitoring import logs
from label_studio_ml.processes.guard import fork_guarded
from label_studio_ml.serving.runners.inflight import InflightCalls
from label_studio_ml.serving.runners.long_polls import MAX_LONG_POLLS
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
    to_model_decoder,
)
from label_studio_ml.serving.runners.model_host import ModelHost
from label_studio_ml.serving.runners.user_output import OutputCopy

logger = logging.getLogger(__name__)


#: Queue by which a model's thread gets the turn: the message to handle, or None if there is none yet.
Turns: TypeAlias = "queue.SimpleQueue[ToModel | None]"


class Inbox:
    """Messages for the thread that predicts: in order, but interactive requests first.

    That thread reads the socket itself: a separate reader thread and this one would wait for each other's
    interpreter lock.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._frames = Frames()
        self._piece = memoryview(bytearray(1 << 20))
        self._urgent: collections.deque[ToModel] = collections.deque()
        self._normal: collections.deque[ToModel] = collections.deque()

    def get(self) -> ToModel:
        """Remove and return the next message; wait if there is none. Exit the process when the server has ended."""
        while self._read(wait=not self._urgent and not self._normal):
            pass
        return self._urgent.popleft() if self._urgent else self._normal.popleft()

    def _read(self, *, wait: bool) -> bool:
        """Read available messages; return whether to read again before one is handled."""
        try:
            count = self._connection.recv_into(self._piece, 0, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        if not count:
            os._exit(0)  # the server is gone
        for body in self._frames.feed(self._piece[:count]):
            message = to_model_decoder.decode(body)
            urgent = isinstance(message, Predict) and message.requests[0].interactive
            (self._urgent if urgent else self._normal).append(message)
        return not self._urgent and (not self._normal or count == len(self._piece))


class ModelProcess:
    """The threads of the process and their shared state.

    With `concurrency` 1, each model is built and called in a thread of its own, so that database connections, event
    loops and thread-locals made in its constructor work in `predict`. One thread at a time has the turn: it reads
    messages and handles those for its model, and passes the turn on with the first message for another model. So
    successive requests for one model wake no other thread.
    """

    def __init__(
        self, control: socket.socket, predictions: socket.socket, inflight: InflightCalls, settings: Settings
    ) -> None:
        self._control = control
        self._inflight = inflight
        self._sending = threading.Lock()
        self._host = ModelHost(settings)
        self._predictions = Inbox(predictions)
        self._loads: queue.SimpleQueue[Load | None] = queue.SimpleQueue()
        self._long_polls = ThreadPoolExecutor(MAX_LONG_POLLS, "long poll")
        self._main: Turns = queue.SimpleQueue()
        self._turns: dict[int, Turns] = {}
        self._threads: dict[int, threading.Thread] = {}

    def run(self) -> int:
        """Import the model file and handle messages until Stop; return the exit status."""
        threading.Thread(target=self._read, daemon=True, name="reader").start()
        try:
            info = self._host.import_class()
            self._send(Imported(info))
        except BackendError as error:
            logger.error("%s", error)
            self._send(ImportFailed(error.message, error.fix, error.field))
            return 1
        except BaseException as error:
            logger.exception("The model class cannot be used")
            self._send(ImportFailed(reason(error), "", ""))
            return 1
        is_concurrent = info.concurrency > 1
        load = self._handle if is_concurrent else self._load_in_own_thread
        threading.Thread(target=self._load, args=(load,), daemon=True, name="loader").start()
        if is_concurrent:
            self._predict_concurrently(info.concurrency)
        else:
            message: ToModel | None = None
            while self._take_turn(0, self._main, message):
                message = self._main.get()
        self._loads.put(None)
        self._long_polls.shutdown()
        return 0

    def _predict_concurrently(self, concurrency: int) -> None:
        """Read messages in this thread and handle requests in `concurrency` others, until Stop."""
        threads = ThreadPoolExecutor(concurrency, "predict")
        while not isinstance(message := self._predictions.get(), Stop):
            if isinstance(message, Unload):
                self._host.unload(message.number)
            elif isinstance(message, Predict):
                threads.submit(self._handle, message)
        threads.shutdown()

    def _read(self) -> None:
        frames = Frames()
        try:
            while data := self._control.recv(1 << 16):
                for body in frames.feed(data):
                    message = to_model_decoder.decode(body)
                    if isinstance(message, Load):
                        self._loads.put(message)
                    elif isinstance(message, LongPoll):
                        with contextlib.suppress(RuntimeError):  # the process stops
                            self._long_polls.submit(self._handle, message)
        finally:  # the server has ended; a broken connection is an OSError
            os._exit(0)

    def _take_turn(self, number: int, own_turns: Turns, message: ToModel | None) -> bool:
        """Handle `message`, if any, and those read after it, until one is for another thread, which gets the turn.

        This thread is that of model `number` (0: the main thread) and gets turns through `own_turns`. Return whether it
        must wait for another turn: False once its model was removed or the process is to stop.
        """
        while True:
            message = message or self._predictions.get()
            owner = self._main if isinstance(message, Stop) else self._turns.get(message.number, self._main)
            if owner is not own_turns:
                owner.put(message)
                return not number or self._turns.get(number) is own_turns
            if isinstance(message, Stop):
                return False
            if isinstance(message, Unload):
                self._host.unload(message.number)
                if self._turns.pop(message.number, None) is not None:
                    self._main.put(None)
                    return False
            else:
                self._handle(message)
            message = None

    def _load(self, load: Callable[[Load], None]) -> None:
        with _ending_on_failure():
            self._load_each(load)

    def _load_each(self, load: Callable[[Load], None]) -> None:
        while (message := self._loads.get()) is not None:
            load(message)

    def _load_in_own_thread(self, message: Load) -> None:
        """Build a model in a new thread, which lives as long as the model; return when building has ended."""
        previous = self._threads.pop(message.instead_of, None)
        if previous is not None:  # the Unload for that model arrives on the other socket
            previous.join()
        built = threading.Event()
        thread = threading.Thread(
            target=self._run_model, args=(message, built), daemon=True, name=f"model {message.number}"
        )
        self._threads[message.number] = thread
        thread.start()
        built.wait()

    def _run_model(self, message: Load, built: threading.Event) -> None:
        with _ending_on_failure():
            self._serve_model(message, built)

    def _serve_model(self, message: Load, built: threading.Event) -> None:
        """Build a model and answer its requests until it is removed."""
        own_turns: Turns = queue.SimpleQueue()
        try:
            answer = self._attempt(message)
            if isinstance(answer, Loaded):
                self._turns[message.number] = own_turns
            self._send(answer)
        finally:
            built.set()
        if isinstance(answer, Loaded):
            while self._take_turn(message.number, own_turns, own_turns.get()):
                pass
        self._inflight.leave()
        if self._threads.get(message.number) is threading.current_thread():
            self._threads.pop(message.number, None)

    def _attempt(self, message: Load | Predict | LongPoll) -> FromModel:
        """Handle a message and return the answer, or Failed with the reason."""
        try:
            if isinstance(message, Load):
                version = self._host.load(message.number, message.spec, message.instead_of)
                return Loaded(message.call, version, used_device())
            is_poll = isinstance(message, LongPoll)
            requests = [message.request] if isinstance(message, LongPoll) else message.requests
            self._inflight.begin(message.call, long_poll=is_poll)
            return Predicted(message.call, self._host.predict(message.number, requests))
        except (
            NoLabelConfig,
            ParamsError,
        ) as error:  # for people who set up a project: the server logs one line
            return _failed(message.call, error)
        except BaseException as error:  # SystemExit, for example, would end this thread silently
            logger.exception("A call failed")
            return _failed(message.call, error)

    def _handle(self, message: Load | Predict | LongPoll) -> None:
        """Handle a message and send the answer."""
        self._send(self._attempt(message))
        if not isinstance(message, Load):
            self._inflight.begin(0)

    def _send(self, message: FromModel) -> None:
        try:
            data = frame(message)
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            data = frame(Failed(getattr(message, "call", 0), f"the answer cannot be sent: {error}"))
        try:
            with self._sending:
                self._control.sendall(data)
        except OSError as error:  # user code may have closed all descriptors, as daemons do
            logger.error("Answers cannot be sent to the server any more: %s", error)
            _end(1)


def _failed(call: int, error: BaseException) -> Failed:
    """Return the answer to a call that ended with `error`, on one line, with fix and field of this package's errors."""
    if isinstance(error, BackendError):
        message, fix, field = (reason(BackendError(text)) for text in (error.message, error.fix, error.field))
        return Failed(call, message, fix, field, of_params=isinstance(error, ParamsError))
    return Failed(call, reason(error))


@contextlib.contextmanager
def _ending_on_failure() -> Iterator[None]:
    """End the process if our own code fails in a thread, because the server would wait for that thread's answers."""
    try:
        yield
    except BaseException:
        logger.exception("The model process cannot continue")
        _end(1)


def _end(status: int) -> NoReturn:
    """End the process at once, without waiting for threads and exit handlers of user code."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


_mask = threading.local()


def _block_signals() -> None:
    """Block SIGINT and SIGTERM before a fork, so that the child gets them once its handlers are restored."""
    _mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _mask.before)


def _restore_signals() -> None:
    """Restore the default handlers in a forked child, so that it ends on SIGTERM and SIGINT; `main` ignores them."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is _ignore:
            signal.signal(number, usual)
    _release_signals()


def _ignore(number: int, frame: object) -> None:
    pass


def main() -> int:
    """Run a model process on its arguments: the four descriptors, and 1 to copy its output or 0."""
    settings = Settings.from_env()
    output = OutputCopy(settings.log_dir / "server.log", as_json=settings.log_json)
    fork_guarded(int(sys.argv[4]), 0, output.copy if int(sys.argv[5]) else None)
    # Ignored, because a service manager signals all processes, and the server sends Stop after the requests in
    # flight. By a handler, because SIG_IGN would be inherited by programs that user code starts.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ignore)
    os.register_at_fork(
        before=_block_signals, after_in_parent=_release_signals, after_in_child=_restore_signals
    )
    logs.configure(settings.log_level, as_json=settings.log_json)  # the guard copies the output to the file
    control, predictions = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    for connection in (control, predictions):
        connection.set_inheritable(False)
    page = int(sys.argv[3])
    inflight = InflightCalls(page)
    os.close(page)
    try:
        status = ModelProcess(control, predictions, inflight, settings).run()
    except OSError as error:
        logger.error("The server is gone: %s", error)
        status = 1
    _end(status)


if __name__ == "__main__":
    main()

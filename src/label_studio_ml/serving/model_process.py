"""The process that runs the user's code for predictions. Its arguments are FDS.

FDS are three descriptors: two sockets for the frames of `serving.messages`, and the page of `serving.begun`, where it
notes what it works on. Models to load come over the first socket, all about predictions over the second; all answers
go over the first. The main thread imports the model file, reads the second socket and predicts; a second thread builds
models, so that a new version loads beside the old one; a third reads the first socket. When it closes, the server is
gone, and so is this process.
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
from concurrent.futures import ThreadPoolExecutor

import msgspec

from label_studio_ml import logs
from label_studio_ml.adapter import reason
from label_studio_ml.errors import BackendError, NoLabelConfig
from label_studio_ml.serving.begun import Begun
from label_studio_ml.serving.host import ModelHost
from label_studio_ml.serving.messages import (
    Failed,
    Frames,
    FromModel,
    Imported,
    ImportFailed,
    Load,
    Loaded,
    Predict,
    Predicted,
    Stop,
    ToModel,
    Unload,
    frame,
    to_model_decoder,
)
from label_studio_ml.settings import Settings

logger = logging.getLogger(__name__)


class Inbox:
    """What the server asks of the thread that predicts: in order, but interactive requests first.

    That thread reads the socket itself: a reader beside it would wait for the interpreter lock, and then it for the
    reader.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._frames = Frames()
        self._piece = memoryview(bytearray(1 << 20))
        self._urgent: collections.deque[ToModel] = collections.deque()
        self._others: collections.deque[ToModel] = collections.deque()

    def get(self) -> ToModel:
        """Remove and return the next message, as soon as there is one. The process ends when the server is gone."""
        while self._read(wait=not self._urgent and not self._others):
            pass
        return self._urgent.popleft() if self._urgent else self._others.popleft()

    def _read(self, *, wait: bool) -> bool:
        """Take what has arrived; return whether it is worth looking again."""
        try:
            count = self._connection.recv_into(self._piece, 0, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        if not count:
            os._exit(0)  # the server is gone
        for body in self._frames.feed(self._piece[:count]):
            message = to_model_decoder.decode(body)
            urgent = isinstance(message, Predict) and message.requests[0].interactive
            (self._urgent if urgent else self._others).append(message)
        return not self._urgent and (not self._others or count == len(self._piece))


class ModelProcess:
    """The three threads and what they share."""

    def __init__(
        self, control: socket.socket, predictions: socket.socket, begun: Begun, settings: Settings
    ) -> None:
        self._control = control
        self._begun = begun
        self._sending = threading.Lock()
        self._host = ModelHost(settings)
        self._predictions = Inbox(predictions)
        self._loads: queue.SimpleQueue[Load | None] = queue.SimpleQueue()

    def run(self) -> int:
        """Work until told to stop; return the exit status."""
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
        loader = threading.Thread(target=self._load, daemon=True, name="loader")
        loader.start()
        # One call at a time belongs to the main thread, where most libraries expect to be.
        threads = ThreadPoolExecutor(info.concurrency, "predict") if info.concurrency > 1 else None
        while not isinstance(message := self._predictions.get(), Stop):
            if isinstance(message, Unload):
                self._host.unload(message.live)
            elif isinstance(message, Predict) and threads is not None:
                threads.submit(self._answer, message)
            elif isinstance(message, Predict):
                self._answer(message)
        if threads is not None:
            threads.shutdown()
        self._loads.put(None)
        return 0

    def _read(self) -> None:
        frames = Frames()
        try:
            while data := self._control.recv(1 << 16):
                for body in frames.feed(data):
                    message = to_model_decoder.decode(body)
                    if isinstance(message, Load):
                        self._loads.put(message)
        finally:  # the server is gone, in order or not: a broken connection is an OSError
            os._exit(0)

    def _load(self) -> None:
        while (message := self._loads.get()) is not None:
            self._answer(message)

    def _answer(self, message: Load | Predict) -> None:
        """Do what is asked and send what comes of it, or why it failed."""
        answer: FromModel
        try:
            if isinstance(message, Load):
                answer = Loaded(message.call, self._host.load(message.live, message.spec, message.instead_of))
            else:
                self._begun.begin(message.call)
                answer = Predicted(message.call, self._host.predict(message.live, message.requests))
        except NoLabelConfig as error:  # a state that many projects begin in: the server says it in one line
            answer = Failed(message.call, reason(error))
        except BaseException as error:  # SystemExit, say, would end this thread without a word
            logger.exception("A call failed")
            answer = Failed(message.call, reason(error))
        self._send(answer)
        if isinstance(message, Predict):
            self._begun.begin(0)

    def _send(self, message: FromModel) -> None:
        try:
            data = frame(message)
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            data = frame(Failed(getattr(message, "call", 0), f"the answer cannot be sent: {error}"))
        with self._sending:
            self._control.sendall(data)


def main() -> int:
    """Run a model process on the sockets and the page whose descriptors are the arguments."""
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # they go to the whole group; the server tells us when to stop
        signal.signal(number, signal.SIG_IGN)
    settings = Settings.from_env()
    with contextlib.suppress(OSError):  # the server has said so already
        logs.configure(settings.log_level, as_json=settings.log_json, file=settings.log_dir / "server.log")
    control, predictions = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    for connection in (control, predictions):
        connection.set_inheritable(False)
    page = int(sys.argv[3])
    begun = Begun(page)
    os.close(page)
    try:
        status = ModelProcess(control, predictions, begun, settings).run()
    except OSError as error:
        logger.error("The server is gone: %s", error)
        status = 1
    logging.shutdown()
    sys.stdout.flush()
    # Threads and handlers of user code must not keep an ended model process alive.
    os._exit(status)


if __name__ == "__main__":
    main()
